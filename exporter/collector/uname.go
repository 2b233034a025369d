package collector

import (
	"context"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/foreshock/foreshock/pkg/registry"
)

func init() {
	Collectors.Add(registry.Entry[Collector]{
		Name: "uname", Summary: "kernel release, machine and node name",
		Source: "uname(2)", New: func() Collector { return &unameCollector{} },
	})
}

var unameInfo = gauge("node_uname_info", "Labeled system information as provided by the uname system call.",
	"sysname", "release", "version", "machine", "nodename", "domainname")

type unameCollector struct {
	uname func() (Uname, error)
	last  Uname
	s     series
}

func (c *unameCollector) Open(h *Host) error { c.uname = h.Uname; return nil }

func (c *unameCollector) Families() []*Family { return []*Family{unameInfo} }

func (c *unameCollector) Update(_ context.Context, ch chan<- prometheus.Metric) error {
	u, err := c.uname()
	if err != nil {
		return fmt.Errorf("asking for uname: %w", err)
	}
	if c.s.f == nil || u != c.last {
		c.last, c.s = u, unameInfo.with(u.Sysname, u.Release, u.Version, u.Machine, u.Nodename, u.Domainname)
	}
	c.s.send(ch, 1)
	return nil
}

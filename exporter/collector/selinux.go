package collector

import (
	"context"
	"errors"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/foreshock/foreshock/pkg/registry"
)

func init() {
	Collectors.Add(registry.Entry[Collector]{
		Name: "selinux", Summary: "whether SELinux is on, and whether it enforces",
		Source: "/sys/fs/selinux, /etc/selinux/config", New: func() Collector { return &selinux{} },
	})
}

var (
	selinuxEnabled = gauge("node_selinux_enabled", "SELinux is enabled, 1 is true, 0 is false")
	selinuxConfig  = gauge("node_selinux_config_mode", "Configured SELinux enforcement mode")
	selinuxCurrent = gauge("node_selinux_current_mode", "Current SELinux enforcement mode")
)

type selinux struct {
	enforce, config string
	file            file
}

func (c *selinux) Open(h *Host) error {
	c.enforce, c.config = h.sys("fs/selinux/enforce"), h.root("etc/selinux/config")
	return nil
}

func (c *selinux) Families() []*Family {
	return []*Family{selinuxEnabled, selinuxConfig, selinuxCurrent}
}

func (c *selinux) Update(_ context.Context, ch chan<- prometheus.Metric) error {
	current, err := c.file.number(c.enforce)
	if errors.Is(absent(err), ErrNoData) { // its file system is mounted when it is on
		selinuxEnabled.with().send(ch, 0)
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading the mode of SELinux: %w", err)
	}
	selinuxEnabled.with().send(ch, 1)
	selinuxCurrent.with().send(ch, current)
	b, err := c.file.read(c.config)
	if err != nil {
		return fmt.Errorf("reading the configured mode of SELinux: %w", err)
	}
	mode := -1.0
	switch parseRelease(b)["SELINUX"] { // the same form
	case "enforcing":
		mode = 1
	case "permissive":
		mode = 0
	}
	selinuxConfig.with().send(ch, mode)
	return nil
}

package collector

import (
	"context"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/foreshock/foreshock/pkg/registry"
)

func init() {
	Collectors.Add(registry.Entry[Collector]{
		Name: "entropy", Summary: "what the kernel has for random numbers",
		Source: "/proc/sys/kernel/random", New: func() Collector { return &entropy{} },
	})
}

var entropyFiles = []unit{
	{"entropy_avail", gauge("node_entropy_available_bits", "Bits of available entropy."), 1},
	{"poolsize", gauge("node_entropy_pool_size_bits", "Bits of entropy pool."), 1},
}

type entropy struct {
	dir  string
	file file
}

func (c *entropy) Open(h *Host) error { c.dir = h.proc("sys/kernel/random"); return nil }

func (c *entropy) Families() []*Family { return []*Family{entropyFiles[0].f, entropyFiles[1].f} }

func (c *entropy) Update(_ context.Context, ch chan<- prometheus.Metric) error {
	for _, u := range entropyFiles {
		v, err := c.file.number(c.dir + "/" + u.file)
		if err != nil {
			return fmt.Errorf("reading entropy: %w", absent(err))
		}
		u.f.with().send(ch, v)
	}
	return nil
}

package collector

import (
	"context"
	"fmt"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/foreshock/foreshock/pkg/registry"
)

func init() {
	Collectors.Add(registry.Entry[Collector]{
		Name: "bonding", Summary: "members of bonded network interfaces, and those that are up",
		Source: "/sys/class/net/bonding_masters", New: func() Collector { return &bonding{} },
	})
}

var (
	bondingSlaves = gauge("node_bonding_slaves", "Number of configured slaves per bonding interface.", "master")
	bondingActive = gauge("node_bonding_active", "Number of active slaves per bonding interface.", "master")
)

type bonding struct {
	dir  string
	file file
}

func (c *bonding) Open(h *Host) error { c.dir = h.sys("class/net"); return nil }

func (c *bonding) Families() []*Family { return []*Family{bondingSlaves, bondingActive} }

func (c *bonding) Update(_ context.Context, ch chan<- prometheus.Metric) error {
	b, err := c.file.readOne(c.dir + "/bonding_masters")
	if err != nil {
		return fmt.Errorf("reading bonded interfaces: %w", absent(err))
	}
	for _, master := range strings.Fields(string(b)) {
		dir := c.dir + "/" + master
		b, err := c.file.readOne(dir + "/bonding/slaves")
		if gone(err) {
			continue
		}
		if err != nil {
			return fmt.Errorf("reading the members of %s: %w", master, err)
		}
		slaves, active := strings.Fields(string(b)), 0
		for _, slave := range slaves {
			state := c.file.text(dir + "/lower_" + slave + "/bonding_slave/mii_status")
			if state == "" { // before Linux 3.19
				state = c.file.text(dir + "/slave_" + slave + "/bonding_slave/mii_status")
			}
			if state == "up" {
				active++
			}
		}
		bondingSlaves.send(ch, float64(len(slaves)), master)
		bondingActive.send(ch, float64(active), master)
	}
	return nil
}

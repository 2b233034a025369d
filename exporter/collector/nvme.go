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
		Name: "nvme", Summary: "model, firmware, state and size of NVMe disks",
		Source: "/sys/class/nvme", New: func() Collector { return &nvme{} },
	})
}

var (
	nvmeInfo = gauge("node_nvme_info", "Non-numeric data from /sys/class/nvme/<device>, value is always 1.",
		"device", "firmware_revision", "model", "serial", "state", "cntlid")
	nvmeNamespace = gauge("node_nvme_namespace_info", "Information about NVMe namespaces. Value is always 1", "device", "nsid", "ana_state")
	nvmeCapacity  = gauge("node_nvme_namespace_capacity_bytes", "Capacity of the NVMe namespace in bytes. Computed as namespace_size * namespace_logical_block_size", "device", "nsid")
	nvmeSize      = gauge("node_nvme_namespace_size_bytes", "Size of the NVMe namespace in bytes. Available in /sys/class/nvme/<device>/<namespace>/size", "device", "nsid")
	nvmeUsed      = gauge("node_nvme_namespace_used_bytes", "Used space of the NVMe namespace in bytes. Available in /sys/class/nvme/<device>/<namespace>/nuse", "device", "nsid")
	nvmeBlock     = gauge("node_nvme_namespace_logical_block_size_bytes", "Logical block size of the NVMe namespace in bytes. Usually 4Kb. Available in "+
		"/sys/class/nvme/<device>/<namespace>/queue/logical_block_size", "device", "nsid")
)

type nvme struct {
	dir  string
	file file
}

func (c *nvme) Open(h *Host) error { c.dir = h.sys("class/nvme"); return nil }

func (c *nvme) Families() []*Family {
	return []*Family{nvmeInfo, nvmeNamespace, nvmeCapacity, nvmeSize, nvmeUsed, nvmeBlock}
}

func (c *nvme) Update(_ context.Context, ch chan<- prometheus.Metric) error {
	devices, err := numbered(c.dir, "nvme")
	if err != nil {
		return fmt.Errorf("listing NVMe disks: %w", err)
	}
	for _, device := range devices {
		dir := c.dir + "/" + device
		text := func(name string) string { return c.file.text(dir + "/" + name) }
		nvmeInfo.send(ch, 1, device, text("firmware_rev"), text("model"), text("serial"), text("state"), text("cntlid"))
		names, _ := list(dir, device) // none while the disk starts
		for _, name := range names {
			if id, ok := strings.CutPrefix(name, device+"n"); ok {
				c.namespace(ch, device, id, dir+"/"+name)
			}
		}
	}
	return nil
}

// namespace publishes one namespace. Its size is told in sectors of 512 bytes, what is used in its own blocks.
func (c *nvme) namespace(ch chan<- prometheus.Metric, device, id, dir string) {
	if _, err := parseUint([]byte(id)); err != nil {
		return
	}
	state := c.file.text(dir + "/ana_state")
	if state == "" {
		state = "unknown"
	}
	nvmeNamespace.send(ch, 1, device, id, state)
	block, err := c.file.number(dir + "/queue/logical_block_size")
	if err != nil {
		return
	}
	nvmeBlock.send(ch, block, device, id)
	if size, err := c.file.number(dir + "/size"); err == nil {
		nvmeSize.send(ch, size*512, device, id)
		nvmeCapacity.send(ch, size*512, device, id)
	}
	if used, err := c.file.number(dir + "/nuse"); err == nil {
		nvmeUsed.send(ch, used*block, device, id)
	}
}

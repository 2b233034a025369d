package collector

import (
	"context"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/foreshock/foreshock/pkg/registry"
)

func init() {
	Collectors.Add(registry.Entry[Collector]{
		Name: "kernel_hung", Summary: "tasks that the kernel found hanging",
		Source: "/proc/sys/kernel/hung_task_detect_count, from Linux 6.13 on", New: func() Collector { return &kernelHung{} },
	})
}

var kernelHungTasks = counter("node_kernel_hung_tasks_total", "Total number of tasks that have been detected as hung since the system booted.")

type kernelHung struct {
	path string
	file file
}

func (c *kernelHung) Open(h *Host) error {
	c.path = h.proc("sys/kernel/hung_task_detect_count")
	return nil
}

func (c *kernelHung) Families() []*Family { return []*Family{kernelHungTasks} }

func (c *kernelHung) Update(_ context.Context, ch chan<- prometheus.Metric) error {
	v, err := c.file.number(c.path)
	if err != nil {
		return fmt.Errorf("reading hung tasks: %w", absent(err))
	}
	kernelHungTasks.with().send(ch, v)
	return nil
}

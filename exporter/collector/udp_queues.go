package collector

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/foreshock/foreshock/pkg/registry"
)

func init() {
	Collectors.Add(registry.Entry[Collector]{
		Name: "udp_queues", Summary: "memory of UDP datagrams that wait",
		Source: "/proc/net/udp, /proc/net/udp6", New: func() Collector { return &udpQueues{} },
	})
}

var udpQueueBytes = gauge("node_udp_queues", "Number of allocated memory in the kernel for UDP datagrams in bytes.", "queue", "ip")

type udpQueues struct {
	paths map[string]string // by the value of the label ip
	file  file
}

func (c *udpQueues) Open(h *Host) error {
	c.paths = map[string]string{"v4": h.proc("net/udp"), "v6": h.proc("net/udp6")}
	return nil
}

func (c *udpQueues) Families() []*Family { return []*Family{udpQueueBytes} }

func (c *udpQueues) Update(_ context.Context, ch chan<- prometheus.Metric) error {
	found := false
	for _, ip := range []string{"v4", "v6"} {
		b, err := c.file.read(c.paths[ip])
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("reading UDP sockets: %w", err)
		}
		tx, rx, err := sumQueues(b)
		if err != nil {
			return err
		}
		udpQueueBytes.send(ch, float64(tx), "tx", ip)
		udpQueueBytes.send(ch, float64(rx), "rx", ip)
		found = true
	}
	if !found {
		return ErrNoData
	}
	return nil
}

// sumQueues adds up the fifth field of every line, "tx:rx" in hexadecimal.
func sumQueues(b []byte) (tx, rx uint64, err error) {
	_, b = cutLine(b) // the heading
	for len(b) > 0 {
		var line, field []byte
		line, b = cutLine(b)
		if len(trimSpace(line)) == 0 {
			continue
		}
		rest := line
		for range 5 {
			field, rest = cutField(rest)
		}
		sent, received, ok := bytes.Cut(field, []byte(":"))
		t, err1 := parseHex(sent)
		r, err2 := parseHex(received)
		if !ok || err1 != nil || err2 != nil {
			return 0, 0, fmt.Errorf("UDP sockets: line %q: want the sizes of the queues in the fifth field", shorten(line))
		}
		tx += t
		rx += r
	}
	return tx, rx, nil
}

package collector

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/foreshock/foreshock/pkg/registry"
)

func init() {
	Collectors.Add(registry.Entry[Collector]{
		Name: "sockstat", Summary: "sockets in use by protocol, and their memory",
		Source: "/proc/net/sockstat, /proc/net/sockstat6", New: func() Collector { return &sockstat{} },
	})
}

var sockstatUsed = gauge("node_sockstat_sockets_used", "Number of IPv4 sockets in use.")

type sockstat struct {
	paths  [2]string
	page   float64
	file   file
	fields fields
	key    []byte
}

func (c *sockstat) Open(h *Host) error {
	c.paths, c.page = [...]string{h.proc("net/sockstat"), h.proc("net/sockstat6")}, float64(os.Getpagesize())
	c.fields = fields{what: "sockets", family: sockstatFamily}
	return nil
}

// sockstatFamily makes the family of "TCP_inuse".
func sockstatFamily(key string) *Family {
	for i := len(key) - 1; i > 0; i-- {
		if key[i] == '_' && key[i:] != "_bytes" {
			return gauge("node_sockstat_"+metricName(key), "Number of "+key[:i]+" sockets in state "+key[i+1:]+".")
		}
	}
	return nil
}

func (c *sockstat) Families() []*Family {
	return []*Family{sockstatUsed, gauge("node_sockstat_<field>", "Number of sockets of a protocol in a state: one family for each PROTOCOL_state of the kernel; mem is in pages, mem_bytes the same in bytes.")}
}

func (c *sockstat) Update(_ context.Context, ch chan<- prometheus.Metric) error {
	found := false
	for i, path := range c.paths {
		b, err := c.file.read(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue // that version of IP is not in the kernel
		}
		found = true
		if err != nil {
			return fmt.Errorf("reading sockets: %w", err)
		}
		err = eachSocket(b, func(protocol, state []byte, v uint64) error {
			if string(protocol) == "sockets" {
				if string(state) == "used" && i == 0 {
					sockstatUsed.with().send(ch, float64(v))
				}
				return nil
			}
			if err := c.send(ch, protocol, string(state), float64(v)); err != nil || string(state) != "mem" {
				return err
			}
			return c.send(ch, protocol, "mem_bytes", float64(v)*c.page)
		})
		if err != nil {
			return err
		}
	}
	if !found {
		return ErrNoData
	}
	return nil
}

func (c *sockstat) send(ch chan<- prometheus.Metric, protocol []byte, state string, v float64) error {
	c.key = append(append(append(c.key[:0], protocol...), '_'), state...)
	s, ok, err := c.fields.of(c.key)
	if ok {
		s.send(ch, v)
	}
	return err
}

// eachSocket reads lines "TCP: inuse 1 orphan 0".
func eachSocket(b []byte, yield func(protocol, state []byte, v uint64) error) error {
	for len(b) > 0 {
		var line []byte
		line, b = cutLine(b)
		protocol, rest := cutField(line)
		if len(protocol) == 0 {
			continue
		}
		if len(protocol) < 2 || protocol[len(protocol)-1] != ':' {
			return fmt.Errorf("sockets: line %q: want a protocol that ends with a colon", shorten(line))
		}
		for {
			var state, number []byte
			state, rest = cutField(rest)
			if len(state) == 0 {
				break
			}
			number, rest = cutField(rest)
			v, err := parseUint(number)
			if err != nil {
				return fmt.Errorf("sockets: line %q: %s is %q: %w", shorten(line), state, shorten(number), err)
			}
			if err := yield(protocol[:len(protocol)-1], state, v); err != nil {
				return err
			}
		}
	}
	return nil
}

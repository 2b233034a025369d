package collector

import (
	"bytes"
	"context"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/foreshock/foreshock/pkg/registry"
)

func init() {
	Collectors.Add(registry.Entry[Collector]{
		Name: "netdev", Summary: "bytes, packets, errors and drops of each network interface",
		Source: "rtnetlink(7) RTM_GETLINK, or /proc/net/dev", New: func() Collector { return &netdev{Netlink: true} },
	})
}

func netCounter(key string) *Family {
	return counter("node_network_"+key+"_total", "Network device statistic "+key+".", "device")
}

// netColumns are in the order of /proc/net/dev; the last is told by netlink only.
var netColumns = [...]*Family{
	netCounter("receive_bytes"), netCounter("receive_packets"), netCounter("receive_errs"), netCounter("receive_drop"),
	netCounter("receive_fifo"), netCounter("receive_frame"), netCounter("receive_compressed"), netCounter("receive_multicast"),
	netCounter("transmit_bytes"), netCounter("transmit_packets"), netCounter("transmit_errs"), netCounter("transmit_drop"),
	netCounter("transmit_fifo"), netCounter("transmit_colls"), netCounter("transmit_carrier"), netCounter("transmit_compressed"),
	netCounter("receive_nohandler"),
}

// values returns the counters in the order of netColumns.
func (s *LinkStats) values() [len(netColumns)]uint64 {
	return [...]uint64{
		s.RxBytes, s.RxPackets, s.RxErrs, s.RxDrop, s.RxFifo, s.RxFrame, s.RxCompressed, s.RxMulticast,
		s.TxBytes, s.TxPackets, s.TxErrs, s.TxDrop, s.TxFifo, s.TxColls, s.TxCarrier, s.TxCompressed, s.RxNoHandler,
	}
}

type netdev struct {
	Netlink       bool   `json:"netlink" help:"Ask the kernel by netlink instead of reading /proc/net/dev."`
	DeviceExclude string `json:"device_exclude" help:"Regexp of interfaces to leave out; not together with device-include."`
	DeviceInclude string `json:"device_include" help:"Regexp of interfaces to publish; not together with device-exclude."`

	path   string
	file   file
	filter *filter
	links  func() ([]Link, error)
	series map[string]*[len(netColumns)]series
}

// maxLinks bounds the interfaces that are kept. A host that makes and drops more, as with containers, starts anew.
const maxLinks = 10_000

func (c *netdev) Validate() error {
	_, err := newFilter("device", c.DeviceExclude, "", c.DeviceInclude)
	return err
}

func (c *netdev) Open(h *Host) (err error) {
	c.path, c.links, c.series = h.proc("net/dev"), h.Links, map[string]*[len(netColumns)]series{}
	c.filter, err = newFilter("device", c.DeviceExclude, "", c.DeviceInclude)
	return err
}

func (c *netdev) Families() []*Family { return netColumns[:] }

func (c *netdev) Update(_ context.Context, ch chan<- prometheus.Metric) error {
	list, err := c.read()
	if err != nil {
		return err
	}
	for i := range list {
		l := &list[i]
		if c.filter.drops([]byte(l.Name)) {
			continue
		}
		s := c.of(l.Name)
		for i, v := range l.Stats.values() {
			if i == len(netColumns)-1 && !l.Stats.HasNoHandler {
				break
			}
			s[i].send(ch, float64(v))
		}
	}
	return nil
}

func (c *netdev) read() ([]Link, error) {
	if c.Netlink {
		list, err := c.links()
		if err != nil {
			return nil, fmt.Errorf("asking for network interfaces by netlink: %w", err)
		}
		return list, nil
	}
	b, err := c.file.read(c.path)
	if err != nil {
		return nil, fmt.Errorf("reading network interfaces: %w", err)
	}
	return parseNetDev(b)
}

func (c *netdev) of(name string) *[len(netColumns)]series {
	if s, ok := c.series[name]; ok {
		return s
	}
	s := new([len(netColumns)]series)
	for i, f := range netColumns {
		s[i] = f.with(name)
	}
	if len(c.series) >= maxLinks {
		clear(c.series)
	}
	c.series[name] = s
	return s
}

// parseNetDev reads /proc/net/dev: two lines of headings, then "name: 16 numbers". A name may hold a colon, so the last one ends it.
func parseNetDev(b []byte) ([]Link, error) {
	_, b = cutLine(b)
	_, b = cutLine(b)
	var out []Link
	for len(b) > 0 {
		var line []byte
		line, b = cutLine(b)
		if len(trimSpace(line)) == 0 {
			continue
		}
		var v [16]uint64
		at := bytes.LastIndexByte(line, ':')
		if at < 0 {
			return nil, fmt.Errorf("network interfaces: line %q: want a name that ends with a colon", shorten(line))
		}
		name := trimSpace(line[:at])
		n, err := parseUints(line[at+1:], v[:])
		if err != nil || n < len(v) || len(name) == 0 {
			return nil, fmt.Errorf("network interfaces: line %q: want a name and %d whole numbers", shorten(line), len(v))
		}
		out = append(out, Link{Name: string(name), Stats: LinkStats{
			RxBytes: v[0], RxPackets: v[1], RxErrs: v[2], RxDrop: v[3], RxFifo: v[4], RxFrame: v[5], RxCompressed: v[6], RxMulticast: v[7],
			TxBytes: v[8], TxPackets: v[9], TxErrs: v[10], TxDrop: v[11], TxFifo: v[12], TxColls: v[13], TxCarrier: v[14], TxCompressed: v[15],
		}})
	}
	return out, nil
}

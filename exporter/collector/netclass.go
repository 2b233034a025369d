package collector

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/foreshock/foreshock/pkg/registry"
)

func init() {
	Collectors.Add(registry.Entry[Collector]{
		Name: "netclass", Summary: "state, speed, addresses and carrier changes of each network interface",
		Source: "/sys/class/net, Documentation/ABI/testing/sysfs-class-net",
		New:    func() Collector { return &netclass{IgnoredDevices: "^$"} },
	})
}

var (
	netUp   = gauge("node_network_up", "Value is 1 if operstate is 'up', 0 otherwise.", "device")
	netInfo = gauge("node_network_info", "Non-numeric data from /sys/class/net/<iface>, value is always 1.",
		"device", "address", "broadcast", "duplex", "operstate", "adminstate", "ifalias")
)

// netProperty is a file of /sys/class/net/<interface> that holds a number.
type netProperty struct {
	file string
	f    *Family
}

func netGauge(name string) *Family {
	return gauge("node_network_"+name, "Network device property: "+name, "device")
}

var netProperties = [...]netProperty{
	{"flags", netGauge("flags")}, // first: it tells the administrative state too
	{"speed", netGauge("speed_bytes")},
	{"addr_assign_type", netGauge("address_assign_type")},
	{"carrier", netGauge("carrier")},
	{"carrier_changes", counter("node_network_carrier_changes_total", "Network device property: carrier_changes_total", "device")},
	{"carrier_up_count", counter("node_network_carrier_up_changes_total", "Network device property: carrier_up_changes_total", "device")},
	{"carrier_down_count", counter("node_network_carrier_down_changes_total", "Network device property: carrier_down_changes_total", "device")},
	{"dev_id", netGauge("device_id")},
	{"dormant", netGauge("dormant")},
	{"ifindex", netGauge("iface_id")},
	{"iflink", netGauge("iface_link")},
	{"link_mode", netGauge("iface_link_mode")},
	{"mtu", netGauge("mtu_bytes")},
	{"name_assign_type", netGauge("name_assign_type")},
	{"netdev_group", netGauge("net_dev_group")},
	{"tx_queue_len", netGauge("transmit_queue_length")},
	{"type", netGauge("protocol_type")},
}

const (
	netFlags, netSpeed = 0, 1
	iffUp              = 1
)

type netclass struct {
	IgnoredDevices     string `json:"ignored_devices" help:"Regexp of interfaces to leave out."`
	IgnoreInvalidSpeed bool   `json:"ignore_invalid_speed" help:"Leave the speed out where the driver does not know it (-1)."`

	dir    string
	file   file
	filter *filter
	links  map[string]*netLink
}

// netLink is what is kept of one interface.
type netLink struct {
	dir    string
	up     series
	values [len(netProperties)]series
	text   [6]string // address, broadcast, duplex, operstate, adminstate, ifalias
	info   series
}

func (c *netclass) Validate() error {
	_, err := compile("ignored-devices", c.IgnoredDevices)
	return err
}

func (c *netclass) Open(h *Host) (err error) {
	c.dir, c.links = h.sys("class/net"), map[string]*netLink{}
	c.filter, err = newFilter("ignored-devices", c.IgnoredDevices, "", "")
	return err
}

func (c *netclass) Families() []*Family {
	out := append(make([]*Family, 0, 2+len(netProperties)), netUp, netInfo)
	for _, p := range netProperties {
		out = append(out, p.f)
	}
	return out
}

func (c *netclass) Update(_ context.Context, ch chan<- prometheus.Metric) error {
	dir, err := os.Open(c.dir)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		return ErrNoData
	}
	if err != nil {
		return fmt.Errorf("listing network interfaces: %w", err)
	}
	names, err := dir.Readdirnames(-1)
	dir.Close()
	if err != nil {
		return fmt.Errorf("listing network interfaces: %w", err)
	}
	for _, name := range names {
		// bonding_masters is a plain file beside the interfaces: it has no operstate.
		if c.filter.drops([]byte(name)) {
			continue
		}
		l := c.links[name]
		if l == nil {
			if len(c.links) >= maxLinks {
				clear(c.links)
			}
			l = &netLink{dir: filepath.Join(c.dir, name) + "/"}
			c.links[name] = l
		}
		c.send(ch, name, l)
	}
	return nil
}

func (c *netclass) send(ch chan<- prometheus.Metric, name string, l *netLink) {
	state, err := c.file.readOne(l.dir + "operstate")
	if err != nil {
		delete(c.links, name) // it has gone since it was listed, or is no interface
		return
	}
	if l.up.f == nil {
		l.up = netUp.with(name)
		for i, p := range netProperties {
			l.values[i] = p.f.with(name)
		}
	}
	text := l.text
	same(&text[3], state)
	up := 0.0
	if text[3] == "up" {
		up = 1
	}
	l.up.send(ch, up)
	text[4] = "unknown"
	for i, p := range netProperties {
		b, err := c.file.readOne(l.dir + p.file)
		if err != nil {
			continue // an interface that is down has no carrier and no speed to tell
		}
		v, err := strconv.ParseInt(string(b), 0, 64)
		if err != nil {
			continue
		}
		switch i {
		case netFlags:
			if text[4] = "down"; v&iffUp != 0 {
				text[4] = "up"
			}
		case netSpeed:
			if v < 0 && c.IgnoreInvalidSpeed {
				continue
			}
			v = v * 1_000_000 / 8 // from Mbit/s
		}
		l.values[i].send(ch, float64(v))
	}
	for i, file := range [...]string{"address", "broadcast", "duplex", "", "", "ifalias"} {
		if file == "" {
			continue
		}
		b, err := c.file.readOne(l.dir + file)
		if err != nil {
			b = nil
		}
		same(&text[i], b)
	}
	if l.info.f == nil || text != l.text {
		l.text = text
		l.info = netInfo.with(append([]string{name}, text[:]...)...)
	}
	l.info.send(ch, 1)
}

// same sets s to b, without allocating when it is the same already.
func same(s *string, b []byte) {
	if *s != string(b) {
		*s = string(b)
	}
}

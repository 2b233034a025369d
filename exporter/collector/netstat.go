package collector

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"regexp"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/foreshock/foreshock/pkg/registry"
)

func init() {
	Collectors.Add(registry.Entry[Collector]{
		Name: "netstat", Summary: "IP, ICMP, TCP and UDP: errors, retransmits, dropped and refused connections",
		Source: "/proc/net/{netstat,snmp,snmp6}", New: func() Collector { return &netstat{Fields: netstatFields} },
	})
}

// netstatFields is node_exporter's default.
const netstatFields = `^(.*_(InErrors|InErrs)|Ip_Forwarding|Ip(6|Ext)_(InOctets|OutOctets)|Icmp6?_(InMsgs|OutMsgs)|` +
	`TcpExt_(Listen.*|Syncookies.*|TCPSynRetrans|TCPTimeouts|TCPOFOQueue|TCPRcvQDrop)|` +
	`Tcp_(ActiveOpens|InSegs|OutSegs|OutRsts|PassiveOpens|RetransSegs|CurrEstab)|Udp6?_(InDatagrams|OutDatagrams|NoPorts|RcvbufErrors|SndbufErrors))$`

type netstat struct {
	Fields string `json:"fields" help:"Regexp of the fields to publish, as protocol_field."`

	paths  [3]string // netstat, snmp, snmp6
	file   file
	fields fields
	key    []byte
}

func (c *netstat) Validate() error {
	_, err := compile("fields", c.Fields)
	return err
}

func (c *netstat) Open(h *Host) error {
	c.paths = [...]string{h.proc("net/netstat"), h.proc("net/snmp"), h.proc("net/snmp6")}
	keep, err := regexp.Compile(c.Fields)
	if err != nil {
		return err
	}
	c.fields = fields{what: "network statistics", family: func(key string) *Family {
		if !keep.MatchString(key) {
			return nil
		}
		protocol, name, _ := bytes.Cut([]byte(key), []byte("_"))
		return untyped("node_netstat_"+metricName(key), "Statistic "+string(protocol)+string(name)+".")
	}}
	return nil
}

func (c *netstat) Families() []*Family {
	return []*Family{untyped("node_netstat_<field>", "Statistic <field>: one family for each protocol_field of the kernel's network statistics.")}
}

func (c *netstat) Update(_ context.Context, ch chan<- prometheus.Metric) error {
	send := func(protocol, name []byte, v float64) error {
		c.key = append(append(append(c.key[:0], protocol...), '_'), name...)
		s, ok, err := c.fields.of(c.key)
		if ok {
			s.send(ch, v)
		}
		return err
	}
	for i, path := range c.paths {
		b, err := c.file.read(path)
		switch {
		case errors.Is(err, fs.ErrNotExist) && i == 2:
			continue // the kernel has no IPv6
		case err != nil:
			return fmt.Errorf("reading network statistics: %w", err)
		case i == 2:
			err = eachSNMP6(b, send)
		default:
			err = eachNetstat(b, send)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// eachNetstat reads pairs of lines: "Proto: names" and "Proto: numbers".
func eachNetstat(b []byte, yield func(protocol, name []byte, v float64) error) error {
	for len(b) > 0 {
		var names, values []byte
		names, b = cutLine(b)
		if len(trimSpace(names)) == 0 {
			continue
		}
		values, b = cutLine(b)
		protocol, names := cutField(names)
		again, values := cutField(values)
		if len(protocol) < 2 || protocol[len(protocol)-1] != ':' || !bytes.Equal(protocol, again) {
			return fmt.Errorf("network statistics: line %q: want a line of names and one of numbers for the same protocol", shorten(protocol))
		}
		for {
			var name, value []byte
			name, names = cutField(names)
			value, values = cutField(values)
			if len(name) == 0 && len(value) == 0 {
				break
			}
			v, err := parseFloat(value) // Tcp's MaxConn is -1
			if err != nil || len(name) == 0 {
				return fmt.Errorf("network statistics: %s %q is %q, want as many whole numbers as names", protocol, shorten(name), shorten(value))
			}
			if err := yield(protocol[:len(protocol)-1], name, v); err != nil {
				return err
			}
		}
	}
	return nil
}

// eachSNMP6 reads lines "Ip6InReceives number": the protocol ends with the first 6. A line without one is left out.
func eachSNMP6(b []byte, yield func(protocol, name []byte, v float64) error) error {
	return eachPair(b, "network statistics of IPv6", func(field []byte, v uint64) error {
		at := bytes.IndexByte(field, '6')
		if at < 0 {
			return nil
		}
		return yield(field[:at+1], field[at+1:], float64(v))
	})
}

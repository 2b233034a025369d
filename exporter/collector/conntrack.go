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
		Name: "conntrack", Summary: "entries of the connection tracking table, its size, and what it dropped",
		Source: "/proc/sys/net/netfilter, /proc/net/stat/nf_conntrack", New: func() Collector { return &conntrack{} },
	})
}

var (
	conntrackEntries = gauge("node_nf_conntrack_entries", "Number of currently allocated flow entries for connection tracking.")
	conntrackLimit   = gauge("node_nf_conntrack_entries_limit", "Maximum size of connection tracking table.")
	// conntrackStats are the columns of /proc/net/stat/nf_conntrack that are published.
	conntrackStats = []struct {
		column string
		f      *Family
	}{
		{"found", gauge("node_nf_conntrack_stat_found", "Number of searched entries which were successful.")},
		{"invalid", gauge("node_nf_conntrack_stat_invalid", "Number of packets seen which can not be tracked.")},
		{"ignore", gauge("node_nf_conntrack_stat_ignore", "Number of packets seen which are already connected to a conntrack entry.")},
		{"insert", gauge("node_nf_conntrack_stat_insert", "Number of entries inserted into the list.")},
		{"insert_failed", gauge("node_nf_conntrack_stat_insert_failed", "Number of entries for which list insertion was attempted but failed.")},
		{"drop", gauge("node_nf_conntrack_stat_drop", "Number of packets dropped due to conntrack failure.")},
		{"early_drop", gauge("node_nf_conntrack_stat_early_drop", "Number of dropped conntrack entries to make room for new ones, if maximum table size was reached.")},
		{"search_restart", gauge("node_nf_conntrack_stat_search_restart", "Number of conntrack table lookups which had to be restarted due to hashtable resizes.")},
	}
)

type conntrack struct {
	count, limit, stat string
	file               file
}

func (c *conntrack) Open(h *Host) error {
	c.count, c.limit = h.proc("sys/net/netfilter/nf_conntrack_count"), h.proc("sys/net/netfilter/nf_conntrack_max")
	c.stat = h.proc("net/stat/nf_conntrack")
	return nil
}

func (c *conntrack) Families() []*Family {
	out := []*Family{conntrackEntries, conntrackLimit}
	for _, s := range conntrackStats {
		out = append(out, s.f)
	}
	return out
}

func (c *conntrack) Update(_ context.Context, ch chan<- prometheus.Metric) error {
	for _, u := range []struct {
		path string
		f    *Family
	}{{c.count, conntrackEntries}, {c.limit, conntrackLimit}} {
		v, err := c.file.number(u.path)
		if err != nil { // the module is loaded with the first rule that needs it
			return fmt.Errorf("reading connection tracking: %w", absent(err))
		}
		u.f.with().send(ch, v)
	}
	b, err := c.file.read(c.stat)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // a kernel without CONFIG_NF_CONNTRACK_PROCFS
	}
	if err != nil {
		return fmt.Errorf("reading connection tracking: %w", err)
	}
	sums, err := sumColumns(b)
	if err != nil {
		return fmt.Errorf("connection tracking: %w", err)
	}
	for _, s := range conntrackStats {
		if v, ok := sums[s.column]; ok {
			s.f.with().send(ch, float64(v))
		}
	}
	return nil
}

// sumColumns reads a heading and lines of hexadecimal numbers, one line for each CPU, and adds up the columns. A column that the heading does not have,
// as search_restart before Linux 2.6.35, is not in the answer.
func sumColumns(b []byte) (map[string]uint64, error) {
	heading, b := cutLine(b)
	names := bytes.Fields(heading)
	sums := make(map[string]uint64, len(names))
	for len(b) > 0 {
		var line []byte
		line, b = cutLine(b)
		if len(trimSpace(line)) == 0 {
			continue
		}
		for _, name := range names {
			var field []byte
			field, line = cutField(line)
			v, err := parseHex(field)
			if err != nil {
				return nil, fmt.Errorf("%s is %q: %w", name, shorten(field), err)
			}
			sums[string(name)] += v
		}
	}
	return sums, nil
}

package collector

import (
	"context"
	"fmt"
	"regexp"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/foreshock/foreshock/pkg/registry"
)

func init() {
	Collectors.Add(registry.Entry[Collector]{
		Name: "vmstat", Summary: "paging, swapping, page faults and kills for lack of memory",
		Source: "/proc/vmstat", New: func() Collector { return &vmstat{Fields: "^(oom_kill|pgpg|pswp|pg.*fault).*"} },
	})
}

type vmstat struct {
	Fields string `json:"fields" help:"Regexp of the fields of /proc/vmstat to publish."`

	path   string
	file   file
	fields fields
}

func (c *vmstat) Validate() error {
	_, err := compile("fields", c.Fields)
	return err
}

func (c *vmstat) Open(h *Host) error {
	c.path = h.proc("vmstat")
	keep, err := regexp.Compile(c.Fields)
	if err != nil {
		return err
	}
	c.fields = fields{what: "paging", family: func(field string) *Family {
		if !keep.MatchString(field) {
			return nil
		}
		return vmstatFamily(field)
	}}
	return nil
}

func vmstatFamily(field string) *Family {
	return untyped("node_vmstat_"+metricName(field), "/proc/vmstat information field "+field+".")
}

func (c *vmstat) Families() []*Family {
	return []*Family{untyped("node_vmstat_<field>", "/proc/vmstat information field <field>.")}
}

func (c *vmstat) Update(_ context.Context, ch chan<- prometheus.Metric) error {
	b, err := c.file.read(c.path)
	if err != nil {
		return fmt.Errorf("reading paging: %w", err)
	}
	return eachPair(b, "paging", func(field []byte, v uint64) error {
		s, ok, err := c.fields.of(field)
		if ok {
			s.send(ch, float64(v))
		}
		return err
	})
}

// eachPair calls yield for every line "field number".
func eachPair(b []byte, what string, yield func(field []byte, v uint64) error) error {
	for len(b) > 0 {
		var line []byte
		line, b = cutLine(b)
		field, rest := cutField(line)
		if len(field) == 0 {
			continue
		}
		number, _ := cutField(rest)
		v, err := parseUint(number)
		if err != nil {
			return fmt.Errorf("%s: line %q: %w", what, shorten(line), err)
		}
		if err := yield(field, v); err != nil {
			return err
		}
	}
	return nil
}

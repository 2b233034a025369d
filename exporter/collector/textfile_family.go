package collector

import (
	"fmt"
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// textFamily is one family as all files together have it. Prometheus' library wants one help text, one type and each label set once; several files that
// write one family are common (one for each job), so the first one says what it is.
type textFamily struct {
	name, help string
	kind       dto.MetricType
	file       string // who came first
	metrics    []*textMetric
	seen       map[string]bool
}

// merge adds the metrics of one file. The error says why they are left out.
func (c *textfile) merge(all map[string]*textFamily, f *dto.MetricFamily, path string) error {
	name := f.GetName()
	if c.taken(name) {
		return fmt.Errorf("%s: %s is a name of this exporter", path, name)
	}
	t := all[name]
	if t == nil {
		t = &textFamily{name: name, help: f.GetHelp(), kind: f.GetType(), file: path, seen: map[string]bool{}}
		if f.Help == nil {
			t.help = "Metric read from " + path
		}
		all[name] = t
	}
	switch {
	case f.GetType() != t.kind:
		return fmt.Errorf("%s: %s is a %s, but a %s in %s", path, name, strings.ToLower(f.GetType().String()), strings.ToLower(t.kind.String()), t.file)
	case f.Help != nil && f.GetHelp() != t.help && path != t.file:
		return fmt.Errorf("%s: %s has the help text %q, but %q in %s", path, name, f.GetHelp(), t.help, t.file)
	}
	for _, m := range f.GetMetric() {
		slices.SortFunc(m.GetLabel(), func(a, b *dto.LabelPair) int { return strings.Compare(a.GetName(), b.GetName()) })
		key := labelKey(m)
		if t.seen[key] {
			return fmt.Errorf("%s: %s{%s} is there twice", path, name, key)
		}
		t.seen[key] = true
		t.metrics = append(t.metrics, &textMetric{m: m})
	}
	return nil
}

func labelKey(m *dto.Metric) string {
	var out []string
	for _, p := range m.GetLabel() {
		if p.GetValue() != "" { // to Prometheus an empty label is none
			out = append(out, fmt.Sprintf("%s=%q", p.GetName(), p.GetValue()))
		}
	}
	return strings.Join(out, ",")
}

func (t *textFamily) send(ch chan<- prometheus.Metric) {
	desc := prometheus.NewDesc(t.name, t.help, nil, nil)
	for _, m := range t.metrics {
		m.desc = desc
		ch <- m
	}
}

// textMetric is a metric as it was parsed: of any type, a histogram or a summary too.
type textMetric struct {
	desc *prometheus.Desc
	m    *dto.Metric
}

// Desc returns the descriptor of the family.
func (t *textMetric) Desc() *prometheus.Desc { return t.desc }

// Write fills out.
func (t *textMetric) Write(out *dto.Metric) error {
	out.Label, out.Gauge, out.Counter, out.Untyped, out.Summary, out.Histogram = t.m.Label, t.m.Gauge, t.m.Counter, t.m.Untyped, t.m.Summary, t.m.Histogram
	return nil
}

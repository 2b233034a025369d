package collector

import (
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// Family is one metric family: a name, a type, and the names of its labels. The zero value is not usable; see gauge and counter.
type Family struct {
	Name   string
	Help   string
	Type   prometheus.ValueType
	Labels []string

	distribution bool // of type histogram, whatever Type says
	desc         *prometheus.Desc
	order        []int // label positions in the sorted order that the exposition wants
}

// gauge declares a family of values that go up and down.
func gauge(name, help string, labels ...string) *Family {
	return newFamily(name, help, prometheus.GaugeValue, labels)
}

// counter declares a family of values that only go up, until the host restarts.
func counter(name, help string, labels ...string) *Family {
	return newFamily(name, help, prometheus.CounterValue, labels)
}

// untyped declares a family for which nobody says how its values move: the fields of files that mix counters and gauges.
func untyped(name, help string, labels ...string) *Family {
	return newFamily(name, help, prometheus.UntypedValue, labels)
}

// histogram declares a family of distributions. They are sent by sendHistogram.
func histogram(name, help string, labels ...string) *Family {
	f := newFamily(name, help, prometheus.UntypedValue, labels)
	f.distribution = true
	return f
}

// sendHistogram sends a distribution: cumulative counts by upper bound.
func (f *Family) sendHistogram(ch chan<- prometheus.Metric, count uint64, sum float64, buckets map[float64]uint64, values ...string) {
	m, err := prometheus.NewConstHistogram(f.desc, count, sum, buckets, values...)
	if err != nil {
		m = prometheus.NewInvalidMetric(f.desc, err)
	}
	ch <- m
}

func newFamily(name, help string, t prometheus.ValueType, labels []string) *Family {
	f := &Family{Name: name, Help: help, Type: t, Labels: labels, desc: prometheus.NewDesc(name, help, labels, nil)}
	f.order = make([]int, len(labels))
	for i := range f.order {
		f.order[i] = i
	}
	slices.SortFunc(f.order, func(a, b int) int { return strings.Compare(labels[a], labels[b]) })
	return f
}

// TypeName returns "counter", "gauge", "histogram" or "untyped".
func (f *Family) TypeName() string {
	if f.distribution {
		return "histogram"
	}
	switch f.Type {
	case prometheus.CounterValue:
		return "counter"
	case prometheus.UntypedValue:
		return "untyped"
	}
	return "gauge"
}

// series is one label set of a family. Making it costs allocations, sending it costs one; so collectors keep the series of things that stay.
type series struct {
	f     *Family
	pairs []*dto.LabelPair
}

// with returns the series with these label values, in the order of f.Labels. Bytes that are not UTF-8 become U+FFFD: device names and mount
// points may be anything, and one bad name must not cost the family. It panics when the number of values is wrong.
func (f *Family) with(values ...string) series {
	if len(values) != len(f.Labels) {
		panic("collector: " + f.Name + ": wrong number of label values")
	}
	if len(values) == 0 {
		return series{f: f}
	}
	s := series{f: f, pairs: make([]*dto.LabelPair, len(values))}
	block := make([]dto.LabelPair, len(values))
	for at, i := range f.order {
		v := strings.ToValidUTF8(values[i], "\uFFFD")
		block[at].Name, block[at].Value = &f.Labels[i], &v
		s.pairs[at] = &block[at]
	}
	return s
}

// sparse is like with, and leaves out labels whose value is empty: to Prometheus both are the same, and a series with few of many labels is shorter.
func (f *Family) sparse(values ...string) series {
	s := f.with(values...)
	s.pairs = slices.DeleteFunc(s.pairs, func(p *dto.LabelPair) bool { return p.GetValue() == "" })
	return s
}

// send sends one value of the series.
func (s series) send(ch chan<- prometheus.Metric, v float64) {
	ch <- &sample{series: s, value: v}
}

// send sends one value of the series with these label values.
func (f *Family) send(ch chan<- prometheus.Metric, v float64, values ...string) {
	f.with(values...).send(ch, v)
}

// sample is a prometheus.Metric that shares its label pairs with every other sample of its series. prometheus.MustNewConstMetric builds them
// anew for each value, which was the largest part of a scrape.
type sample struct {
	series
	value float64
}

// Desc returns the descriptor of the family.
func (s *sample) Desc() *prometheus.Desc { return s.f.desc }

// Write fills out. The label pairs are shared and must not be changed by the receiver, as with every metric of client_golang.
func (s *sample) Write(out *dto.Metric) error {
	out.Label = s.pairs
	switch s.f.Type {
	case prometheus.CounterValue:
		out.Counter = &dto.Counter{Value: &s.value}
	case prometheus.UntypedValue:
		out.Untyped = &dto.Untyped{Value: &s.value}
	default:
		out.Gauge = &dto.Gauge{Value: &s.value}
	}
	return nil
}

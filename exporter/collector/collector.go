// Package collector reads one Linux host and turns what it finds into Prometheus metrics.
//
// The idea: a collector is a registered name, an options struct that is pre-filled with its defaults, and one method, Update. The options
// become command line flags by themselves, so a new collector is one new file. A Set runs the enabled collectors side by side and reports for
// each how long it took and whether it succeeded. What a Set promises: a scrape is answered in time whatever a collector does. One that
// hangs, fails or panics costs its own metrics and nothing else, and one that hangs is not started a second time.
//
// Metric names, labels, types and meaning are those of prometheus/node_exporter, so that dashboards and rules made for it work unchanged.
//
//	set, err := collector.NewSet(collector.Config{Host: collector.ThisHost(log), Log: log})
//	reg.MustRegister(set.Scrape(ctx, set.Names()))
//
// A collector looks like this:
//
//	func init() {
//		Collectors.Add(registry.Entry[Collector]{Name: "loadavg", Summary: "…", New: func() Collector { return &loadavg{} }})
//	}
//
//	func (c *loadavg) Update(ctx context.Context, ch chan<- prometheus.Metric) error { … }
//
// The package serves no HTTP and keeps no history.
package collector

import (
	"context"
	"errors"
	"slices"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/foreshock/foreshock/pkg/registry"
)

// Collectors holds every collector by name.
var Collectors = registry.NewOf[Collector]("collector")

// ErrNoData says that there is nothing to collect on this host and that nothing is wrong: no kernel support, no such device, no library.
var ErrNoData = errors.New("no data on this host")

// Collector reads one thing of the host.
type Collector interface {
	// Update sends the metrics of this moment to ch. It never closes ch and sends nothing after it has returned. It should return soon
	// after ctx ends; when it does not, the Set goes on without it. Metrics sent before an error are kept.
	//
	// A Set never runs two Updates of one collector at the same time, so a collector may keep buffers and caches without a lock.
	Update(ctx context.Context, ch chan<- prometheus.Metric) error
}

// Opener is a Collector that prepares itself before its first Update: it keeps what it needs of the host and compiles its filters.
// An error means that the options are unusable and ends the program; a host that lacks what is collected is no error here.
type Opener interface {
	Open(h *Host) error
}

// Closer is a Collector that keeps something running between its Updates and ends it here. It is not called while an Update runs.
type Closer interface {
	Close() error
}

// Describer is a Collector that lists the families it may send, for the documentation and the tests. Every collector of this package is one.
type Describer interface {
	Families() []*Family
}

// Runner is a Collector that works between scrapes, too: it follows or samples something. Set.Run starts it.
type Runner interface {
	// Run works until ctx ends and returns nil then, or before when there is nothing to do. It runs beside Update, so what both touch is guarded.
	// An error or a panic is logged, and Run is called again after a while.
	Run(ctx context.Context) error
}

// Optional is a Collector that may be off by default, because it costs more than most people want to pay or publishes more than they look at.
type Optional interface {
	OffByDefault() bool
}

// OnByDefault returns the names of the collectors that run when nobody says otherwise, sorted.
func OnByDefault() []string {
	return slices.DeleteFunc(Collectors.Names(), func(name string) bool {
		e, err := Collectors.Get(name)
		if err != nil {
			return true
		}
		o, ok := e.New().(Optional)
		return ok && o.OffByDefault()
	})
}

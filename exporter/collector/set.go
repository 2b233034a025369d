package collector

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/foreshock/foreshock/pkg/registry"
)

var (
	scrapeDuration = gauge("node_scrape_collector_duration_seconds", "node_exporter: Duration of a collector scrape.", "collector")
	scrapeSuccess  = gauge("node_scrape_collector_success", "node_exporter: Whether a collector succeeded.", "collector")
	stuckSeconds   = gauge("foreshock_exporter_collector_stuck_seconds",
		"For how long the collector has not come back from a scrape that went on without it; 0 when it is not stuck.", "collector")
)

// ScrapeFamilies lists what a Set itself publishes.
func ScrapeFamilies() []*Family { return []*Family{scrapeDuration, scrapeSuccess, stuckSeconds} }

// Config says what a Set runs. Host and Log are needed.
type Config struct {
	Host *Host
	Log  *slog.Logger
	// Enabled names the collectors to run; nil means those that are on by default.
	Enabled []string
	// Options decodes what a person set for a collector, by its name; see registry.Decode.
	Options map[string]registry.Decode
}

// Set runs collectors. It is safe for concurrent use: scrapes at the same time share one run of each collector.
type Set struct {
	members map[string]*member
	names   []string
}

// NewSet builds and opens the enabled collectors. The error names the collector and what is wrong with its options.
func NewSet(c Config) (*Set, error) {
	names := c.Enabled
	if names == nil {
		names = OnByDefault()
	}
	s := &Set{members: map[string]*member{}}
	for _, name := range names {
		member, err := c.open(name)
		if err != nil {
			return nil, err
		}
		s.add(name, member, c.Log)
	}
	return s, nil
}

func (c Config) open(name string) (Collector, error) {
	member, err := Collectors.New(name, c.Options[name])
	if err != nil {
		return nil, err
	}
	if o, ok := member.(Opener); ok {
		host := *c.Host
		host.Log = c.Log.With("collector", name)
		if err := o.Open(&host); err != nil {
			return nil, fmt.Errorf("collector %s: %w", name, err)
		}
	}
	return member, nil
}

func (s *Set) add(name string, c Collector, log *slog.Logger) {
	s.members[name] = &member{
		name: name, c: c, log: log.With("collector", name),
		duration: scrapeDuration.with(name), success: scrapeSuccess.with(name), stuck: stuckSeconds.with(name),
	}
	s.names = append(s.names, name)
	slices.Sort(s.names)
}

// Close ends what the collectors keep running. A collector that is stuck in an Update is left alone.
func (s *Set) Close() error {
	var errs []error
	for _, name := range s.names {
		m := s.members[name]
		c, ok := m.c.(Closer)
		m.mu.Lock()
		busy := m.run != nil
		m.mu.Unlock()
		if !ok || busy {
			continue
		}
		if err := c.Close(); err != nil {
			errs = append(errs, fmt.Errorf("collector %s: %w", name, err))
		}
	}
	return errors.Join(errs...)
}

// Names returns the enabled collectors, sorted.
func (s *Set) Names() []string { return slices.Clone(s.names) }

// runAgain is how long a Runner that failed is left alone.
const runAgain = time.Minute

// Run lets the collectors that work between scrapes do so, until ctx ends. It returns when all have ended.
func (s *Set) Run(ctx context.Context) {
	var wg sync.WaitGroup
	for _, name := range s.names {
		m := s.members[name]
		if r, ok := m.c.(Runner); ok {
			wg.Go(func() { m.keepRunning(ctx, r) })
		}
	}
	wg.Wait()
}

// Select returns the collectors of one scrape: all, or those in collect, or all but those in exclude. It is an error to give both, and to name
// a collector that is unknown or not enabled.
func (s *Set) Select(collect, exclude []string) ([]string, error) {
	if len(collect) > 0 && len(exclude) > 0 {
		return nil, errors.New("collect[] and exclude[]: want only one of the two")
	}
	for _, asked := range []struct {
		what  string
		names []string
	}{{"collect[]", collect}, {"exclude[]", exclude}} {
		for _, n := range asked.names {
			if _, ok := s.members[n]; !ok {
				return nil, fmt.Errorf("%s: got %q, want one of %s", asked.what, n, strings.Join(s.names, ", "))
			}
		}
	}
	out := make([]string, 0, len(s.names))
	for _, n := range s.names {
		if (len(collect) == 0 || slices.Contains(collect, n)) && !slices.Contains(exclude, n) {
			out = append(out, n)
		}
	}
	return out, nil
}

// Scrape returns a prometheus.Collector for one scrape of the named collectors, which must be of s.Names. It is complete when all have answered
// or ctx has ended, whichever comes first, and it is used once.
func (s *Set) Scrape(ctx context.Context, names []string) prometheus.Collector {
	return scrape{ctx, s, names}
}

type scrape struct {
	ctx   context.Context
	set   *Set
	names []string
}

// Describe sends the descriptors that every scrape has. The others are known only when the host has been read.
func (scrape) Describe(ch chan<- *prometheus.Desc) {
	for _, f := range ScrapeFamilies() {
		ch <- f.desc
	}
}

// Collect runs the collectors side by side and sends what they found.
func (s scrape) Collect(ch chan<- prometheus.Metric) {
	var wg sync.WaitGroup
	for _, name := range s.names {
		m := s.set.members[name]
		wg.Go(func() { m.collect(s.ctx, ch) })
	}
	wg.Wait()
}

// grace is how much earlier than the scrape a collector is told to end, so that it can still hand over what it has.
func grace(left time.Duration) time.Duration { return min(left/10, 250*time.Millisecond) }

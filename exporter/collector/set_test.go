package collector

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/foreshock/foreshock/pkg/registry"
)

// fake is a collector made of a function.
type fake func(ctx context.Context, ch chan<- prometheus.Metric) error

func (f fake) Update(ctx context.Context, ch chan<- prometheus.Metric) error { return f(ctx, ch) }

var fakeValue = gauge("node_fake", "A value.", "n")

func good(_ context.Context, ch chan<- prometheus.Metric) error {
	fakeValue.send(ch, 1, "a")
	fakeValue.send(ch, 2, "b")
	return nil
}

func setOf(log *slog.Logger, members map[string]Collector) *Set {
	s := &Set{members: map[string]*member{}}
	for name, c := range members {
		s.add(name, c, log)
	}
	return s
}

// values runs one scrape and returns its samples as "name{labels}": value. The family of durations is left out: it differs each time.
func values(t *testing.T, s *Set, limit time.Duration, names ...string) map[string]float64 {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	if names == nil {
		names = s.Names()
	}
	reg := prometheus.NewRegistry()
	reg.MustRegister(s.Scrape(ctx, names))
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]float64{}
	for _, f := range families {
		if f.GetName() == scrapeDuration.Name {
			continue
		}
		for _, m := range f.GetMetric() {
			var labels []string
			for _, p := range m.GetLabel() {
				labels = append(labels, p.GetName()+"="+p.GetValue())
			}
			key := strings.TrimPrefix(strings.TrimPrefix(f.GetName(), "node_scrape_collector_"), "foreshock_exporter_collector_") + "{" + strings.Join(labels, ",") + "}"
			out[key] = m.GetGauge().GetValue() + m.GetCounter().GetValue() + m.GetUntyped().GetValue()
		}
	}
	return out
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func TestScrape(t *testing.T) {
	t.Parallel()
	s := setOf(quiet(), map[string]Collector{
		"good": fake(good),
		"half": fake(func(_ context.Context, ch chan<- prometheus.Metric) error {
			fakeValue.send(ch, 3, "c")
			return errors.New("no more")
		}),
		"none":  fake(func(context.Context, chan<- prometheus.Metric) error { return ErrNoData }),
		"panic": fake(func(context.Context, chan<- prometheus.Metric) error { panic("boom") }),
	})
	want := map[string]float64{
		"node_fake{n=a}": 1, "node_fake{n=b}": 2, "node_fake{n=c}": 3,
		"success{collector=good}": 1, "success{collector=half}": 0, "success{collector=none}": 0, "success{collector=panic}": 0,
		"stuck_seconds{collector=good}": 0, "stuck_seconds{collector=half}": 0, "stuck_seconds{collector=none}": 0, "stuck_seconds{collector=panic}": 0,
	}
	for range 2 { // a panic must not poison the next scrape
		if diff := cmp.Diff(want, values(t, s, time.Minute)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
}

// TestStuck: a collector that hangs costs its own metrics. The scrape is answered at its limit; the next is answered at once, says that the
// collector is stuck, and does not start it again; when it comes back, it serves again. (A goroutine that were left would fail synctest.)
func TestStuck(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		var runs atomic.Int32
		s := setOf(quiet(), map[string]Collector{
			"good": fake(good),
			"hang": fake(func(_ context.Context, ch chan<- prometheus.Metric) error {
				runs.Add(1)
				fakeValue.send(ch, 9, "late")
				<-release // deaf to its context, like a system call
				return nil
			}),
		})
		start := time.Now()
		first := values(t, s, 10*time.Second)
		if took := time.Since(start); took != 10*time.Second {
			t.Errorf("the first scrape took %s, want its limit of 10s", took)
		}
		want := map[string]float64{
			"node_fake{n=a}": 1, "node_fake{n=b}": 2, "success{collector=good}": 1, "success{collector=hang}": 0,
			"stuck_seconds{collector=good}": 0, "stuck_seconds{collector=hang}": 10,
		}
		if diff := cmp.Diff(want, first); diff != "" {
			t.Errorf("first scrape (-want +got):\n%s", diff)
		}
		for i := range 50 {
			time.Sleep(5 * time.Second)
			start = time.Now()
			next := values(t, s, 10*time.Second)
			if took := time.Since(start); took != 0 {
				t.Fatalf("scrape %d waited %s for a collector that is known to be stuck", i, took)
			}
			want["stuck_seconds{collector=hang}"] = float64(10 + 5*(i+1))
			if diff := cmp.Diff(want, next); diff != "" {
				t.Fatalf("scrape %d (-want +got):\n%s", i, diff)
			}
		}
		if runs.Load() != 1 {
			t.Errorf("the collector was started %d times while it hung, want 1", runs.Load())
		}
		close(release)
		synctest.Wait()
		got := values(t, s, 10*time.Second)
		if runs.Load() != 2 || got["success{collector=hang}"] != 1 || got["node_fake{n=late}"] != 9 || got["stuck_seconds{collector=hang}"] != 0 {
			t.Errorf("after it came back: %d runs, %v", runs.Load(), got)
		}
	})
}

// TestShared: scrapes at the same time share one run, so two Prometheus servers do not double the work and neither sees a failure.
func TestShared(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var runs atomic.Int32
		s := setOf(quiet(), map[string]Collector{"slow": fake(func(ctx context.Context, ch chan<- prometheus.Metric) error {
			runs.Add(1)
			time.Sleep(time.Second)
			return good(ctx, ch)
		})})
		results := make(chan map[string]float64, 3)
		for range cap(results) {
			go func() { results <- values(t, s, 10*time.Second) }()
		}
		for range cap(results) {
			if got := <-results; got["success{collector=slow}"] != 1 || got["node_fake{n=b}"] != 2 {
				t.Errorf("got %v", got)
			}
		}
		if runs.Load() != 1 {
			t.Errorf("%d runs for three scrapes at once, want 1", runs.Load())
		}
	})
}

// TestDeadline: a collector hears of the limit early enough to hand over what it has.
func TestDeadline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := setOf(quiet(), map[string]Collector{"tidy": fake(func(ctx context.Context, ch chan<- prometheus.Metric) error {
			<-ctx.Done()
			fakeValue.send(ch, 1, "partial")
			return nil
		})})
		got := values(t, s, 2*time.Second)
		if got["node_fake{n=partial}"] != 1 || got["success{collector=tidy}"] != 1 {
			t.Errorf("got %v", got)
		}
	})
}

// TestClientGone: a client that hangs up must not make a collector count as stuck.
func TestClientGone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := setOf(quiet(), map[string]Collector{"slow": fake(func(ctx context.Context, ch chan<- prometheus.Metric) error {
			time.Sleep(time.Second)
			return good(ctx, ch)
		})})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		ch := make(chan prometheus.Metric, 100)
		go func() {
			time.Sleep(100 * time.Millisecond)
			cancel()
		}()
		s.Scrape(ctx, s.Names()).Collect(ch)
		if got := values(t, s, 10*time.Second); got["success{collector=slow}"] != 1 {
			t.Errorf("the next scrape got %v", got)
		}
	})
}

func TestSelect(t *testing.T) {
	t.Parallel()
	s := setOf(quiet(), map[string]Collector{"a": fake(good), "b": fake(good), "c": fake(good)})
	for _, tc := range []struct {
		name             string
		collect, exclude []string
		want             []string
		err              string
	}{
		{name: "all", want: []string{"a", "b", "c"}},
		{name: "some", collect: []string{"c", "a"}, want: []string{"a", "c"}},
		{name: "but one", exclude: []string{"b"}, want: []string{"a", "c"}},
		{name: "none left", exclude: []string{"a", "b", "c"}, want: []string{}},
		{name: "both", collect: []string{"a"}, exclude: []string{"b"}, err: "collect[] and exclude[]: want only one of the two"},
		{name: "unknown", collect: []string{"x"}, err: `collect[]: got "x", want one of a, b, c`},
		{name: "unknown excluded", exclude: []string{"x"}, err: `exclude[]: got "x", want one of a, b, c`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got, err := s.Select(tc.collect, tc.exclude)
			text := ""
			if err != nil {
				text = err.Error()
			}
			if diff := cmp.Diff(tc.err, text); diff != "" {
				t.Errorf("error (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestLog: a trouble is told once and its end too. A host without GPUs must not write a line with each scrape.
func TestLog(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	log := slog.New(slog.NewTextHandler(&out, nil))
	answer := error(nil)
	s := setOf(log, map[string]Collector{"x": fake(func(context.Context, chan<- prometheus.Metric) error { return answer })})
	for _, err := range []error{nil, ErrNoData, ErrNoData, ErrNoData, errors.New("broken"), errors.New("broken"), nil, nil} {
		answer = err
		values(t, s, time.Minute)
	}
	var got []string
	for line := range strings.Lines(out.String()) {
		_, line, _ = strings.Cut(line, "level=")
		line, _, _ = strings.Cut(line, " collector=")
		got = append(got, line)
	}
	want := []string{`INFO msg="Nothing to collect"`, `WARN msg="The collector failed"`, `INFO msg="The collector works again"`}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestBadOptions(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		collector string
		options   map[string]string
		want      string
	}{
		{"filesystem", map[string]string{"mount_points_exclude": "("}, "collector filesystem: mount-points-exclude: got \"(\", want a regular expression: error parsing regexp: missing closing ): `(`"},
		{"filesystem", map[string]string{"mount_points_exclude": "a", "mount_points_include": "b"}, `collector filesystem: mount-points-include "b" and mount-points-exclude "a": want only one of the two`},
		{"filesystem", map[string]string{"mount_timeout": "soon"}, `collector filesystem: parameter "mount_timeout": got "soon", want a duration like 90s, 5m, 12h or 7d`},
		{"diskstats", map[string]string{"device_include": "["}, "collector diskstats: device-include: got \"[\", want a regular expression: error parsing regexp: missing closing ]: `[`"},
		{"netdev", map[string]string{"netlink": "maybe"}, `collector netdev: parameter "netlink": got maybe, want true or false`},
		{"netclass", map[string]string{"ignored_devices": "*"}, "collector netclass: ignored-devices: got \"*\", want a regular expression: error parsing regexp: missing argument to repetition operator: `*`"},
	} {
		_, err := NewSet(Config{
			Host: ThisHost(quiet()), Log: quiet(), Enabled: []string{tc.collector},
			Options: map[string]registry.Decode{tc.collector: registry.FromStrings(tc.options)},
		})
		if err == nil || err.Error() != tc.want {
			t.Errorf("%s %v:\n got %v\nwant %s", tc.collector, tc.options, err, tc.want)
		}
	}
	if _, err := NewSet(Config{Host: ThisHost(quiet()), Log: quiet(), Enabled: []string{"nope"}}); !errors.Is(err, registry.ErrUnknown) {
		t.Errorf("an unknown collector gave %v", err)
	}
}

// worker is a collector that works between scrapes.
type worker struct {
	fake
	run func(ctx context.Context) error
}

func (w worker) Run(ctx context.Context) error { return w.run(ctx) }

// TestRun: what works between scrapes is started once, again a minute after it failed or panicked, and Run returns when all have ended.
func TestRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var failed, panicked, steady, idle atomic.Int32
		s := setOf(quiet(), map[string]Collector{
			"plain":  fake(good),
			"fails":  worker{good, func(context.Context) error { failed.Add(1); return errors.New("no") }},
			"panics": worker{good, func(context.Context) error { panicked.Add(1); panic("boom") }},
			"idle":   worker{good, func(context.Context) error { idle.Add(1); return nil }},
			"steady": worker{good, func(ctx context.Context) error { steady.Add(1); <-ctx.Done(); return nil }},
		})
		ctx, cancel := context.WithTimeout(t.Context(), 150*time.Second)
		defer cancel()
		s.Run(ctx)
		if failed.Load() != 3 || panicked.Load() != 3 || steady.Load() != 1 || idle.Load() != 1 {
			t.Errorf("in 150 s: fails %d, panics %d, steady %d, idle %d, want 3, 3, 1, 1", failed.Load(), panicked.Load(), steady.Load(), idle.Load())
		}
	})
}

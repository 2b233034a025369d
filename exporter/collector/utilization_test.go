package collector

import (
	"context"
	"fmt"
	"math"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// worked is a host whose clock and counters a test moves.
type worked struct {
	*Host
	t          *testing.T
	now        time.Time
	busy, idle uint64
	rx         uint64
}

func newWorked(t *testing.T, duplex string) *worked {
	t.Helper()
	w := &worked{t: t, now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Host: ThisHost(quiet())}
	dir := t.TempDir()
	w.Proc, w.Sys = filepath.Join(dir, "proc"), filepath.Join(dir, "sys")
	w.Now = func() time.Time { return w.now }
	w.Links = func() ([]Link, error) {
		return []Link{{Name: "eth0", Stats: LinkStats{RxBytes: w.rx, TxBytes: w.rx / 2}}, {Name: "tun0", Stats: LinkStats{RxBytes: w.rx}}}, nil
	}
	write(t, w.Sys+"/class/net/eth0/speed", "1000\n")
	write(t, w.Sys+"/class/net/eth0/duplex", duplex+"\n")
	write(t, w.Sys+"/class/net/tun0/speed", "-1\n")
	write(t, w.Proc+"/meminfo", "MemTotal: 1000 kB\nMemFree: 1 kB\nMemAvailable: 400 kB\n")
	w.pass(0, 0, 0)
	return w
}

// pass lets time pass in which the CPU worked for a share of it and so many bytes were received.
func (w *worked) pass(d time.Duration, share float64, bytes uint64) {
	w.now = w.now.Add(d)
	ticks := uint64(d.Seconds() * userHz)
	busy := uint64(math.Round(share * float64(ticks)))
	w.busy, w.idle, w.rx = w.busy+busy, w.idle+ticks-busy, w.rx+bytes
	write(w.t, w.Proc+"/stat", fmt.Sprintf("cpu0 %d 0 0 %d 0 0 0 0 0 0\n", w.busy, w.idle))
}

// ratios scrapes once. tick is what the timer of Run does.
func (c *utilization) tick(t *testing.T) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.sample(); err != nil {
		t.Fatal(err)
	}
}

func ratios(t *testing.T, c *utilization) map[string]float64 {
	t.Helper()
	got := values(t, setOf(quiet(), map[string]Collector{"utilization": c}), time.Minute)
	for _, k := range []string{"success{collector=utilization}", "stuck_seconds{collector=utilization}"} {
		delete(got, k)
	}
	return got
}

// TestUtilization: the ratios are those of the last minute, however often and by how many it is scraped; what is not known is absent.
func TestUtilization(t *testing.T) {
	t.Parallel()
	w := newWorked(t, "full")
	c := &utilization{Window: 60e9}
	if err := c.Open(w.Host); err != nil {
		t.Fatal(err)
	}
	c.tick(t)
	if diff := cmp.Diff(map[string]float64{"foreshock_host_memory_utilization_ratio{}": 0.6}, ratios(t, c), cmpopts.EquateApprox(0, 1e-12)); diff != "" {
		t.Errorf("after one sample there is no ratio over time (-want +got):\n%s", diff)
	}
	// Ten minutes of full load, then a minute at a quarter with 1.5 GB received: 20 % of the 7.5 GB that 1 Gbit/s carries.
	for range 120 {
		w.pass(5*time.Second, 1, 0)
		c.tick(t)
	}
	for i := range 12 {
		w.pass(5*time.Second, 0.25, 125_000_000)
		c.tick(t)
		if i%2 == 0 {
			ratios(t, c) // another scraper
		}
	}
	want := map[string]float64{
		"foreshock_host_memory_utilization_ratio{}": 0.6, "foreshock_host_cpu_utilization_ratio{}": 0.25,
		"foreshock_host_network_utilization_ratio{device=eth0}": 0.2, "foreshock_host_utilization_window_seconds{}": 60,
	}
	for range 2 {
		if diff := cmp.Diff(want, ratios(t, c), cmpopts.EquateApprox(0, 1e-9)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
	if len(c.samples) > 13 {
		t.Errorf("%d samples are kept, want those of a minute", len(c.samples))
	}
}

// TestUtilizationOdd: a half-duplex link carries one direction at a time; counters that start anew give no ratio; a clock that stood still gives none.
func TestUtilizationOdd(t *testing.T) {
	t.Parallel()
	w := newWorked(t, "half")
	c := &utilization{Window: 10e9}
	if err := c.Open(w.Host); err != nil {
		t.Fatal(err)
	}
	c.tick(t)
	w.pass(10*time.Second, 0.5, 250_000_000)
	c.tick(t)
	// 250 MB in and 125 MB out in 10 s, of 1250 MB.
	if got := ratios(t, c)["foreshock_host_network_utilization_ratio{device=eth0}"]; math.Abs(got-0.3) > 1e-9 {
		t.Errorf("half duplex: got %v, want 0.3", got)
	}
	w.rx, w.busy, w.idle = 0, 0, 0 // the interface and the CPU were unplugged and came back
	w.pass(10*time.Second, 0.5, 1)
	c.tick(t)
	got := ratios(t, c)
	for _, k := range []string{"foreshock_host_network_utilization_ratio{device=eth0}", "foreshock_host_cpu_utilization_ratio{}"} {
		if v, ok := got[k]; ok {
			t.Errorf("after the counters began anew: %s is %v", k, v)
		}
	}
	c.tick(t)
	c.tick(t)
	w.pass(10*time.Second, 1, 0)
	c.tick(t)
	if got := ratios(t, c)["foreshock_host_cpu_utilization_ratio{}"]; got != 1 {
		t.Errorf("with full load again: got %v", got)
	}
}

// TestUtilizationAlone: where nothing calls Run, scrapes take the samples, at most one in 20 s.
func TestUtilizationAlone(t *testing.T) {
	t.Parallel()
	w := newWorked(t, "full")
	c := &utilization{Window: 60e9}
	if err := c.Open(w.Host); err != nil {
		t.Fatal(err)
	}
	for range 10 {
		ratios(t, c)
		w.pass(10*time.Second, 0.75, 0)
	}
	got := ratios(t, c)
	if got["foreshock_host_cpu_utilization_ratio{}"] != 0.75 || got["foreshock_host_utilization_window_seconds{}"] < 60 {
		t.Errorf("got %v", got)
	}
}

// TestUtilizationRuns: Run samples by itself and ends with its context.
func TestUtilizationRuns(t *testing.T) {
	t.Parallel()
	w := newWorked(t, "full")
	c := &utilization{Window: 60e9}
	if err := c.Open(w.Host); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := c.Run(ctx); err != nil || len(c.samples) != 1 {
		t.Errorf("%v, %d samples, want the one at the start", err, len(c.samples))
	}
}

package main

import (
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"
)

// shop is a synthetic web shop: four services whose counters grow as those of a real one do. Traffic follows the day and the week, latency
// follows traffic, all of it is noisy, and every night a backup makes two of the services slower for 25 minutes. The same code makes the two
// weeks of history and, second by second, what is scraped live, so that the one goes on where the other ends.
//
//	s := newShop(start, seed)
//	s.advance(t)           // up to t
//	s.write(w)             // counters at that time, in Prometheus' text format
//
// All methods may be called at the same time.
type shop struct {
	mu       sync.Mutex
	now      time.Time
	services []*service
}

// service is one service: what it is like, and its counters now.
type service struct {
	name    string
	rate    float64 // requests per second on an ordinary day, on average
	latency float64 // seconds per request when traffic is average
	errors  float64 // share of requests that fail
	backup  float64 // factor on latency during the nightly backup

	random *rand.Rand
	wander [3]float64 // slow noise of traffic, latency and errors, in units of its standard deviation
	slower float64    // the injected fault: factor on latency

	ok, failed, seconds float64
}

const (
	// shopStep is the longest time that is taken as a whole.
	shopStep = 15 * time.Second
	// wanderTime is how long slow noise keeps its mind.
	wanderTime = 10 * time.Minute
	// wanderTraffic, wanderLatency and wanderErrors are the standard deviations of slow noise, as shares.
	wanderTraffic, wanderLatency, wanderErrors = 0.04, 0.03, 0.15
	// latencySpread is the standard deviation of one request's latency, as a share of the mean: latencies are skewed.
	latencySpread = 0.8
	// weekend is the share of ordinary traffic on Saturdays and Sundays.
	weekend = 0.65
	// backupAt and backupFor say when the nightly backup runs, UTC.
	backupAt, backupFor = 2 * time.Hour, 25 * time.Minute
)

// newShop opens the shop at a time with all counters at 0. The same start and seed give the same history.
func newShop(start time.Time, seed uint64) *shop {
	s := &shop{now: start, services: []*service{
		{name: "cart", rate: 40, latency: 0.018, errors: 0.001, backup: 1},
		{name: "checkout", rate: 12, latency: 0.120, errors: 0.002, backup: 1.3},
		{name: "payment", rate: 9, latency: 0.210, errors: 0.004, backup: 1},
		{name: "search", rate: 65, latency: 0.045, errors: 0.0015, backup: 1.8},
	}}
	for i, v := range s.services {
		v.random = rand.New(rand.NewPCG(seed, uint64(i)))
		v.slower = 1
	}
	return s
}

// advance moves the shop on to t; it never goes back.
func (s *shop) advance(t time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.moveTo(t)
}

func (s *shop) moveTo(t time.Time) {
	for s.now.Before(t) {
		dt := min(t.Sub(s.now), shopStep)
		for _, v := range s.services {
			v.live(s.now.Add(dt/2), dt.Seconds())
		}
		s.now = s.now.Add(dt)
	}
}

// slow makes a service slower by a factor from time t on; 1 is as before. It reports whether there is such a service.
func (s *shop) slow(name string, factor float64, t time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.moveTo(t)
	for _, v := range s.services {
		if v.name == name {
			v.slower = factor
			return true
		}
	}
	return false
}

// ordersOf returns what a service is like now: its requests per second on an average day, its seconds per request, and the factor of the fault.
func (s *shop) ordersOf(name string) (rate, latency, slower float64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, v := range s.services {
		if v.name == name {
			return v.rate, v.latency, v.slower
		}
	}
	return 0, 0, 1
}

// live adds dt seconds around time t.
func (v *service) live(t time.Time, dt float64) {
	keep := math.Exp(-dt / wanderTime.Seconds())
	for i := range v.wander {
		v.wander[i] = keep*v.wander[i] + math.Sqrt(1-keep*keep)*v.random.NormFloat64()
	}
	load := traffic(t) * (1 + wanderTraffic*v.wander[0])
	n := v.poisson(v.rate * load * dt)
	if n == 0 {
		return
	}
	mean := v.latency * (0.85 + 0.15*load*load) * (1 + wanderLatency*v.wander[1]) * v.slower
	if inBackup(t) {
		mean *= v.backup
	}
	// The sum of n skewed latencies, by the central limit; never below what n of the fastest take.
	sum := mean * (n + latencySpread*math.Sqrt(n)*v.random.NormFloat64())
	v.seconds += max(sum, 0.3*mean*n)
	failed := min(v.poisson(n*v.errors*math.Exp(wanderErrors*v.wander[2])), n)
	v.failed += failed
	v.ok += n - failed
}

// poisson draws a number of independent events; from 50 on by the normal distribution.
func (v *service) poisson(mean float64) float64 {
	if mean >= 50 {
		return max(0, math.Round(mean+math.Sqrt(mean)*v.random.NormFloat64()))
	}
	n, p := 0.0, math.Exp(-mean)
	for u := v.random.Float64(); u > p; u *= v.random.Float64() {
		n++
	}
	return n
}

// traffic is the usual share of average traffic: little at night, a rise in the morning, a peak in the evening, less at weekends.
func traffic(t time.Time) float64 {
	t = t.UTC()
	h := float64(t.Hour()) + float64(t.Minute())/60 + float64(t.Second())/3600
	day := 1 - 0.55*math.Cos(2*math.Pi*(h-4)/24) + 0.18*math.Cos(4*math.Pi*(h-20)/24)
	// Weekends come and go over two hours around midnight, not at a stroke.
	share := func(d time.Weekday) float64 {
		if d == time.Saturday || d == time.Sunday {
			return weekend
		}
		return 1
	}
	here, next, before := share(t.Weekday()), share((t.Weekday()+1)%7), share((t.Weekday()+6)%7)
	switch {
	case h > 23:
		return day * (here + (next-here)*(h-23)/2)
	case h < 1:
		return day * (here + (before-here)*(1-h)/2)
	}
	return day * here
}

func inBackup(t time.Time) bool {
	since := t.Sub(t.Truncate(24*time.Hour)) - backupAt
	return since >= 0 && since < backupFor
}

// shopSample is one series of the shop at one time.
type shopSample struct {
	name, service, code string // code is empty where the series has none
	value               float64
}

// samples are the counters at the shop's time, always in the same order.
func (s *shop) samples() []shopSample {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []shopSample
	for _, v := range s.services {
		out = append(out,
			shopSample{"shop_requests_total", v.name, "200", v.ok},
			shopSample{"shop_requests_total", v.name, "500", v.failed},
			shopSample{"shop_request_duration_seconds_sum", v.name, "", v.seconds},
			shopSample{"shop_request_duration_seconds_count", v.name, "", v.ok + v.failed})
	}
	return out
}

// ServeHTTP answers a scrape with the counters as they are now.
func (s *shop) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	s.advance(time.Now())
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	s.write(w)
}

// write writes the counters in Prometheus' text format.
func (s *shop) write(w io.Writer) {
	all := s.samples()
	fmt.Fprintln(w, "# HELP shop_requests_total Requests answered, by service and status code.\n# TYPE shop_requests_total counter")
	for _, m := range all {
		if m.code != "" {
			fmt.Fprintf(w, "%s{service=%q,code=%q} %v\n", m.name, m.service, m.code, m.value)
		}
	}
	fmt.Fprintln(w, "# HELP shop_request_duration_seconds Time taken by requests.\n# TYPE shop_request_duration_seconds summary")
	for _, m := range all {
		if m.code == "" {
			fmt.Fprintf(w, "%s{service=%q} %v\n", m.name, m.service, m.value)
		}
	}
}

package main

import (
	"bytes"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/foreshock/foreshock/pkg/detect"
	"github.com/foreshock/foreshock/pkg/registry"
	"github.com/foreshock/foreshock/pkg/series"
)

// monday is a Monday's midnight.
var monday = time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)

func TestShopIsTheSameForASeed(t *testing.T) {
	t.Parallel()
	after := func(seed uint64) []shopSample {
		s := newShop(monday, seed)
		s.advance(monday.Add(time.Hour))
		return s.samples()
	}
	same := cmp.AllowUnexported(shopSample{})
	if d := cmp.Diff(after(1), after(1), same); d != "" {
		t.Errorf("seed 1 twice:\n%s", d)
	}
	if cmp.Equal(after(1), after(2), same) {
		t.Error("seeds 1 and 2 give the same")
	}
}

// Whether an hour passes in steps of 15 seconds or second by second, as when it is scraped, it brings the same but for noise.
func TestShopGoesOnWithoutAJump(t *testing.T) {
	t.Parallel()
	for _, step := range []time.Duration{shopStep, time.Second, 700 * time.Millisecond} {
		s := newShop(monday, 1)
		s.advance(monday.Add(12 * time.Hour))
		before := s.samples()
		for at := s.now; s.now.Before(monday.Add(13 * time.Hour)); {
			at = at.Add(step)
			s.advance(at)
		}
		for i, m := range s.samples() {
			grown := m.value - before[i].value
			if grown < 0 {
				t.Errorf("step %s: %s of %s fell", step, m.name, m.service)
			}
			if m.service != victim || m.name != "shop_request_duration_seconds_count" {
				continue
			}
			if want := 12 * 3600 * traffic(monday.Add(12*time.Hour+30*time.Minute)); math.Abs(grown/want-1) > 0.1 {
				t.Errorf("step %s: %.0f requests in an hour, want about %.0f", step, grown, want)
			}
		}
	}
}

func TestTrafficFollowsDayAndWeek(t *testing.T) {
	t.Parallel()
	night, evening := traffic(monday.Add(4*time.Hour)), traffic(monday.Add(19*time.Hour))
	if night > 0.7*evening {
		t.Errorf("night %.2f, evening %.2f: no day", night, evening)
	}
	saturday := traffic(monday.Add((5*24 + 19) * time.Hour))
	if r := saturday / evening; math.Abs(r-weekend) > 0.01 {
		t.Errorf("Saturday is %.2f of Monday, want %.2f", r, weekend)
	}
	for at := monday; at.Before(monday.Add(8 * 24 * time.Hour)); at = at.Add(time.Minute) {
		if a, b := traffic(at), traffic(at.Add(time.Minute)); math.Abs(a-b) > 0.02 {
			t.Fatalf("traffic jumps from %.3f to %.3f at %s", a, b, at)
		}
	}
}

func TestShopWritesPrometheusText(t *testing.T) {
	t.Parallel()
	s := newShop(monday, 1)
	s.advance(monday.Add(time.Minute))
	var b bytes.Buffer
	s.write(&b)
	for _, want := range []string{
		"# TYPE shop_requests_total counter\n", `shop_requests_total{service="checkout",code="200"} `, `shop_request_duration_seconds_sum{service="cart"} `,
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
}

// The demo has to work at any time of day and week: the fault is confirmed within a minute, and in the day before nothing is, the nightly backup
// included.
func TestTheFaultIsSeenAtAnyTime(t *testing.T) {
	t.Parallel()
	for _, at := range []time.Duration{30 * time.Minute, 2*time.Hour + 5*time.Minute, 5 * time.Hour, 13 * time.Hour, 20 * time.Hour, 5*24*time.Hour + 3*time.Minute} {
		t.Run(at.String(), func(t *testing.T) {
			t.Parallel()
			now := monday.Add(at).Truncate(shopStep)
			latency := latencyOf(t, victim, now, 2*time.Minute)
			v := judged(t, latency, now.Add(-24*time.Hour), now.Add(2*time.Minute))
			for _, e := range v.Episodes {
				if e.Began < now.UnixMilli() {
					t.Errorf("an episode before the fault, at %s", time.UnixMilli(e.Began).UTC())
				}
			}
			last := len(v.Episodes) - 1
			if last < 0 {
				t.Fatal("the fault was not found")
			}
			if took := time.Duration(v.Episodes[last].Confirmed-now.UnixMilli()) * time.Millisecond; took > time.Minute {
				t.Errorf("confirmed %s after the fault", took)
			}
		})
	}
}

// latencyOf is the mean latency over a minute, every 15 seconds of the whole history, with the fault in the last part.
func latencyOf(t *testing.T, service string, now time.Time, fault time.Duration) series.Series {
	t.Helper()
	s := newShop(now.Add(-history), 1)
	out := series.Series{Labels: series.FromMap(map[string]string{"service": service})}
	out.Grid = series.Grid{Start: now.Add(-history).UnixMilli(), Step: shopStep.Milliseconds(), N: int((history + fault) / shopStep)}
	var sums, counts []float64
	for i := range out.Grid.N {
		at := time.UnixMilli(out.Grid.At(i))
		if at.Equal(now) {
			s.slow(service, 4, now)
		}
		s.advance(at)
		for _, m := range s.samples() {
			switch {
			case m.service != service:
			case m.name == "shop_request_duration_seconds_sum":
				sums = append(sums, m.value)
			case m.name == "shop_request_duration_seconds_count":
				counts = append(counts, m.value)
			}
		}
		x := math.NaN()
		if i >= 4 {
			x = (sums[i] - sums[i-4]) / (counts[i] - counts[i-4])
		}
		out.Values = append(out.Values, x)
	}
	return out
}

// judged is what the scorer's rule of the demo says.
func judged(t *testing.T, s series.Series, from, to time.Time) detect.Verdicts {
	t.Helper()
	d, err := detect.Detectors.New("seasonal", nil)
	if err != nil {
		t.Fatal(err)
	}
	j := detect.Judge{Name: "seasonal", Detector: d, Walk: detect.DefaultWalk(), Policy: detect.DefaultPolicy()}
	j.Walk.Step = registry.Duration(shopStep)
	j.Policy.Direction, j.Policy.MinRel, j.Policy.N, j.Policy.M, j.Policy.Recover = "up", 0.2, 2, 3, 4
	j.Policy.Horizon = registry.Duration(6 * time.Hour)
	v, err := j.Series(t.Context(), s, from.UnixMilli(), to.UnixMilli())
	if err != nil {
		t.Fatal(err)
	}
	return v
}

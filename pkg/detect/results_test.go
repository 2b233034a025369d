package detect

import (
	"context"
	"math"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What is kept of earlier queries changes no answer, whatever was asked before, and spares the work.
func TestFitsWithResults(t *testing.T) {
	t.Parallel()
	const day = 24 * 60
	s := fixtures()[0].s
	add(s.Values, len(s.Values)-2*day, 30, size(s.Values)) // an incident: abnormal samples have limits before what is shown
	for _, name := range []string{"auto", "mad"} {
		for _, limits := range []Limits{LimitsShown, LimitsAbnormal} {
			d, err := Detectors.New(name, nil)
			if err != nil {
				t.Fatal(err)
			}
			plain := Judge{Name: name, Detector: d, Walk: DefaultWalk(), Policy: DefaultPolicy(), Fits: NewFits(1 << 24), Limits: limits}
			kept := plain
			kept.Fits = NewFits(1 << 24).WithResults(1 << 24)
			end := s.Grid.N - 1
			ask := func(from, to int) {
				t.Helper()
				want, err := plain.Series(context.Background(), s, s.Grid.At(from), s.Grid.At(to))
				if err != nil {
					t.Fatal(err)
				}
				got, err := kept.Series(context.Background(), s, s.Grid.At(from), s.Grid.At(to))
				if err != nil {
					t.Fatal(err)
				}
				if d := cmp.Diff(want, got, cmp.Comparer(func(a, b float64) bool { return math.Float64bits(a) == math.Float64bits(b) })); d != "" {
					t.Fatalf("%s, samples %d to %d: %s", name, from, to, d)
				}
			}
			ask(end-day, end)
			missed := kept.Fits.Stats().Misses
			ask(end-day, end) // again
			ask(end-2*day, end)
			ask(end-day/2, end-100)
			ask(end-day-100, end-100)
			ask(end-3*day, end-2*day+20) // within the incident
			if again := kept.Fits.results.order.Len(); again < 2 {
				t.Errorf("%s: %d stretches are kept, want those of some days", name, again)
			}
			s.Values[len(s.Values)-day-day/2]++ // a late sample
			ask(end-day, end)
			if st := kept.Fits.Stats(); st.Misses <= missed || st.Hits == 0 {
				t.Errorf("%s: %+v, want more fits after a sample changed, and hits before", name, st)
			}
		}
	}
}

// Results take no more room than they are given, and are shared.
func TestFitsResultsParallel(t *testing.T) {
	t.Parallel()
	j := seasonalJudge(t)
	const room = 120_000 // two days of 33 bytes a sample, and a half
	j.Fits = NewFits(1 << 24).WithResults(room)
	s := fixtures()[0].s
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if _, err := j.Series(context.Background(), s, s.Grid.At(8*24*60), s.Grid.End()-60_000); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	r := j.Fits.results
	if n := r.order.Len(); n != len(r.known) || n < 1 || r.used > room || r.used < room/3 {
		t.Errorf("%d stretches of %d bytes are kept under %d keys, want up to %d bytes", n, r.used, len(r.known), room)
	}
}

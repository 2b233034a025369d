package detect

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"

	"gonum.org/v1/gonum/stat/distuv"

	"github.com/foreshock/foreshock/pkg/registry"
	"github.com/foreshock/foreshock/pkg/series"
)

// The thresholds of vectors and fleets keep to their budget as those of single series do: over weeks of noise, judged by fits on the weeks before, the mean number of false
// episodes a week (and member) lies around what was allowed. Fewer weeks are judged than for single series, so that only gross failures show; FORESHOCK_BUDGET_WEEKS judges as many as
// one likes, the figures in docs/accuracy.md are of 12.
func TestBudgetOfVectorsAndFleets(t *testing.T) {
	t.Parallel()
	weeks, names := 4, Joints.Names()
	if n, err := strconv.Atoi(os.Getenv("FORESHOCK_BUDGET_WEEKS")); err == nil && n > 0 {
		weeks = n
	}
	if raceDetector {
		weeks, names = 1, names[:1]
	}
	for _, name := range names {
		t.Run("joint "+name, func(t *testing.T) {
			t.Parallel()
			episodes := 0
			for k := range weeks {
				episodes += falseOfVector(t, name, uint64(k))
			}
			keeps(t, float64(episodes), float64(weeks))
		})
	}
	for _, name := range PeerDetectors.Names() {
		t.Run("peers "+name, func(t *testing.T) {
			t.Parallel()
			episodes, members := 0, 0
			for k := range (weeks + 3) / 4 {
				e, m := falseOfFleet(t, name, uint64(k))
				episodes, members = episodes+e, members+m
			}
			keeps(t, float64(episodes), float64(members))
		})
	}
}

// keeps fails where the rate is surely above twice the budget of 1 (99 % of a Poisson count with that mean have fewer).
func keeps(t *testing.T, episodes, weeks float64) {
	t.Helper()
	t.Logf("%.0f false episodes in %.0f weeks at a budget of 1 a week", episodes, weeks)
	if low := (distuv.Gamma{Alpha: episodes + 1e-9, Beta: weeks}).Quantile(0.005); low > 2 {
		t.Errorf("%.0f false episodes in %.0f weeks: surely more than %.2f a week, budget 1", episodes, weeks, low)
	}
}

// weekOn is a week of training, a day in which anchors may lie, one of horizon, and a week that is judged.
func weekOn() series.Grid { return series.Grid{Start: fixtureStart, Step: 60_000, N: 23 * 24 * 60} }

func weekly() (Walk, Policy) {
	w, p := DefaultWalk(), DefaultPolicy()
	w.Refit = 7 * registry.Day // the noise does not change
	p.MinRel = 0
	return w, p
}

// falseOfVector counts the false episodes in a week of three dimensions that share a cause, each with noise of its own that remembers.
func falseOfVector(t *testing.T, name string, seed uint64) int {
	t.Helper()
	d, err := Joints.New(name, nil)
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(seed, 78))
	v := series.NewVector(series.FromMap(map[string]string{"k": fmt.Sprint(seed)}), weekOn(), "a", "b", "c")
	state := make([]float64, len(v.Values))
	for i := range v.Grid.N {
		cause := rng.NormFloat64()
		for k := range state {
			state[k] = 0.7*state[k] + cause + rng.NormFloat64()
			v.Values[k][i] = 100 + 10*float64(k) + state[k]
		}
	}
	w, p := weekly()
	j := JudgeJoint{Name: name, Detector: d, Walk: w, Policy: p}
	found, err := j.Vector(t.Context(), v, series.Series{}, v.Grid.At(16*24*60), v.Grid.End()-60_000)
	if err != nil {
		t.Fatal(err)
	}
	return len(found.Episodes)
}

// falseOfFleet counts them over the members of a fleet of eight, and the weeks of members that were judged.
func falseOfFleet(t *testing.T, name string, seed uint64) (episodes, members int) {
	t.Helper()
	d, err := PeerDetectors.New(name, nil)
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(seed, 79))
	f := Fleet{Labels: series.FromMap(map[string]string{"k": fmt.Sprint(seed)}), Set: series.Set{Grid: weekOn()}}
	for k := range 8 {
		f.Members = append(f.Members, series.New(series.FromMap(map[string]string{"k": fmt.Sprint(seed), "instance": fmt.Sprint(k)}), f.Grid))
	}
	state, common := make([]float64, len(f.Members)), 0.0
	for i := range f.Grid.N {
		common = 0.99*common + rng.NormFloat64()
		for k := range state {
			state[k] = 0.7*state[k] + rng.NormFloat64()
			f.Members[k].Values[i] = 100 + common + state[k]
		}
	}
	w, p := weekly()
	j := JudgePeers{Name: name, Detector: d, Walk: w, Policy: p}
	found, err := j.Fleet(t.Context(), f, f.Grid.At(16*24*60), f.Grid.End()-60_000)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range found {
		episodes += len(v.Episodes)
	}
	return episodes, len(found)
}

// BenchmarkJoint fits a week of vectors of three dimensions, and judges one by a fit that exists.
func BenchmarkJoint(b *testing.B) {
	v := application().Slice(0, 7*24*60)
	for _, name := range Joints.Names() {
		d, _ := Joints.New(name, nil)
		m, err := d.Fit(JointTrain{Vector: v, N: 3, M: 5})
		if err != nil {
			b.Fatal(err)
		}
		b.Run("fit/"+name, func(b *testing.B) {
			perCPUSecond(b, v.Grid.N, "points", func() { m, _ = d.Fit(JointTrain{Vector: v, N: 3, M: 5}) })
			raw, _ := m.MarshalBinary()
			b.ReportMetric(float64(len(raw)), "model-bytes")
		})
		b.Run("score/"+name, func(b *testing.B) {
			perCPUSecond(b, v.Grid.N, "points", func() {
				if _, err := m.Score(v, 0); err != nil {
					b.Fatal(err)
				}
			})
		})
	}
}

// BenchmarkPeers does the same with a fleet of six; a sample is one of one member.
func BenchmarkPeers(b *testing.B) {
	f := fleet()
	set := f.Slice(0, 7*24*60)
	n := set.Grid.N * len(set.Members)
	for _, name := range PeerDetectors.Names() {
		d, _ := PeerDetectors.New(name, nil)
		m, err := d.Fit(PeersTrain{Set: set, N: 3, M: 5})
		if err != nil {
			b.Fatal(err)
		}
		b.Run("fit/"+name, func(b *testing.B) {
			perCPUSecond(b, n, "samples", func() { m, _ = d.Fit(PeersTrain{Set: set, N: 3, M: 5}) })
			raw, _ := m.MarshalBinary()
			b.ReportMetric(float64(len(raw)), "model-bytes")
		})
		b.Run("score/"+name, func(b *testing.B) {
			perCPUSecond(b, n, "samples", func() {
				if _, err := m.Compare(set, 0); err != nil {
					b.Fatal(err)
				}
			})
		})
	}
}

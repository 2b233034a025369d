package detect

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/foreshock/foreshock/pkg/registry"
	"github.com/foreshock/foreshock/pkg/series"
)

// shortWalk is a walk that a test can go in seconds.
func shortWalk() (Walk, Policy) {
	w := Walk{Step: registry.Duration(time.Minute), Train: registry.Day, Refit: registry.Duration(time.Hour), MinTrain: registry.Duration(2 * time.Hour), Zone: "UTC"}
	p := DefaultPolicy()
	p.Horizon = registry.Duration(time.Hour)
	return w, p
}

// comeAndGo is three days of eight siblings; members 5 and 6, which are noisy, end after a day and 14 hours, and 7 begins ten hours before the end. Member 2 fails 30 minutes before it.
func comeAndGo() series.Set {
	set := series.Set{Grid: series.Grid{Start: 1_600_000_020_000, Step: 60_000, N: 3 * 24 * 60}}
	rng := rand.New(rand.NewPCG(5, 1))
	for k := range 8 {
		s := series.New(series.FromMap(map[string]string{"job": "a", "instance": fmt.Sprint(k)}), set.Grid)
		for i := range s.Values {
			noise := rng.NormFloat64()
			switch {
			case (k == 5 || k == 6) && i >= 38*60, k == 7 && i < set.Grid.N-600:
				continue
			case k == 5 || k == 6:
				noise *= 9
			case k == 2 && i >= set.Grid.N-30 && i < set.Grid.N-15:
				noise -= 60
			}
			s.Values[i] = 100 + 20*math.Sin(float64(i)/100) + noise
		}
		set.Members = append(set.Members, s)
	}
	return set
}

// seen is what a query of a range gets: the series with a sample in it.
func seen(set series.Set, grid series.Grid) series.Set {
	set = set.Between(grid.Start, grid.End())
	set.Members = slices.DeleteFunc(set.Members, func(s series.Series) bool { return s.FirstPresent() < 0 })
	return set
}

// Members that come and go leave the verdicts of all others as they are, whatever the range.
func TestVerdictsOfSeveralDoNotDependOnTheRange(t *testing.T) {
	t.Parallel()
	set := comeAndGo()
	w, p := shortWalk()
	to := set.Grid.At(set.Grid.N - 1)
	ranges := []int64{to - 20*60_000, to - 5*3_600_000, to - 20*3_600_000, to - 40*3_600_000}
	for _, name := range PeerDetectors.Names() {
		d, err := PeerDetectors.New(name, nil)
		if err != nil {
			t.Fatal(err)
		}
		j := JudgePeers{Name: name, Detector: d, Walk: w, Policy: p}
		var want Verdicts
		for _, from := range ranges {
			f := Fleet{Set: seen(set, w.Fetch(from, to, p))}
			all, err := j.Fleet(context.Background(), f, from, to)
			if err != nil {
				t.Fatal(err)
			}
			got := all[slices.IndexFunc(f.Members, func(s series.Series) bool { return s.Labels.Get("instance") == "2" })]
			sameEnd(t, fmt.Sprintf("%s, %d members", name, len(f.Members)), got, &want)
		}
	}
	for _, name := range []string{"mahalanobis", "kmeans"} {
		d, err := Joints.New(name, nil)
		if err != nil {
			t.Fatal(err)
		}
		j := JudgeJoint{Name: name, Detector: d, Walk: w, Policy: p}
		var want Verdicts
		var leading string
		for _, from := range ranges {
			v := seen(set, w.Fetch(from, to, p)).GroupBy("job")[0].Vector()
			got, err := j.Vector(context.Background(), v, series.Series{}, from, to)
			if err != nil {
				t.Fatal(err)
			}
			sameEnd(t, fmt.Sprintf("%s, %d dimensions", name, len(v.Names)), got.Verdicts, &want)
			now := v.Names[got.Leading[len(got.Leading)-20]]
			if leading == "" {
				leading = now
			}
			if now != leading {
				t.Errorf("%s: %s leads, was %s", name, now, leading)
			}
			for i, parts := range got.Details {
				for _, part := range parts.Parts {
					if part.Share != part.Share {
						t.Errorf("%s: episode %d has a part of %s that is no number", name, i, part.Name)
					}
				}
			}
		}
	}
}

// sameEnd compares the last 20 verdicts with those wanted, which the first call takes.
func sameEnd(t *testing.T, what string, got Verdicts, want *Verdicts) {
	t.Helper()
	if want.Score == nil {
		*want = got
		high := false
		for _, x := range got.Score {
			high = high || x > 1
		}
		if !high {
			t.Fatalf("%s: nothing scores above 1", what)
		}
		return
	}
	for k := 1; k <= 20; k++ {
		i, n := len(got.Score)-k, len(want.Score)-k
		if !sameFloat(got.Score[i], want.Score[n]) || got.State[i] != want.State[n] || got.Anomalous[i] != want.Anomalous[n] {
			t.Fatalf("%s, %d before the end: score %v, %v, over the first range %v, %v", what, k, got.Score[i], got.State[i], want.Score[n], want.State[n])
		}
	}
}

// The calendar of a policy holds for fleets and vectors too.
func TestMuteOfSeveral(t *testing.T) {
	t.Parallel()
	set := comeAndGo()
	w, p := shortWalk()
	from, to := set.Grid.At(set.Grid.N-120), set.Grid.At(set.Grid.N-1)
	v := set.GroupBy("job")[0].Vector()
	judge := func(p Policy) (fleet, vector Verdicts) {
		all, err := JudgePeers{Name: "mad", Detector: &PeersMAD{peering: defaultPeering()}, Walk: w, Policy: p}.Fleet(context.Background(), Fleet{Set: set}, from, to)
		if err != nil {
			t.Fatal(err)
		}
		d, err := Joints.New("mahalanobis", nil)
		if err != nil {
			t.Fatal(err)
		}
		one, err := JudgeJoint{Name: "mahalanobis", Detector: d, Walk: w, Policy: p}.Vector(context.Background(), v, series.Series{}, from, to)
		if err != nil {
			t.Fatal(err)
		}
		return all[2], one.Verdicts
	}
	clock := func(i int) string { return time.UnixMilli(set.Grid.At(i)).UTC().Format("15:04") }
	fleet, vector := judge(p)
	if len(fleet.Episodes) == 0 || len(vector.Episodes) == 0 {
		t.Fatalf("without a calendar: %d and %d episodes", len(fleet.Episodes), len(vector.Episodes))
	}
	p.Mute = []string{"daily " + clock(set.Grid.N-110) + "/" + clock(set.Grid.N-2)}
	fleet, vector = judge(p)
	for _, v := range []Verdicts{fleet, vector} {
		if len(v.Episodes) > 0 || v.State[95] != Muted || !(v.Score[95] > 1) || v.State[0] == Muted {
			t.Errorf("muted: state %v, score %v, episodes %+v", v.State[95], v.Score[95], v.Episodes)
		}
	}
}

// What is not watched is refused.
func TestRefusalsOfSeveral(t *testing.T) {
	t.Parallel()
	_, p := shortWalk()
	p.Absent = registry.Duration(time.Hour)
	for _, err := range []error{JudgePeers{Policy: p}.Validate(), JudgeJoint{Policy: p}.Validate()} {
		if err == nil || !strings.HasPrefix(err.Error(), `parameter "absent": got 1h, want 0: the absence of a series in a `) {
			t.Errorf("got %v", err)
		}
	}
}

package stage_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/foreshock/foreshock/webhook/alert"
	"github.com/foreshock/foreshock/webhook/cases"
	"github.com/foreshock/foreshock/webhook/policy"
	"github.com/foreshock/foreshock/webhook/stage"
	"github.com/foreshock/foreshock/webhook/store"
	"github.com/foreshock/foreshock/webhook/store/storetest"
)

// families are alerts of three kinds on some pods, each with one time of firing,
// most of which go on: what similarity links depends on chance.
func families(rnd *rand.Rand) history {
	h := history{truth: &oracle{firing: map[string]bool{}}}
	kinds := []string{"disk of pod is nearly full of logs", "latency above the objective", "queue grows without end"}
	for i := range 6 + rnd.IntN(6) {
		k := rnd.IntN(len(kinds))
		l := alert.Labels{"alertname": []string{"Disk", "Latency", "Queue"}[k], "severity": "error", "pod": fmt.Sprintf("p-%d", i)}
		start := rnd.Float64() * 40
		a := alert.Alert{
			Status: alert.Firing, Labels: l, Annotations: alert.Labels{"summary": fmt.Sprintf("%s: %d", kinds[k], i)}, StartsAt: at(start), Fingerprint: l.Fingerprint(),
		}
		h.told = append(h.told, []alert.Alert{a})
		if rnd.IntN(4) == 0 {
			a.Status, a.EndsAt = alert.Resolved, at(start+1+rnd.Float64()*5)
			h.told = append(h.told, []alert.Alert{a})
		} else {
			h.truth.firing[l.Fingerprint()] = true
		}
	}
	slices.SortStableFunc(h.told, func(a, b []alert.Alert) int {
		when := func(x alert.Alert) time.Time {
			if x.Status == alert.Resolved {
				return x.EndsAt
			}
			return x.StartsAt
		}
		return when(a[0]).Compare(when(b[0]))
	})
	return h
}

// byPrint answers by fingerprint, from many goroutines.
type byPrint struct{ firing map[string]bool }

func (b byPrint) Firing(_ context.Context, _ string, alerts []alert.Alert) ([]bool, error) {
	out := make([]bool, len(alerts))
	for i, a := range alerts {
		out[i] = b.firing[a.Fingerprint]
	}
	return out, nil
}

func whole(db *store.DB, h history) stage.Parts {
	return stage.Parts{
		Store: db, Authority: byPrint{h.truth.firing}, Rules: func() policy.Rules { return policy.DefaultRules("slack") },
		Now: func() time.Time { return time.Now().Add(time.Minute) },
	}
}

// reviewed carries out the reviews of all open cases until none changes anything
// any more, as time would, and returns who shares a case.
func reviewed(t *testing.T, db *store.DB, p stage.Parts) []string {
	t.Helper()
	ctx := context.Background()
	for round := 0; ; round++ {
		all, err := db.Cases(ctx, cases.Query{States: cases.OpenStates(), Limit: 1000})
		if err != nil {
			t.Fatal(err)
		}
		slices.Reverse(all)
		for _, c := range all {
			ch, ok, err := p.Reviewer().Review(ctx, c.ID)
			if err != nil {
				t.Fatal(err)
			}
			if ok {
				if err := db.Commit(ctx, ch); err != nil {
					t.Fatal(err)
				}
			}
		}
		after, err := db.Cases(ctx, cases.Query{States: cases.OpenStates(), Limit: 1000})
		if err != nil {
			t.Fatal(err)
		}
		if len(after) == len(all) {
			return together(t, db, after)
		}
		if round > 50 {
			t.Fatal("the reviews do not come to an end")
		}
	}
}

// together lists the alerts that fire by the case that they share, and checks
// what a case says of itself.
func together(t *testing.T, db *store.DB, open []cases.Case) []string {
	t.Helper()
	var out []string
	for _, c := range open {
		members, err := db.Members(context.Background(), c.ID, 1000)
		if err != nil {
			t.Fatal(err)
		}
		var firing []string
		for _, m := range members {
			if m.Firing() {
				firing = append(firing, m.Last.Labels["alertname"]+m.Last.Labels["pod"])
			}
		}
		if len(firing) != c.Firing || len(members) != c.Total || c.Firing == 0 {
			t.Errorf("case %s says %d of %d fire, %d of %d do", c.ID, c.Firing, c.Total, len(firing), len(members))
		}
		slices.Sort(firing)
		out = append(out, fmt.Sprintf("%s %s", c.Grade, strings.Join(firing, " ")))
	}
	slices.Sort(out)
	return out
}

// Any permutation and repetition of deliveries to two receivers leads to the same
// alerts sharing a case, once the cases were reviewed.
func testMergeOrder(t *testing.T, seeds int, open func(testing.TB) [2]*store.DB) {
	merged := 0
	for seed := range seeds {
		rnd := rand.New(rand.NewPCG(uint64(seed), 11))
		h := families(rnd)
		plain := open(t)
		p := whole(plain[0], h)
		in := stage.NewIntake(stage.IntakeOptions{Chain: p.Chain(), Store: plain[0]})
		for i, group := range h.told {
			send(t, in, fmt.Sprint("plain", i), group)
		}
		want := reviewed(t, plain[0], p)
		merged += len(h.truth.firing) - len(want)

		both := open(t)
		queue := append(slices.Clone(h.told), h.told...)
		rnd.Shuffle(len(queue), func(i, j int) { queue[i], queue[j] = queue[j], queue[i] })
		var wg sync.WaitGroup
		for r, db := range both {
			q := whole(db, h)
			in := stage.NewIntake(stage.IntakeOptions{Chain: q.Chain(), Store: db})
			wg.Go(func() {
				for i, group := range queue {
					if i%2 == r {
						send(t, in, fmt.Sprint("mixed", i), group)
					}
				}
			})
		}
		wg.Wait()
		if d := gocmp.Diff(want, reviewed(t, both[0], whole(both[0], h))); d != "" {
			t.Errorf("seed %d (-in order +mixed):\n%s", seed, d)
		}
	}
	if merged < seeds {
		t.Errorf("only %d alerts were merged: the test tests nothing", merged)
	}
}

func TestMergeOrderSQLite(t *testing.T) {
	t.Parallel()
	testMergeOrder(t, 12, func(t testing.TB) [2]*store.DB {
		db := storetest.Open(t, "sqlite://"+filepath.Join(t.TempDir(), "w.db"))
		return [2]*store.DB{db, db}
	})
}

func TestMergeOrderPostgres(t *testing.T) {
	t.Parallel()
	storetest.Postgres(t) // keep one server for all seeds
	testMergeOrder(t, 5, func(t testing.TB) [2]*store.DB {
		url := storetest.Postgres(t)
		return [2]*store.DB{storetest.Open(t, url), storetest.Open(t, url)}
	})
}

package stage_test

import (
	"cmp"
	"context"
	"encoding/json"
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

// history is what happened, and how Alertmanager would tell it in order.
type history struct {
	told  [][]alert.Alert
	truth *oracle
}

// invent makes a few alerts, each with one to three lives; the last may go on.
func invent(rnd *rand.Rand) history {
	type moment struct {
		at float64
		a  alert.Alert
	}
	h := history{truth: &oracle{firing: map[string]bool{}}}
	var all []moment
	for i := range 2 + rnd.IntN(4) {
		name := fmt.Sprint("alert", i)
		now := rnd.Float64() * 10
		lives := 1 + rnd.IntN(3)
		for l := range lives {
			start, end := now, now+1+rnd.Float64()*10
			all = append(all, moment{start, firing(name, start)})
			if l == lives-1 && rnd.IntN(2) == 0 {
				h.truth.firing[name] = true
				break
			}
			all = append(all, moment{end, resolved(name, start, end)})
			now = end + 0.1 + rnd.Float64()*5
		}
	}
	slices.SortFunc(all, func(a, b moment) int { return cmp.Compare(a.at, b.at) })
	for len(all) > 0 { // in groups, as Alertmanager sends them
		n := min(1+rnd.IntN(3), len(all))
		var group []alert.Alert
		for _, m := range all[:n] {
			group = append(group, m.a)
		}
		h.told = append(h.told, group)
		all = all[n:]
	}
	return h
}

// outcome is the state that every order must lead to.
func outcome(t *testing.T, db *store.DB) map[string]string {
	t.Helper()
	all, err := db.Cases(context.Background(), cases.Query{Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, c := range all {
		s, err := db.Story(context.Background(), c.ID)
		if err != nil {
			t.Fatal(err)
		}
		if _, twice := out[c.Key]; twice {
			t.Errorf("two cases of %s", c.Key)
		}
		text := fmt.Sprintf("%s %s firing=%d total=%d %s", c.State, c.Grade, c.Firing, c.Total, c.Title)
		for _, a := range s.Alerts {
			text += fmt.Sprintf("; %s fired=%s ended=%s last=%s..%s", a.Status, clock(a.LastFired), clock(a.LastEnded), clock(a.Last.StartsAt), clock(a.Last.EndsAt))
		}
		out[c.Key] = text
		heard(t, s)
	}
	return out
}

func clock(t time.Time) string { return t.Format("15:04:05.000000") }

// heard checks what people were told: at most once per occasion, and in the end
// the truth.
func heard(t *testing.T, s cases.Story) {
	t.Helper()
	last, keys := cases.What(""), map[string]bool{}
	for _, a := range s.Actions {
		if keys[a.Key] {
			t.Errorf("case %s: %s twice", s.Case.ID, a.Key)
		}
		keys[a.Key] = true
		var n cases.Notice
		if a.Kind == cases.Notify {
			if err := json.Unmarshal(a.Payload, &n); err != nil {
				t.Fatal(err)
			}
			last = n.What
		}
	}
	if s.Case.Open() != (s.Case.Firing > 0) {
		for _, e := range s.Events {
			t.Logf("%s %s %s->%s %s %s", e.DeliveryID, e.Kind, e.From, e.To, e.Note, e.Alert)
		}
		t.Errorf("case %s is %s with %d firing", s.Case.ID, s.Case.State, s.Case.Firing)
	}
	if s.Case.Open() != (last == cases.WhatOpened || last == cases.WhatReopened) {
		t.Errorf("case %s is %s, the last message said %q", s.Case.ID, s.Case.State, last)
	}
}

// receiver is one process: its own chain on its own connection.
func receiver(db *store.DB, truth stage.Authority) *stage.Intake {
	return stage.NewIntake(stage.IntakeOptions{
		Chain: stage.Chain{
			stage.Normalise{},
			stage.Dedup{Store: db, Authority: truth},
			stage.Plan{Rules: func() policy.Rules { return plain("slack") }},
		},
		Store: db,
	})
}

// steady answers from many goroutines.
type steady struct{ o *oracle }

func (s steady) Firing(_ context.Context, _ string, alerts []alert.Alert) ([]bool, error) {
	out := make([]bool, len(alerts))
	for i, a := range alerts {
		out[i] = s.o.firing[a.Name()]
	}
	return out, nil
}

// Any permutation and repetition of the deliveries of two Alertmanagers to two
// receivers folds to the state that the plain order leads to.
func testOrder(t *testing.T, seeds int, open func(testing.TB) [2]*store.DB) {
	for seed := range seeds {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(uint64(seed), 7))
			h := invent(rnd)
			plain := open(t)
			in := receiver(plain[0], steady{h.truth})
			for i, group := range h.told {
				send(t, in, fmt.Sprint("plain", i), group)
			}
			want := outcome(t, plain[0])

			both := open(t)
			ins := [2]*stage.Intake{receiver(both[0], steady{h.truth}), receiver(both[1], steady{h.truth})}
			var queue [][]alert.Alert
			for range 2 + rnd.IntN(2) { // two Alertmanagers, and repetitions
				queue = append(queue, h.told...)
			}
			rnd.Shuffle(len(queue), func(i, j int) { queue[i], queue[j] = queue[j], queue[i] })
			var wg sync.WaitGroup
			for r, in := range ins {
				wg.Go(func() {
					for i, group := range queue {
						if i%2 == r {
							send(t, in, fmt.Sprint("mixed", i), group)
						}
					}
				})
			}
			wg.Wait()
			if d := gocmp.Diff(want, outcome(t, both[0])); d != "" {
				t.Errorf("(-in order +mixed):\n%s", d)
			}
		})
	}
}

func send(t testing.TB, in *stage.Intake, id string, group []alert.Alert) {
	d := alert.Delivery{ID: id, Cluster: "prod", Received: time.Now().UTC(), Message: alert.Message{Source: alert.Alertmanager, Alerts: group}}
	if _, err := in.Deliver(context.Background(), d); err != nil {
		t.Error(err)
	}
}

func TestOrderSQLite(t *testing.T) {
	t.Parallel()
	testOrder(t, 20, func(t testing.TB) [2]*store.DB {
		db := storetest.Open(t, "sqlite://"+filepath.Join(t.TempDir(), "w.db"))
		return [2]*store.DB{db, db}
	})
}

func TestOrderPostgres(t *testing.T) {
	t.Parallel()
	storetest.Postgres(t) // keep one server for all seeds
	testOrder(t, 12, func(t testing.TB) [2]*store.DB {
		url := storetest.Postgres(t)
		return [2]*store.DB{storetest.Open(t, url), storetest.Open(t, url)}
	})
}

// Many receivers that hear of the same new alerts at the same moment open one
// case each, in PostgreSQL by several connections.
func TestOneCaseForManyReceivers(t *testing.T) {
	t.Parallel()
	url := storetest.Postgres(t)
	var wg sync.WaitGroup
	for range 4 {
		db := storetest.Open(t, url)
		in := receiver(db, nil)
		wg.Go(func() {
			for i := range 10 {
				var group []alert.Alert
				for k := range 5 {
					group = append(group, firing(fmt.Sprint("a", i, k), 0))
				}
				send(t, in, fmt.Sprintf("%p-%d", in, i), group)
			}
		})
	}
	wg.Wait()
	db := storetest.Open(t, url)
	got := outcome(t, db)
	if len(got) != 50 {
		t.Errorf("%d cases, want 50", len(got))
	}
	for key, s := range got {
		if !strings.HasPrefix(s, "new P1 firing=1 total=1") {
			t.Errorf("%s: %s", key, s)
		}
	}
	n, err := db.Counts(context.Background())
	if err != nil || n.Actions[cases.Due] != 50 || n.Deliveries != 40 {
		t.Errorf("counts %+v, %v", n, err)
	}
}

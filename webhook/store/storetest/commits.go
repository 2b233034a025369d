package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/foreshock/foreshock/webhook/alert"
	"github.com/foreshock/foreshock/webhook/cases"
	"github.com/foreshock/foreshock/webhook/store"
)

var ctx = context.Background()

func raw(t testing.TB, body string) ([]byte, int64, bool) {
	t.Helper()
	r := alert.NewRecorder(strings.NewReader(body), 1<<20)
	_, err := io.Copy(io.Discard, r)
	ok(t, err)
	return r.Copy()
}

func change(t testing.TB) cases.Change {
	d := alert.Delivery{ID: "d1", Cluster: "prod", Sender: "10.0.0.1:5", Received: at(0)}
	d.Message = alert.Message{Source: alert.Alertmanager, Receiver: "hook", GroupKey: "{}:{}", Alerts: make([]alert.Alert, 2)}
	d.Raw, d.RawSize, d.RawCut = raw(t, `{"alerts":[]}`)
	return cases.Change{
		Delivery: &d,
		Observations: []cases.Observation{
			{DeliveryID: "d1", N: 0, Identity: identity(1), Status: alert.Firing, StartsAt: at(-60), At: at(0), Decision: "accepted", Reason: "fired", CaseID: "c1"},
			{DeliveryID: "d1", N: 1, Identity: identity(2), Status: alert.Resolved, StartsAt: at(-60), EndsAt: at(-1), At: at(0), Decision: "dropped", Reason: "repeat", Note: "n"},
		},
		Alerts: []cases.Alert{known(2, "c1"), known(1, "c1")},
		Cases:  []cases.Case{aCase("c1")},
		Events: []cases.Event{
			{CaseID: "c1", At: at(0), Kind: cases.Opened, Actor: "alertmanager", Origin: "o", From: "f", To: "new", Channel: "ch", ActionID: "x", DeliveryID: "d1", Alert: "prod/1", Note: "first"},
			{CaseID: "c1", At: at(0), Kind: cases.Fired, Actor: cases.System, Note: "second"},
		},
		Actions: []cases.Action{anAction("a1", "slack", "c1"), anAction("a2", "log", "c1")},
	}
}

func testRoundTrip(t *testing.T, db *store.DB) {
	ch := change(t)
	ok(t, db.Commit(ctx, ch))
	wantAlerts := []cases.Alert{known(1, "c1"), known(2, "c1")}
	for i := range wantAlerts {
		wantAlerts[i].Version = 1
	}
	wantCase := aCase("c1")
	wantCase.Version = 1

	s := must[cases.Story](t)(db.Story(ctx, "c1"))
	want := cases.Story{Case: wantCase, Alerts: wantAlerts, Events: ch.Events, Actions: ch.Actions}
	if d := cmp.Diff(want, s, cmpopts.IgnoreFields(cases.Event{}, "ID"), cmpopts.EquateEmpty()); d != "" {
		t.Errorf("Story (-want +got):\n%s", d)
	}
	if s.Events[0].ID >= s.Events[1].ID {
		t.Errorf("event IDs do not rise: %d, %d", s.Events[0].ID, s.Events[1].ID)
	}
	p := must[cases.Prior](t)(db.Prior(ctx, []alert.Identity{identity(1), identity(2), identity(3), {Cluster: "other", Fingerprint: identity(1).Fingerprint}}, []string{"key-c1", "none"}))
	wantPrior := cases.Prior{
		Alerts: map[alert.Identity]cases.Alert{identity(1): wantAlerts[0], identity(2): wantAlerts[1]},
		Cases:  map[string]cases.Case{"c1": wantCase}, ByKey: map[string]string{"key-c1": "c1"},
	}
	if d := cmp.Diff(wantPrior, p, cmpopts.EquateEmpty()); d != "" {
		t.Errorf("Prior (-want +got):\n%s", d)
	}
	info := must[[]cases.DeliveryInfo](t)(db.Deliveries(ctx, "", 0))
	wantInfo := []cases.DeliveryInfo{{
		ID: "d1", Cluster: "prod", Source: alert.Alertmanager, Sender: "10.0.0.1:5", Receiver: "hook", GroupKey: "{}:{}",
		Received: at(0), Alerts: 2, RawSize: 13, HasRaw: true,
	}}
	if d := cmp.Diff(wantInfo, info); d != "" {
		t.Errorf("Deliveries (-want +got):\n%s", d)
	}
	body, cut, err := db.Body(ctx, "d1")
	if err != nil || cut || !bytes.Equal(body, []byte(`{"alerts":[]}`)) {
		t.Errorf("Body = %q, %v, %v", body, cut, err)
	}
	for i, o := range ch.Observations {
		got := must[[]cases.Observation](t)(db.Observations(ctx, identity(i+1), 10))
		if d := cmp.Diff([]cases.Observation{o}, got); d != "" {
			t.Errorf("Observations (-want +got):\n%s", d)
		}
	}
	if _, err := db.Story(ctx, "none"); !errors.Is(err, cases.ErrNotFound) {
		t.Errorf("Story of nothing: %v", err)
	}
	if _, _, err := db.Body(ctx, "none"); !errors.Is(err, cases.ErrNotFound) {
		t.Errorf("Body of nothing: %v", err)
	}
}

// A change that is based on something stale leaves no trace.
func testConflict(t *testing.T, db *store.DB) {
	ok(t, db.Commit(ctx, cases.Change{Alerts: []cases.Alert{known(1, "c1")}, Cases: []cases.Case{aCase("c1")}}))
	v1, c1 := known(1, "c1"), aCase("c1")
	v1.Version, c1.Version = 1, 1
	v1.LastSeen, c1.Title = at(5), "new title"
	ok(t, db.Commit(ctx, cases.Change{Alerts: []cases.Alert{v1}, Cases: []cases.Case{c1}}))
	stale := func(ch cases.Change) {
		t.Helper()
		ch.Events = []cases.Event{{CaseID: "c1", At: at(1), Kind: cases.Noted, Actor: "x", Note: "must not be seen"}}
		ch.Actions = []cases.Action{anAction("a9", "log", "c1")}
		d := alert.Delivery{ID: "d9", Received: at(1)}
		ch.Delivery = &d
		if err := db.Commit(ctx, ch); !errors.Is(err, cases.ErrConflict) {
			t.Errorf("got %v, want ErrConflict", err)
		}
	}
	stale(cases.Change{Alerts: []cases.Alert{v1}})
	stale(cases.Change{Cases: []cases.Case{c1}})
	stale(cases.Change{Alerts: []cases.Alert{known(1, "c1")}})
	stale(cases.Change{Alerts: []cases.Alert{known(7, "c1"), known(1, "c1")}})
	stale(cases.Change{Alerts: []cases.Alert{known(7, "c1")}, Cases: []cases.Case{aCase("c1")}})
	s := must[cases.Story](t)(db.Story(ctx, "c1"))
	if len(s.Events)+len(s.Actions) != 0 || len(s.Alerts) != 1 || s.Case.Version != 2 || s.Case.Title != "new title" || !s.Alerts[0].LastSeen.Equal(at(5)) {
		t.Errorf("a stale change left traces: %+v", s)
	}
	if d := must[[]cases.DeliveryInfo](t)(db.Deliveries(ctx, "", 0)); len(d) != 0 {
		t.Errorf("a stale change left a delivery: %+v", d)
	}
}

func testOneCasePerKey(t *testing.T, db *store.DB) {
	one, two := aCase("c1"), aCase("c2")
	two.Key = one.Key
	ok(t, db.Commit(ctx, cases.Change{Cases: []cases.Case{one}}))
	if err := db.Commit(ctx, cases.Change{Cases: []cases.Case{two}}); !errors.Is(err, cases.ErrConflict) {
		t.Errorf("a second open case of a key: %v, want ErrConflict", err)
	}
	one.Version, one.State = 1, cases.Closed
	ok(t, db.Commit(ctx, cases.Change{Cases: []cases.Case{one}}))
	ok(t, db.Commit(ctx, cases.Change{Cases: []cases.Case{two}}))
	p := must[cases.Prior](t)(db.Prior(ctx, nil, []string{one.Key}))
	if p.ByKey[one.Key] != "c2" {
		t.Errorf("ByKey = %v", p.ByKey)
	}
}

// Of many who change the same thing at once, each round has one winner and
// nobody's change is lost.
func testConcurrentCommits(t *testing.T, db *store.DB) {
	var wg sync.WaitGroup
	var conflicts atomic.Int64
	const workers, each = 8, 10
	for w := range workers {
		wg.Go(func() {
			for i := range each {
				for {
					p, err := db.Prior(ctx, []alert.Identity{identity(1)}, nil)
					if err != nil {
						t.Error(err)
						return
					}
					a, found := p.Alerts[identity(1)]
					if !found {
						a = known(1, "")
						a.Last.Values = map[string]float64{"n": 0}
					}
					a.Last.Values["n"]++
					err = db.Commit(ctx, cases.Change{
						Alerts: []cases.Alert{a, known(1000+w*each+i, "")},
						Events: []cases.Event{{CaseID: "c1", Kind: cases.Noted, At: at(0), Note: fmt.Sprint(w, i)}},
					})
					if err == nil {
						break
					}
					if !errors.Is(err, cases.ErrConflict) {
						t.Error(err)
						return
					}
					conflicts.Add(1)
				}
			}
		})
	}
	wg.Wait()
	p := must[cases.Prior](t)(db.Prior(ctx, []alert.Identity{identity(1)}, nil))
	if a := p.Alerts[identity(1)]; a.Version != workers*each || a.Last.Values["n"] != workers*each {
		t.Errorf("version %d, counted %v, want %d; %d conflicts", a.Version, a.Last.Values["n"], workers*each, conflicts.Load())
	}
}

// What machines send as text must never make a delivery impossible to store.
func testHostileText(t *testing.T, db *store.DB) {
	bad := "nul\x00 bad\xff\xfe utf8 \u202e ' \" ? $1 ; DROP TABLE cases; --"
	c, a := aCase("c1"), known(1, "c1")
	c.Title, c.Labels, c.GradeReason = bad, alert.Labels{bad: bad}, "reason \x00"
	a.Last.Labels = alert.Labels{bad: bad}
	act := anAction("a1", bad, "c1")
	d := alert.Delivery{ID: "d1", Cluster: bad, Sender: bad, Received: at(0), Message: alert.Message{Receiver: bad, GroupKey: bad}}
	ok(t, db.Commit(ctx, cases.Change{
		Delivery: &d, Cases: []cases.Case{c}, Alerts: []cases.Alert{a}, Actions: []cases.Action{act},
		Events:       []cases.Event{{CaseID: "c1", At: at(0), Kind: cases.Noted, Actor: bad, Note: bad}},
		Observations: []cases.Observation{{DeliveryID: "d1", Identity: identity(1), Note: bad, Decision: "accepted", Reason: "fired"}},
	}))
	got := claim(t, db, "h", "nul\ufffd bad\ufffd utf8 \u202e ' \" ? $1 ; DROP TABLE cases; --", at(1), 1)
	if len(got) != 1 {
		t.Fatalf("claimed %d", len(got))
	}
	ok(t, db.Finish(ctx, cases.Result{Action: got[0], State: cases.Dead, Outcome: cases.OutcomeRejected, At: at(2), Error: bad, Receipt: cases.Receipt{Reply: bad}}))
	s := must[cases.Story](t)(db.Story(ctx, "c1"))
	if s.Case.Title != "nul\ufffd bad\ufffd utf8 \u202e ' \" ? $1 ; DROP TABLE cases; --" {
		t.Errorf("title %q", s.Case.Title)
	}
	for _, q := range []string{bad, "%", "_", `\`, "100%"} {
		if _, err := db.Cases(ctx, cases.Query{Text: q}); err != nil {
			t.Errorf("searching %q: %v", q, err)
		}
	}
}

func testTwentyThousand(t *testing.T, db *store.DB) {
	var ch cases.Change
	var all []alert.Identity
	var keys []string
	for i := range 20000 {
		id := fmt.Sprintf("c%05d", i)
		ch.Alerts = append(ch.Alerts, known(i, id))
		ch.Cases = append(ch.Cases, aCase(id))
		ch.Actions = append(ch.Actions, anAction("a"+id, "log", id))
		ch.Events = append(ch.Events, cases.Event{CaseID: id, At: at(0), Kind: cases.Opened})
		ch.Observations = append(ch.Observations, cases.Observation{DeliveryID: "d1", N: i, Identity: identity(i)})
		all, keys = append(all, identity(i)), append(keys, "key-"+id)
	}
	ok(t, db.Commit(ctx, ch))
	p := must[cases.Prior](t)(db.Prior(ctx, all, keys))
	if len(p.Alerts) != 20000 || len(p.Cases) != 20000 || len(p.ByKey) != 20000 {
		t.Errorf("Prior: %d alerts, %d cases, %d keys", len(p.Alerts), len(p.Cases), len(p.ByKey))
	}
}

func testRepeatedKey(t *testing.T, db *store.DB) {
	one, two := anAction("a1", "log", "c1"), anAction("a2", "log", "c1")
	two.Key = one.Key
	ok(t, db.Commit(ctx, cases.Change{Actions: []cases.Action{one}}))
	ok(t, db.Commit(ctx, cases.Change{Actions: []cases.Action{two, anAction("a3", "slack", "c1")}}))
	if got := must[cases.Counts](t)(db.Counts(ctx)).Actions[cases.Due]; got != 2 {
		t.Errorf("%d actions, want 2", got)
	}
}

func testCancelledContext(t *testing.T, db *store.DB) {
	gone, cancel := context.WithCancel(ctx)
	cancel()
	if err := db.Commit(gone, change(t)); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
	ok(t, db.Commit(ctx, cases.Change{Cases: []cases.Case{aCase("c2")}}))
}

// One change that cannot be written does not harm those that share its commit.
func testFailureInBatch(t *testing.T, db *store.DB) {
	ok(t, db.Commit(ctx, cases.Change{Cases: []cases.Case{aCase("c0")}}))
	var wg sync.WaitGroup
	for i := range 40 {
		wg.Go(func() {
			ch := cases.Change{Cases: []cases.Case{aCase(fmt.Sprintf("c%d", i+1))}}
			if i%4 == 0 {
				ch.Cases = append(ch.Cases, aCase("c0")) // exists: a conflict
			}
			err := db.Commit(ctx, ch)
			if bad := i%4 == 0; bad != errors.Is(err, cases.ErrConflict) || (!bad && err != nil) {
				t.Errorf("change %d: %v", i, err)
			}
		})
	}
	wg.Wait()
	if got := must[[]cases.Case](t)(db.Cases(ctx, cases.Query{Limit: 1000})); len(got) != 31 {
		t.Errorf("%d cases, want 31", len(got))
	}
}

package storetest

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/foreshock/foreshock/webhook/cases"
	"github.com/foreshock/foreshock/webhook/store"
)

func testClaimOrder(t *testing.T, db *store.DB) {
	early, late, future, other := anAction("a3", "slack", "c1"), anAction("a1", "slack", "c1"), anAction("a2", "slack", "c2"), anAction("a4", "log", "c1")
	early.Planned, early.Due = at(1), at(1)
	late.Planned, late.Due = at(2), at(2)
	future.Planned, future.Due = at(100), at(100)
	third := anAction("a5", "slack", "c3")
	third.Planned, third.Due = at(3), at(3)
	ok(t, db.Commit(ctx, cases.Change{Actions: []cases.Action{early, late, future, other, third}}))
	if got := must[[]string](t)(db.DueChannels(ctx, at(10))); !cmp.Equal(got, []string{"log", "slack"}) {
		t.Errorf("DueChannels = %v", got)
	}
	if got := must[[]string](t)(db.DueChannels(ctx, at(0).Add(-1))); len(got) != 0 {
		t.Errorf("DueChannels before anything = %v", got)
	}
	if got := must[time.Time](t)(db.NextDue(ctx, at(3))); !got.Equal(at(100)) {
		t.Errorf("NextDue = %v, want %v", got, at(100))
	}
	if got := must[time.Time](t)(db.NextDue(ctx, at(100))); !got.IsZero() {
		t.Errorf("NextDue = %v, want none", got)
	}
	got := claim(t, db, "h", "slack", at(10), 10)
	if names(got) != "a3 a5 " {
		t.Fatalf("claimed %s, want a3 a5: by plan, one per lane, none of the future", names(got))
	}
	a := got[0]
	if a.State != cases.Running || a.Attempts != 1 || a.Holder != "h" || !a.LeaseUntil.Equal(at(30)) || a.Interrupted {
		t.Errorf("claimed %+v", a)
	}
	if got := claim(t, db, "h2", "slack", at(10), 10); len(got) != 0 {
		t.Errorf("claimed %s twice, or out of its lane's order", names(got))
	}
	// A retry holds back those behind it in its lane.
	ok(t, db.Finish(ctx, cases.Result{Action: a, State: cases.Retry, Due: at(50), At: at(11), Error: "down"}))
	if got := claim(t, db, "h", "slack", at(49), 10); len(got) != 0 {
		t.Errorf("claimed %s past a retry of its lane", names(got))
	}
	again := claim(t, db, "h", "slack", at(50), 10)
	if names(again) != "a3 " || again[0].Attempts != 2 {
		t.Fatalf("claimed %s", names(again))
	}
	ok(t, db.Finish(ctx, cases.Result{Action: again[0], State: cases.Done, Outcome: cases.OutcomeSent, At: at(51)}))
	if got := claim(t, db, "h", "slack", at(52), 10); names(got) != "a1 " {
		t.Errorf("claimed %s, want a1", names(got))
	}
}

// However many claim at once, each action is handed out once.
func testClaimOnce(t *testing.T, db *store.DB) {
	var ch cases.Change
	const n = 200
	for i := range n {
		ch.Actions = append(ch.Actions, anAction(fmt.Sprintf("a%03d", i), "log", fmt.Sprintf("c%d", i/2))) // two per lane
	}
	ok(t, db.Commit(ctx, ch))
	var mu sync.Mutex
	seen, running := map[string]int{}, map[string]int{}
	var wg sync.WaitGroup
	for w := range 6 {
		wg.Go(func() {
			for idle := 0; idle < 200; {
				got := claim(t, db, fmt.Sprint("h", w), "log", at(1), 3)
				if len(got) == 0 {
					idle++
					mu.Lock()
					all := len(seen) == n
					mu.Unlock()
					if all {
						return
					}
					continue
				}
				mu.Lock()
				for _, a := range got {
					seen[a.ID]++
					if running[a.Lane]++; running[a.Lane] > 1 {
						t.Errorf("two of lane %s at once", a.Lane)
					}
				}
				mu.Unlock()
				for _, a := range got {
					mu.Lock()
					running[a.Lane]--
					mu.Unlock()
					if err := db.Finish(ctx, cases.Result{Action: a, State: cases.Done, Outcome: cases.OutcomeSent, At: at(2)}); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	wg.Wait()
	if len(seen) != n {
		t.Errorf("%d of %d were claimed", len(seen), n)
	}
	for id, k := range seen {
		if k != 1 {
			t.Errorf("%s was claimed %d times", id, k)
		}
	}
}

func testLongQueue(t *testing.T, db *store.DB) {
	var ch cases.Change
	for i := range 5000 {
		a := anAction(fmt.Sprintf("a%05d", i), "log", fmt.Sprintf("c%d", i))
		a.Planned, a.Due = at(i), at(i)
		ch.Actions = append(ch.Actions, a)
	}
	ok(t, db.Commit(ctx, ch))
	for i := range 5 {
		if got := claim(t, db, "h", "log", at(10000), 1); names(got) != fmt.Sprintf("a%05d ", i) {
			t.Fatalf("claimed %s at %d", names(got), i)
		}
	}
}

func testFinish(t *testing.T, db *store.DB) {
	ok(t, db.Commit(ctx, cases.Change{Cases: []cases.Case{aCase("c1")}, Actions: []cases.Action{anAction("a1", "log", "c1")}}))
	receipt := cases.Receipt{ID: "ts1", Status: 200, Reply: "ok", Data: map[string]string{"thread": "1"}}
	a := claim(t, db, "h", "log", at(1), 1)[0]
	ok(t, db.Finish(ctx, cases.Result{Action: a, State: cases.Retry, Due: at(5), At: at(2), Error: "no route", Receipt: cases.Receipt{Status: 503}}))
	a = claim(t, db, "h", "log", at(5), 1)[0]
	done := cases.Result{
		Action: a, State: cases.Done, Outcome: cases.OutcomeSent, At: at(6), Receipt: receipt,
		Events: []cases.Event{{CaseID: "c1", At: at(6), Kind: cases.Sent, Channel: "log", ActionID: "a1"}},
	}
	ok(t, db.Finish(ctx, done))
	if err := db.Finish(ctx, done); !errors.Is(err, cases.ErrLost) {
		t.Errorf("finishing twice: %v, want ErrLost", err)
	}
	s := must[cases.Story](t)(db.Story(ctx, "c1"))
	got := s.Actions[0]
	if got.State != cases.Done || got.Outcome != cases.OutcomeSent || got.Attempts != 2 || got.Holder != "" || !got.LeaseUntil.IsZero() || !got.UpdatedAt.Equal(at(6)) {
		t.Errorf("action %+v", got)
	}
	if d := cmp.Diff(receipt, got.Receipt); d != "" {
		t.Error(d)
	}
	want := []cases.Attempt{
		{ActionID: "a1", N: 1, CaseID: "c1", Channel: "log", Began: at(1), Ended: at(2), Result: "failed", Error: "no route", Receipt: cases.Receipt{Status: 503}},
		{ActionID: "a1", N: 2, CaseID: "c1", Channel: "log", Began: at(5), Ended: at(6), Result: "sent", Receipt: receipt},
	}
	if d := cmp.Diff(want, s.Attempts); d != "" {
		t.Errorf("ledger (-want +got):\n%s", d)
	}
	if len(s.Events) != 1 || s.Events[0].Kind != cases.Sent {
		t.Errorf("events %+v", s.Events)
	}
}

// What follows from an action is written with it or not at all.
func testFinishChange(t *testing.T, db *store.DB) {
	ok(t, db.Commit(ctx, cases.Change{Cases: []cases.Case{aCase("c1")}, Actions: []cases.Action{anAction("a1", "internal", "c1")}}))
	a := claim(t, db, "h", "internal", at(1), 1)[0]
	c := aCase("c1")
	c.State = cases.Closed
	r := cases.Result{Action: a, State: cases.Done, Outcome: cases.OutcomeSent, At: at(2), Change: cases.Change{Cases: []cases.Case{c}}}
	if err := db.Finish(ctx, r); !errors.Is(err, cases.ErrConflict) {
		t.Fatalf("stale change: %v, want ErrConflict", err)
	}
	if s := must[cases.Story](t)(db.Story(ctx, "c1")); s.Actions[0].State != cases.Running || len(s.Attempts) != 0 {
		t.Errorf("the action was recorded without its change: %+v", s)
	}
	r.Change.Cases[0].Version = 1
	ok(t, db.Finish(ctx, r))
	if s := must[cases.Story](t)(db.Story(ctx, "c1")); s.Actions[0].State != cases.Done || s.Case.State != cases.Closed {
		t.Errorf("not recorded: %+v", s)
	}
}

func testLeases(t *testing.T, db *store.DB) {
	ok(t, db.Commit(ctx, cases.Change{Cases: []cases.Case{aCase("c1")}, Actions: []cases.Action{anAction("a1", "log", "c1"), anAction("a2", "slack", "c1")}}))
	one, two := claim(t, db, "h1", "log", at(0), 1)[0], claim(t, db, "h2", "slack", at(0), 1)[0]
	if got := must[[]string](t)(db.Extend(ctx, "h1", []string{"a1", "a2", "a9"}, at(60))); !slices.Equal(got, []string{"a1"}) {
		t.Errorf("Extend holds %v", got)
	}
	if got := must[[]string](t)(db.Extend(ctx, "h2", nil, at(60))); len(got) != 0 {
		t.Errorf("Extend holds %v, which was not named", got)
	}
	if got := must[[]cases.Action](t)(db.Reap(ctx, at(19))); len(got) != 0 {
		t.Errorf("reaped %s too early", names(got))
	}
	if got := must[[]cases.Action](t)(db.Reap(ctx, at(20))); names(got) != "a2 " {
		t.Errorf("reaped %s, want a2", names(got))
	}
	if err := db.Finish(ctx, cases.Result{Action: two, State: cases.Done, At: at(21)}); !errors.Is(err, cases.ErrLost) {
		t.Errorf("finishing after the lease: %v, want ErrLost", err)
	}
	again := claim(t, db, "h1", "slack", at(21), 1)
	if len(again) != 1 || !again[0].Interrupted || again[0].Attempts != 2 || again[0].Key != two.Key {
		t.Fatalf("claimed %+v", again)
	}
	ok(t, db.Finish(ctx, cases.Result{Action: again[0], State: cases.Done, Outcome: cases.OutcomeSent, At: at(22)}))
	ok(t, db.Finish(ctx, cases.Result{Action: one, State: cases.Done, Outcome: cases.OutcomeSent, At: at(22)}))
	s := must[cases.Story](t)(db.Story(ctx, "c1"))
	var ledger []string
	for _, l := range s.Attempts {
		ledger = append(ledger, fmt.Sprint(l.ActionID, " ", l.N, " ", l.Result, " ", l.Ended.IsZero()))
	}
	if d := cmp.Diff([]string{"a1 1 sent false", "a2 1 unknown true", "a2 2 sent false"}, ledger); d != "" {
		t.Errorf("ledger (-want +got):\n%s", d)
	}
	if len(s.Events) != 1 || s.Events[0].Kind != cases.SendUnknown {
		t.Errorf("events %+v", s.Events)
	}
	if got := must[[]string](t)(db.Extend(ctx, "h1", []string{"a1", "a2"}, at(60))); len(got) != 0 {
		t.Errorf("Extend holds %v", got)
	}
}

// An attempt that may have arrived is remembered by all attempts after it.
func testUnknownAttempt(t *testing.T, db *store.DB) {
	ok(t, db.Commit(ctx, cases.Change{Cases: []cases.Case{aCase("c1")}, Actions: []cases.Action{anAction("a1", "log", "c1")}}))
	for i, unknown := range []bool{false, true, false, false} {
		a := claim(t, db, "h", "log", at(i), 1)[0]
		if a.Interrupted != (i > 1) {
			t.Errorf("attempt %d: interrupted %v", a.Attempts, a.Interrupted)
		}
		ok(t, db.Finish(ctx, cases.Result{Action: a, State: cases.Retry, Due: at(i + 1), At: at(i), Error: "x", Unknown: unknown}))
	}
	var ledger []string
	for _, l := range must[cases.Story](t)(db.Story(ctx, "c1")).Attempts {
		ledger = append(ledger, l.Result)
	}
	if d := cmp.Diff([]string{"failed", "unknown", "failed", "failed"}, ledger); d != "" {
		t.Errorf("ledger (-want +got):\n%s", d)
	}
}

func testCancel(t *testing.T, db *store.DB) {
	run, wait, kind, other := anAction("a1", "log", "c1"), anAction("a2", "slack", "c1"), anAction("a3", "internal", "c1"), anAction("a4", "log", "c2")
	kind.Kind = cases.AutoClose
	ok(t, db.Commit(ctx, cases.Change{Cases: []cases.Case{aCase("c1")}, Actions: []cases.Action{run, wait, kind, other}}))
	a := claim(t, db, "h", "log", at(0), 1)[0]
	ok(t, db.Commit(ctx, cases.Change{
		Cancel:  []cases.CancelActions{{CaseID: "c1", Kinds: []cases.Kind{cases.Notify}, At: at(1), Reason: "acknowledged"}},
		Actions: []cases.Action{anAction("a5", "slack", "c1")},
	}))
	state := map[string]string{}
	s := must[cases.Story](t)(db.Story(ctx, "c1"))
	for _, a := range s.Actions {
		state[a.ID] = string(a.State) + " " + string(a.Outcome)
	}
	want := map[string]string{"a1": "running ", "a2": "done cancelled", "a3": "due ", "a5": "due "}
	if d := cmp.Diff(want, state); d != "" {
		t.Errorf("after cancel (-want +got):\n%s", d)
	}
	if len(s.Events) != 1 || s.Events[0].Kind != cases.Cancelled || s.Events[0].ActionID != "a2" || s.Events[0].Note != "acknowledged" {
		t.Errorf("events %+v", s.Events)
	}
	ok(t, db.Finish(ctx, cases.Result{Action: a, State: cases.Done, Outcome: cases.OutcomeSent, At: at(2)}))
	if got := claim(t, db, "h", "log", at(3), 5); names(got) != "a4 " {
		t.Errorf("claimed %s", names(got))
	}
}

func testPreviousReceipt(t *testing.T, db *store.DB) {
	one, two, other := anAction("a1", "slack", "c1"), anAction("a2", "slack", "c1"), anAction("a3", "slack", "c2")
	two.Planned = at(1)
	other.Planned = at(2)
	ok(t, db.Commit(ctx, cases.Change{Actions: []cases.Action{one, two, other}}))
	a := claim(t, db, "h", "slack", at(5), 1)[0]
	if !a.Previous.IsZero() {
		t.Errorf("the first has %+v before it", a.Previous)
	}
	receipt := cases.Receipt{ID: "1", Data: map[string]string{"ts": "7"}}
	ok(t, db.Finish(ctx, cases.Result{Action: a, State: cases.Done, Outcome: cases.OutcomeSent, At: at(6), Receipt: receipt}))
	got := claim(t, db, "h", "slack", at(7), 5)
	if names(got) != "a2 a3 " {
		t.Fatalf("claimed %s", names(got))
	}
	if d := cmp.Diff(receipt, got[0].Previous); d != "" || !got[1].Previous.IsZero() {
		t.Errorf("previous: %s, and of another case: %+v", d, got[1].Previous)
	}
}

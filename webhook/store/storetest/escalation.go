package storetest

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/foreshock/foreshock/webhook/cases"
	"github.com/foreshock/foreshock/webhook/policy"
	"github.com/foreshock/foreshock/webhook/store"
)

// What is to happen only while a case is not acknowledged is handed out before
// that, and called off after it, whoever forgot to cancel it.
func testConditions(t *testing.T, db *store.DB) {
	var ch cases.Change
	for i, w := range []cases.Condition{cases.Always, cases.WhileUnacknowledged, cases.WhileOpen} {
		a := anAction([]string{"a1", "a2", "a3"}[i], []string{"log", "slack", "pager"}[i], "c1")
		a.While = w
		ch.Actions = append(ch.Actions, a)
		b := a
		b.ID, b.Key, b.Due, b.Planned = a.ID+"x", a.Key+"x", at(50), at(50)
		ch.Actions = append(ch.Actions, b)
	}
	ch.Cases = []cases.Case{aCase("c1")}
	ok(t, db.Commit(ctx, ch))
	for _, channel := range []string{"log", "slack", "pager"} {
		got := claim(t, db, "h", channel, at(1), 5)
		if len(got) != 1 {
			t.Fatalf("%s: claimed %s of a new case", channel, names(got))
		}
		ok(t, db.Finish(ctx, cases.Result{Action: got[0], State: cases.Retry, Due: at(10), At: at(2), Error: "down"}))
	}
	c := aCase("c1")
	c.State, c.Version = cases.Triage, 1
	ok(t, db.Commit(ctx, cases.Change{Cases: []cases.Case{c}}))
	want := map[string]string{"log": "a1 ", "slack": "", "pager": "a3 "}
	for _, channel := range []string{"log", "slack", "pager"} {
		got := claim(t, db, "h", channel, at(10), 5)
		if names(got) != want[channel] {
			t.Errorf("%s: claimed %q of an acknowledged case, want %q", channel, names(got), want[channel])
		}
		for _, a := range got {
			ok(t, db.Finish(ctx, cases.Result{Action: a, State: cases.Done, Outcome: cases.OutcomeSent, At: at(11)}))
		}
	}
	// Reopened: what belongs to the epoch before is not wanted either.
	c.State, c.Epoch, c.Version = cases.New, 2, 2
	ok(t, db.Commit(ctx, cases.Change{Cases: []cases.Case{c}}))
	for _, channel := range []string{"slack", "pager"} {
		if got := claim(t, db, "h", channel, at(60), 5); len(got) != 0 {
			t.Errorf("%s: claimed %s of an epoch that is over", channel, names(got))
		}
	}
	s := must[cases.Story](t)(db.Story(ctx, "c1"))
	called := 0
	for _, a := range s.Actions {
		if a.Outcome == cases.OutcomeCancelled {
			called++
		}
	}
	events := 0
	for _, e := range s.Events {
		if e.Kind == cases.Cancelled {
			events++
		}
	}
	if called != 3 || events != 3 {
		t.Errorf("%d called off with %d events, want 3: %+v", called, events, s.Actions)
	}
}

// Cancelling by condition leaves others alone.
func testCancelConditions(t *testing.T, db *store.DB) {
	one, two, three := anAction("a1", "log", "c1"), anAction("a2", "slack", "c1"), anAction("a3", "pager", "c1")
	one.While, two.While, two.Kind = cases.WhileUnacknowledged, cases.WhileOpen, cases.CheckSLA
	ok(t, db.Commit(ctx, cases.Change{Cases: []cases.Case{aCase("c1")}, Actions: []cases.Action{one, two, three}}))
	ok(t, db.Commit(ctx, cases.Change{Cancel: []cases.CancelActions{{CaseID: "c1", While: []cases.Condition{cases.WhileUnacknowledged}, At: at(1), Reason: "x"}}}))
	if c := must[cases.Counts](t)(db.Counts(ctx)); c.Actions[cases.Done] != 1 || c.Actions[cases.Due] != 2 {
		t.Errorf("counts %+v", c.Actions)
	}
}

func testOverrides(t *testing.T, db *store.DB) {
	o := cases.Override{ID: "o1", Schedule: "ops", Person: "ann", From: at(10), Until: at(100), By: "bob", Note: "swap", Given: at(1)}
	other := cases.Override{ID: "o2", Schedule: "ops", Person: "cem", From: at(0), Until: at(5), By: "bob", Given: at(2)}
	line := cases.Event{At: at(1), Kind: cases.Overridden, Actor: "bob", Origin: "10.0.0.1", Via: cases.ViaAPI, To: "ann", Note: "swap"}
	ok(t, db.Override(ctx, o, line))
	ok(t, db.Override(ctx, other, line))
	if d := cmp.Diff([]cases.Override{o}, must[[]cases.Override](t)(db.Overrides(ctx, at(5)))); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	ok(t, db.EndOverride(ctx, "o1", at(20), cases.Event{At: at(20), Kind: cases.Overridden, Actor: "ann", Via: cases.ViaPage}))
	for _, id := range []string{"o1", "none"} {
		if err := db.EndOverride(ctx, id, at(21), cases.Event{Kind: cases.Overridden}); !errors.Is(err, cases.ErrNotFound) {
			t.Errorf("ending %s: %v", id, err)
		}
	}
	if got := must[[]cases.Override](t)(db.Overrides(ctx, at(19))); len(got) != 1 || !got[0].Until.Equal(at(20)) {
		t.Errorf("after its end: %+v", got)
	}
	got := must[[]cases.Event](t)(db.Audit(ctx, cases.AuditQuery{}))
	if len(got) != 3 || got[0].Actor != "ann" || got[2].Via != cases.ViaAPI || got[2].Origin != "10.0.0.1" {
		t.Errorf("audit %+v", got)
	}
}

func testAudit(t *testing.T, db *store.DB) {
	var ch cases.Change
	for i, k := range []cases.EventKind{cases.Opened, cases.StateChanged, cases.Sent, cases.Assigned, cases.Noted, cases.Graded} {
		ch.Events = append(ch.Events, cases.Event{CaseID: []string{"c1", "c2"}[i%2], At: at(i), Kind: k, Actor: []string{"system", "ann"}[i%2]})
	}
	ch.Events[4].Via = cases.ViaSlack // only what a person writes is a change
	ch.Events = append(ch.Events, cases.Event{CaseID: "c1", At: at(9), Kind: cases.Noted, Actor: cases.System})
	ok(t, db.Commit(ctx, ch))
	kinds := func(q cases.AuditQuery) string {
		out := ""
		for _, e := range must[[]cases.Event](t)(db.Audit(ctx, q)) {
			out += string(e.Kind) + " "
		}
		return out
	}
	all := must[[]cases.Event](t)(db.Audit(ctx, cases.AuditQuery{}))
	for _, tc := range []struct {
		q    cases.AuditQuery
		want string
	}{
		{cases.AuditQuery{}, "graded note assigned state "},
		{cases.AuditQuery{Actor: "ann"}, "graded assigned state "},
		{cases.AuditQuery{CaseID: "c1"}, "note "},
		{cases.AuditQuery{Since: at(3), Until: at(5)}, "note assigned "},
		{cases.AuditQuery{Limit: 2}, "graded note "},
		{cases.AuditQuery{Limit: 2, Before: all[1].ID}, "assigned state "},
	} {
		if got := kinds(tc.q); got != tc.want {
			t.Errorf("%+v: %s, want %s", tc.q, got, tc.want)
		}
	}
}

func testHeartbeats(t *testing.T, db *store.DB) {
	beat := func(seconds int) cases.Change {
		return cases.Change{Beats: []cases.Heartbeat{{Watchdog: "w", Cluster: "prod", LastBeat: at(seconds), LastSeen: at(seconds)}}}
	}
	ok(t, db.Commit(ctx, beat(10)))
	ok(t, db.Commit(ctx, beat(5))) // late
	ok(t, db.Commit(ctx, cases.Change{Beats: []cases.Heartbeat{{Watchdog: "w", Cluster: "prod", LastSeen: at(12)}}}))
	h := cases.Heartbeat{Watchdog: "w", Cluster: "prod", LastBeat: at(10), LastSeen: at(12)}
	if d := cmp.Diff([]cases.Heartbeat{h}, must[[]cases.Heartbeat](t)(db.Heartbeats(ctx))); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	h.Silent = at(70)
	ok(t, db.Silent(ctx, h))
	ok(t, db.Commit(ctx, beat(80)))
	if got := must[[]cases.Heartbeat](t)(db.Heartbeats(ctx)); len(got) != 1 || !got[0].Silent.Equal(at(70)) || !got[0].LastBeat.Equal(at(80)) {
		t.Errorf("got %+v", got)
	}
}

// A jump of the clock moves what waits, once, whoever notes it, and nothing that
// is over.
func testShift(t *testing.T, db *store.DB) {
	c, over, closed := aCase("c1"), aCase("c2"), aCase("c3")
	c.Ladder = cases.Ladder{Run: 3, Rung: policy.Rung{Step: 1}, Next: at(60), Told: []string{"pager"}}
	c.SLA = cases.Deadline{Since: at(0), Due: at(3600)}
	over.State, closed.State = cases.Resolved, cases.Closed
	waits, runs := anAction("a1", "log", "c1"), anAction("a2", "slack", "c1")
	waits.Due = at(60)
	ok(t, db.Commit(ctx, cases.Change{Cases: []cases.Case{c, over, closed}, Actions: []cases.Action{waits, runs}}))
	spent := policy.Bucket{Name: "robot", Spent: []policy.Spend{{At: at(1)}}}
	must[[]cases.Action](t)(db.Claim(ctx, cases.ClaimRequest{Holder: "h", Channel: "slack", Now: at(1), Lease: time.Minute, Limit: 1, Bucket: &spent}))
	ok(t, db.Block(ctx, "robot", at(600)))
	ref, shifts, err := db.Clock(ctx)
	if err != nil || shifts != 0 || (!ref.IsZero() && time.Since(ref).Abs() > time.Minute) {
		t.Errorf("Clock = %s, %d, %v", ref, shifts, err)
	}
	for i, want := range []struct{ moved, now int64 }{{1, 1}, {0, 1}} { // the second one is told that somebody else did it
		moved, now, err := db.Shift(ctx, time.Hour, 0)
		if err != nil || moved != want.moved || now != want.now {
			t.Errorf("shift %d: %d, %d, %v, want %+v", i, moved, now, err, want)
		}
	}
	s := must[cases.Story](t)(db.Story(ctx, "c1"))
	if !s.Actions[0].Due.Equal(at(3660)) || !s.Actions[0].Planned.Equal(at(0)) || !s.Actions[1].Due.Equal(at(0)) {
		t.Errorf("actions %+v", s.Actions)
	}
	if got := s.Case; !got.Ladder.Next.Equal(at(3660)) || got.Ladder.Run != 3 || !got.SLA.Since.Equal(at(3600)) || !got.SLA.Due.Equal(at(7200)) ||
		!got.AckExpiry.Equal(at(3700)) || got.Version != 2 || !got.OpenedAt.Equal(at(0)) || !got.NextReview.Equal(at(3630)) || !got.HeldUntil.Equal(at(3630)) {
		t.Errorf("case %+v", got)
	}
	// The end of a case may be held back until a review.
	if got := must[cases.Case](t)(db.Case(ctx, "c2")); !got.NextReview.Equal(at(3630)) || !got.AckExpiry.Equal(at(100)) || !got.SLA.Due.Equal(over.SLA.Due) {
		t.Errorf("of a case that is over the review alone moves: %+v", got)
	}
	if got := must[cases.Case](t)(db.Case(ctx, "c3")); got.Version != 1 || !got.NextReview.Equal(at(30)) {
		t.Errorf("a closed case moved: %+v", got)
	}
	if got := must[policy.Bucket](t)(db.Bucket(ctx, "robot")); !got.Blocked.Equal(at(4200)) || len(got.Spent) != 1 || !got.Spent[0].At.Equal(at(3601)) {
		t.Errorf("bucket %+v", got)
	}
}

// What belongs to no case goes with the cases of its time.
func testTrimService(t *testing.T, db *store.DB) {
	for i, end := range []int{10, 100} {
		o := cases.Override{ID: []string{"o1", "o2"}[i], Schedule: "ops", Person: "ann", From: at(0), Until: at(end), Given: at(0)}
		ok(t, db.Override(ctx, o, cases.Event{At: at(end), Kind: cases.Overridden, Via: cases.ViaAPI}))
	}
	must[int64](t)(db.Trim(ctx, store.Retention{Cases: at(50)}))
	if got := must[[]cases.Override](t)(db.Overrides(ctx, at(0))); len(got) != 1 || got[0].ID != "o2" {
		t.Errorf("overrides %+v", got)
	}
	if got := must[[]cases.Event](t)(db.Audit(ctx, cases.AuditQuery{})); len(got) != 1 || !got[0].At.Equal(at(100)) {
		t.Errorf("audit %+v", got)
	}
}

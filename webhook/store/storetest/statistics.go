package storetest

import (
	"bytes"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/foreshock/foreshock/webhook/cases"
	"github.com/foreshock/foreshock/webhook/policy"
	"github.com/foreshock/foreshock/webhook/store"
)

func testStatistics(t *testing.T, db *store.DB) {
	seen := func(seconds, n int, decision, reason string) cases.Observation {
		return cases.Observation{DeliveryID: "d", N: n, Identity: identity(n), At: at(seconds), Decision: decision, Reason: reason}
	}
	first, second := aCase("c1"), aCase("c2")
	first.OpenedAt, first.AckedAt, first.ResolvedAt = at(0), at(60), at(600)
	second.OpenedAt, second.AckedAt, second.Grade = at(100), time.Time{}, policy.P3
	sent, closing := anAction("a1", "log", "c1"), anAction("a2", cases.InternalChannel, "c1")
	ok(t, db.Commit(ctx, cases.Change{
		Cases: []cases.Case{first, second}, Actions: []cases.Action{sent, closing},
		Observations: []cases.Observation{seen(0, 0, "accepted", "fired"), seen(1, 1, "accepted", "fired"), seen(2, 2, "dropped", "repeat"), seen(400, 3, "accepted", "fired")},
	}))
	ok(t, db.Commit(ctx, cases.Change{Observations: []cases.Observation{seen(3, 4, "accepted", "fired"), seen(-400, 5, "dropped", "late")}}))
	for _, a := range append(claim(t, db, "h", "log", at(5), 1), claim(t, db, "h", cases.InternalChannel, at(5), 1)...) {
		ok(t, db.Finish(ctx, cases.Result{Action: a, State: cases.Done, Outcome: cases.OutcomeSent, At: at(7)}))
	}
	slot := epoch.Truncate(cases.SlotLength)
	want := cases.Statistics{
		Tallies: []cases.Tally{
			{Slot: slot, Decision: "accepted", Reason: "fired", N: 3},
			{Slot: slot, Decision: "dropped", Reason: "repeat", N: 1},
			{Slot: slot.Add(cases.SlotLength), Decision: "accepted", Reason: "fired", N: 1},
		},
		Courses: []cases.Course{{Grade: policy.P1, Opened: at(0), Acked: at(60), Resolved: at(600)}, {Grade: policy.P3, Opened: at(100)}},
		Sends:   []cases.Send{{Channel: "log", Began: at(5), Ended: at(7), Result: "sent"}},
	}
	got := must[cases.Statistics](t)(db.Statistics(ctx, slot, slot.Add(time.Hour)))
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("Statistics (-want +got):\n%s", d)
	}
	if got := must[cases.Statistics](t)(db.Statistics(ctx, at(-86400), at(-3600))); len(got.Tallies)+len(got.Courses)+len(got.Sends) != 0 {
		t.Errorf("another time: %+v", got)
	}
	must[int64](t)(db.Trim(ctx, store.Retention{Cases: at(0)}))
	if got := must[cases.Statistics](t)(db.Statistics(ctx, at(-86400), at(86400))); len(got.Tallies) != 1 {
		t.Errorf("after Trim: %+v", got.Tallies)
	}
}

func testMessages(t *testing.T, db *store.DB) {
	a, b, c, other := anAction("a1", "slack", "c1"), anAction("a2", "log", "c1"), anAction("a3", "slack", "c1"), anAction("a4", "log", "c2")
	c.Planned, c.State, c.Outcome, c.UpdatedAt = at(9), cases.Done, cases.OutcomeSent, at(9)
	closing := anAction("a5", cases.InternalChannel, "c1")
	closing.Kind = cases.AutoClose
	ok(t, db.Commit(ctx, cases.Change{Cases: []cases.Case{aCase("c1"), aCase("c2"), aCase("c3")}, Actions: []cases.Action{a, b, c, other, closing}}))
	got := must[map[string][]cases.Action](t)(db.Messages(ctx, []string{"c1", "c3"}))
	if len(got) != 1 || names(got["c1"]) != "a3 a2 " || got["c1"][0].Outcome != cases.OutcomeSent || !got["c1"][0].UpdatedAt.Equal(at(9)) {
		t.Errorf("messages: %+v", got)
	}
}

func testUrgency(t *testing.T, db *store.DB) {
	a, b, c, d := aCase("c1"), aCase("c2"), aCase("c3"), aCase("c4")
	b.Grade, c.Grade, d.State = policy.P0, policy.P0, cases.Resolved
	ok(t, db.Commit(ctx, cases.Change{Cases: []cases.Case{a, b, c, d}}))
	q := cases.Query{Order: cases.ByUrgency, States: cases.OpenStates(), Limit: 1}
	var order string
	for range 5 {
		page := must[[]cases.Case](t)(db.Cases(ctx, q))
		if order += ids(page); len(page) == 0 {
			break
		}
		q.Before = q.Order.Place(page[0])
	}
	if order != "c3 c2 c1 " {
		t.Errorf("by urgency, one a page: %s", order)
	}
	q = cases.Query{Order: cases.ByUrgency}
	if got := ids(must[[]cases.Case](t)(db.Cases(ctx, q))); got != "c3 c2 c4 c1 " {
		t.Errorf("all by urgency: %s", got)
	}
}

func testSimilar(t *testing.T, db *store.DB) {
	a, b, c, d := aCase("c1"), aCase("c2"), aCase("c3"), aCase("c4")
	a.State, b.Title = cases.Closed, "something else"
	d.Key, d.Title = a.Key, "renamed"
	c.Title = a.Title
	ok(t, db.Commit(ctx, cases.Change{Cases: []cases.Case{a, b, c, d}}))
	if got := ids(must[[]cases.Case](t)(db.Similar(ctx, a, 5))); got != "c4 c3 " {
		t.Errorf("similar: %s", got)
	}
	if got := ids(must[[]cases.Case](t)(db.Similar(ctx, a, 1))); got != "c4 " {
		t.Errorf("the newest similar one: %s", got)
	}
}

func testKey(t *testing.T, db *store.DB) {
	one := must[[]byte](t)(db.Key(ctx, "session"))
	if again := must[[]byte](t)(db.Key(ctx, "session")); len(one) != 32 || !bytes.Equal(one, again) {
		t.Errorf("a key of %d bytes; the same again: %v", len(one), bytes.Equal(one, again))
	}
	if other := must[[]byte](t)(db.Key(ctx, "other")); bytes.Equal(one, other) {
		t.Error("two names share a key")
	}
}

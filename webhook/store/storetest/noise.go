package storetest

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/foreshock/foreshock/webhook/alert"
	"github.com/foreshock/foreshock/webhook/cases"
	"github.com/foreshock/foreshock/webhook/policy"
	"github.com/foreshock/foreshock/webhook/store"
)

// Links of one key are joined in any order, read by case and key, found by time,
// removed with their case and by age.
func testLinks(t *testing.T, db *store.DB) {
	link := func(key, caseID string, from, to int) cases.Link {
		return cases.Link{Kind: "host", Key: key, CaseID: caseID, From: at(from), To: at(to), N: 1, Detail: "d", Lead: "prod/1"}
	}
	ok(t, db.Commit(ctx, cases.Change{Links: []cases.Link{link("h2", "c1", 5, 5), link("h1", "c2", 0, 0), link("h2", "c1", 3, 3)}}))
	ok(t, db.Commit(ctx, cases.Change{Links: []cases.Link{link("h2", "c1", 1, 9)}}))
	want := []cases.Link{link("h2", "c1", 1, 9), link("h1", "c2", 0, 0)}
	want[0].N = 3
	got := must[[]cases.Link](t)(db.Links(ctx, cases.LinkQuery{Kind: "host", Keys: []string{"h1", "h2", "none"}}))
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("Links (-want +got):\n%s", d)
	}
	got = must[[]cases.Link](t)(db.Links(ctx, cases.LinkQuery{Kind: "host", Keys: []string{"h1", "h2"}, Since: at(9)}))
	if len(got) != 1 || got[0].Key != "h2" {
		t.Errorf("since: %+v", got)
	}
	if got = must[[]cases.Link](t)(db.Links(ctx, cases.LinkQuery{Kind: "service", Keys: []string{"h1"}})); len(got) != 0 {
		t.Errorf("of another kind: %+v", got)
	}
	ok(t, db.Commit(ctx, cases.Change{Unlink: []string{"c1"}, Links: []cases.Link{link("h3", "c1", 1, 1)}}))
	got = must[[]cases.Link](t)(db.Links(ctx, cases.LinkQuery{Kind: "host", Keys: []string{"h1", "h2", "h3"}}))
	if len(got) != 2 || got[0].Key != "h3" {
		t.Errorf("after the removal: %+v", got)
	}
	if n, err := db.Trim(ctx, store.Retention{Links: at(1)}); err != nil || n != 1 {
		t.Errorf("Trim: %d, %v", n, err)
	}
}

func testSplitsAndMutes(t *testing.T, db *store.DB) {
	s := cases.Split{Alert: "prod/1", Key: "prod/2", By: "ann", At: at(1)}
	ok(t, db.Commit(ctx, cases.Change{Splits: []cases.Split{s}}))
	ok(t, db.Commit(ctx, cases.Change{Splits: []cases.Split{s}})) // said twice
	if d := cmp.Diff([]cases.Split{s}, must[[]cases.Split](t)(db.Splits(ctx, []string{"prod/1", "prod/3", "prod/4"}))); d != "" {
		t.Errorf("Splits (-want +got):\n%s", d)
	}
	m := cases.MuteOrder{ID: "m1", CreatedBy: "ann", CreatedAt: at(0), Mute: policy.Mute{Name: "n", Owner: "ann", Grades: []policy.Grade{policy.P0}, Ends: at(100)}}
	ok(t, db.Commit(ctx, cases.Change{Mutes: []cases.MuteOrder{m}}))
	if got := must[[]cases.MuteOrder](t)(db.Mutes(ctx, at(99))); len(got) != 1 || got[0].Owner != "ann" || !got[0].Ends.Equal(at(100)) || got[0].Grades[0] != policy.P0 {
		t.Errorf("Mutes: %+v", got)
	}
	m.Ends, m.EndedBy = at(50), "bob"
	ok(t, db.Commit(ctx, cases.Change{Mutes: []cases.MuteOrder{m}}))
	if got := must[[]cases.MuteOrder](t)(db.Mutes(ctx, at(50))); len(got) != 0 {
		t.Errorf("after its end: %+v", got)
	}
	if got := must[cases.MuteOrder](t)(db.Mute(ctx, "m1")); got.EndedBy != "bob" {
		t.Errorf("Mute: %+v", got)
	}
	must[int64](t)(db.Trim(ctx, store.Retention{Cases: at(1)}))
	if got := must[[]cases.Split](t)(db.Splits(ctx, []string{"prod/1"})); len(got) != 1 {
		t.Errorf("a split that is young enough is gone: %+v", got)
	}
	must[int64](t)(db.Trim(ctx, store.Retention{Cases: at(2)}))
	if got := must[[]cases.Split](t)(db.Splits(ctx, []string{"prod/1"})); len(got) != 0 {
		t.Errorf("an old split is kept: %+v", got)
	}
	if _, err := db.Mute(ctx, "none"); !errors.Is(err, cases.ErrNotFound) {
		t.Errorf("Mute of nothing: %v", err)
	}

	ok(t, db.Commit(ctx, cases.Change{Alerts: []cases.Alert{known(1, "c1"), known(2, "c1"), known(3, "c2")}, Cases: []cases.Case{aCase("c1"), aCase("c2")}}))
	if got := must[[]cases.Alert](t)(db.Members(ctx, "c1", 10)); len(got) != 2 || len(got[0].Spans) != 2 || got[0].Spans[1].To != (time.Time{}) {
		t.Errorf("Members: %+v", got)
	}
	if got := must[[]cases.Alert](t)(db.Members(ctx, "c1", 1)); len(got) != 1 {
		t.Errorf("Members, one: %+v", got)
	}
	if got := must[map[string]cases.Case](t)(db.CasesByID(ctx, []string{"c1", "c2", "c3"})); len(got) != 2 || got["c2"].ID != "c2" {
		t.Errorf("CasesByID: %+v", got)
	}
	if got := must[[]cases.Alert](t)(db.AlertsLike(ctx, identity(3).Fingerprint)); len(got) != 1 || got[0].CaseID != "c2" {
		t.Errorf("AlertsLike: %+v", got)
	}
	if got := must[[]cases.Alert](t)(db.Alerts(ctx, alert.Firing, 2)); len(got) != 2 {
		t.Errorf("Alerts: %+v", got)
	}
}

package stage_test

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/foreshock/foreshock/webhook/alert"
	"github.com/foreshock/foreshock/webhook/cases"
	"github.com/foreshock/foreshock/webhook/policy"
	"github.com/foreshock/foreshock/webhook/stage"
	"github.com/foreshock/foreshock/webhook/store/storetest"
)

// A mute that covers all of a large case but its last alert does not silence it, however large it is.
func TestMuteOfALargeCase(t *testing.T) {
	t.Parallel()
	const members = 1_010
	for _, one := range []struct {
		name string
		odd  string // team of the alert that is read last
		want string // the mute of the case
	}{{"all but one", "blue", ""}, {"all", "red", "red ones"}} {
		t.Run(one.name, func(t *testing.T) {
			t.Parallel()
			ctx := context.Background()
			db := storetest.Open(t, "sqlite://"+filepath.Join(t.TempDir(), "w.db"))
			now := time.Now().UTC()
			rules := policy.DefaultRules("slack")
			p := stage.Parts{Store: db, Rules: func() policy.Rules { return rules }, Now: func() time.Time { return now.Add(5 * time.Minute) }}
			in := stage.NewIntake(stage.IntakeOptions{Chain: p.Chain(), Store: db})
			d := alert.Delivery{ID: ulid.Make().String(), Cluster: "prod", Received: now}
			for i := range members {
				l := alert.Labels{"alertname": "Slow", "severity": "warning", "team": "red", "instance": "h1:9100", "pod": fmt.Sprintf("p-%d", i)}
				if i == members-1 {
					l["team"] = one.odd
				}
				d.Message.Alerts = append(d.Message.Alerts, alert.Alert{
					Status: alert.Firing, Labels: l, Annotations: alert.Labels{"summary": "slow"}, StartsAt: now, Fingerprint: fmt.Sprintf("%06d", i),
				})
			}
			receipt, err := in.Deliver(ctx, d)
			if err != nil || len(receipt.CaseIDs) != 1 {
				t.Fatalf("delivered: %+v, %v", receipt, err)
			}
			rules.Mutes = policy.Mutes{{Name: "red ones", Owner: "ann", Match: []policy.Matcher{policy.Equal("team", "red")}, Ends: now.Add(time.Hour)}}
			ch, ok, err := p.Reviewer().Review(ctx, receipt.CaseIDs[0])
			if err != nil || !ok {
				t.Fatalf("reviewed: %v, %v", ok, err)
			}
			if got := ch.Cases[0].Mute; got != one.want {
				t.Errorf("the case is muted by %q, want %q", got, one.want)
			}
		})
	}
}

// What joins a case of 10,000 alerts last is told and graded as if the case were small: the digest names it, with the counts of all, and a rule of regrading sees
// it. And what joins does not make the case look at all its alerts again and again.
func TestReviewOfALargeCase(t *testing.T) {
	t.Parallel()
	const members = 10_000
	ctx, began := context.Background(), time.Now().UTC().Truncate(time.Microsecond)
	db := storetest.Open(t, "sqlite://"+filepath.Join(t.TempDir(), "w.db"))
	rules, now := policy.DefaultRules("slack"), began
	p := stage.Parts{Store: db, Rules: func() policy.Rules { return rules }, Now: func() time.Time { return now }}
	deliver := func(name, service string, first, n int) []cases.Action {
		t.Helper()
		d := alert.Delivery{ID: ulid.Make().String(), Cluster: "prod", Received: now}
		for i := first; i < first+n; i++ {
			l := alert.Labels{"alertname": name, "severity": "warning", "instance": "h1:9100", "pod": fmt.Sprintf("p-%d", i), "service": service}
			d.Message.Alerts = append(d.Message.Alerts, alert.Alert{
				Status: alert.Firing, Labels: l, Annotations: alert.Labels{"summary": "slow"}, StartsAt: began, Fingerprint: fmt.Sprintf("%06d", i),
			})
		}
		planned := &recorder{Committer: db}
		in := stage.NewIntake(stage.IntakeOptions{Chain: p.Chain(), Store: planned})
		receipt, err := in.Deliver(ctx, d)
		if err != nil || len(receipt.CaseIDs) != 1 {
			t.Fatalf("delivered: %+v, %v", receipt, err)
		}
		return planned.actions
	}
	first := deliver("Slow", "shop", 0, members)
	list, err := db.Cases(ctx, cases.Query{})
	if err != nil || len(list) != 1 || list[0].Total != members {
		t.Fatalf("%d cases, %v; want one of %d alerts", len(list), err, members)
	}
	id := list[0].ID
	review := func() cases.Change {
		t.Helper()
		ch, ok, err := p.Reviewer().Review(ctx, id)
		if err != nil || !ok {
			t.Fatalf("reviewed: %v, %v", ok, err)
		}
		if err := db.Commit(ctx, ch); err != nil {
			t.Fatal(err)
		}
		return ch
	}
	notices := func(all []cases.Action) (out []cases.Notice) {
		for _, a := range all {
			if a.Kind != cases.Notify {
				continue
			}
			var n cases.Notice
			if err := json.Unmarshal(a.Payload, &n); err != nil {
				t.Fatal(err)
			}
			out = append(out, n)
		}
		return out
	}
	if got := notices(first); len(got) != 1 || got[0].What != cases.WhatOpened || got[0].More != members-cases.MaxNoticeAlerts {
		t.Fatalf("told %d notices, want one of the opening with %d more", len(got), members-cases.MaxNoticeAlerts)
	}
	// Much of the same, and among it one alert of another kind, which comes last in every order.
	now = began.Add(20 * time.Minute)
	deliver("Slow", "shop", members, 1_500)
	deliver("DiskFull", "db", 900_000, 1)
	rules.Noise.Regrade = []policy.RegradeRule{{Name: "disk", Match: []policy.Matcher{policy.Equal("alertname", "DiskFull")}, To: "P1", Services: 2}}
	now = now.Add(time.Second)
	ch := review()
	got := notices(ch.Actions)
	if len(got) == 0 {
		t.Fatal("nobody was told of what joined")
	}
	told := map[cases.What]cases.Notice{}
	for _, n := range got {
		told[n.What] = n
	}
	if c := ch.Cases[0]; c.Grade != policy.P1 || c.Services != 2 {
		t.Errorf("the case is %s with %d services, want P1 and 2", c.Grade, c.Services)
	}
	if n, ok := told[cases.WhatDigest]; ok && n.Note != "Slow (shop): 1500, DiskFull (db): 1" {
		t.Errorf("the digest says %q", n.Note)
	}
	if !slices.ContainsFunc(got, func(n cases.Notice) bool {
		return slices.ContainsFunc(n.Alerts, func(a alert.Alert) bool { return a.Name() == "DiskFull" })
	}) {
		t.Errorf("no message shows the alert of another kind: %v", told)
	}
	// More of the same is no news; the case looks at itself once, after a rest.
	now = now.Add(11 * time.Minute)
	deliver("Slow", "shop", 20_000, 1)
	now = now.Add(time.Second)
	review()
	looked, reviews := now, 0
	for i := range 20 {
		now = now.Add(100 * time.Millisecond)
		for _, a := range deliver("Slow", "shop", 30_000+i, 1) {
			if a.Kind != cases.Review {
				continue
			}
			if reviews++; a.Due.Before(looked.Add(20 * time.Second)) {
				t.Errorf("a review is due %s after the last one", a.Due.Sub(looked))
			}
		}
	}
	if reviews != 1 {
		t.Errorf("20 alerts that joined planned %d reviews, want 1", reviews)
	}
}

// recorder remembers the actions that were committed.
type recorder struct {
	stage.Committer
	actions []cases.Action
}

func (r *recorder) Commit(ctx context.Context, ch cases.Change) error {
	r.actions = append(r.actions, ch.Actions...)
	return r.Committer.Commit(ctx, ch)
}

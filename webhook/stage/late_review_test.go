package stage_test

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/foreshock/foreshock/webhook/alert"
	"github.com/foreshock/foreshock/webhook/policy"
	"github.com/foreshock/foreshock/webhook/stage"
	"github.com/foreshock/foreshock/webhook/store/storetest"
)

// A case that grows while its review is late, since much else waits before it, does not plan another review with every delivery: thousands
// of them would be what everything else waits for. It is not forgotten either.
func TestReviewsOfACaseWhoseReviewIsLate(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	path := filepath.Join(t.TempDir(), "w.db")
	db := storetest.Open(t, "sqlite://"+path)
	raw, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	planned := func() int {
		t.Helper()
		n := 0
		if err := raw.QueryRowContext(ctx, `SELECT count(*) FROM actions WHERE kind = 'review' AND state = 'due'`).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	now := time.Now().UTC()
	rules := policy.DefaultRules("slack")
	p := stage.Parts{Store: db, Rules: func() policy.Rules { return rules }, Now: func() time.Time { return now }}
	in := stage.NewIntake(stage.IntakeOptions{Chain: p.Chain(), Store: db})
	told, id := 0, ""
	deliver := func(n int) {
		t.Helper()
		d := alert.Delivery{ID: ulid.Make().String(), Cluster: "prod", Received: now}
		for range n {
			l := alert.Labels{"alertname": "Slow", "severity": "warning", "instance": "h1:9100", "pod": fmt.Sprintf("p-%d", told)}
			d.Message.Alerts = append(d.Message.Alerts, alert.Alert{
				Status: alert.Firing, Labels: l, Annotations: alert.Labels{"summary": "slow"}, StartsAt: now, Fingerprint: fmt.Sprintf("%06d", told),
			})
			told++
		}
		receipt, err := in.Deliver(ctx, d)
		if err != nil || len(receipt.CaseIDs) != 1 {
			t.Fatalf("delivered: %+v, %v", receipt, err)
		}
		id = receipt.CaseIDs[0]
	}
	deliver(30)
	now = now.Add(time.Minute)
	ch, ok, err := p.Reviewer().Review(ctx, id) // people are told
	if err != nil || !ok {
		t.Fatalf("reviewed: %v, %v", ok, err)
	}
	if err := db.Commit(ctx, ch); err != nil {
		t.Fatal(err)
	}
	now = now.Add(time.Duration(rules.Noise.Digest) + time.Second)
	before := planned()
	for range 100 { // ten minutes of deliveries, and no review comes to its turn
		now = now.Add(6 * time.Second)
		deliver(1)
	}
	if got := planned() - before; got < 1 || got > 11 {
		t.Errorf("100 deliveries in ten minutes planned %d reviews, want at least one and at most one a minute", got)
	}
	ch, ok, err = p.Reviewer().Review(ctx, id)
	if err != nil || !ok || ch.Cases[0].Total < 100 || ch.Cases[0].Fresh != 0 {
		t.Errorf("reviewed in the end: %v, %v, %+v: what is new was not told", ok, err, ch.Cases[0].CaseNoise)
	}
}

package stage_test

import (
	"context"
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

// A mute that covers all of a large case but its last alert does not silence it, however few of its alerts a review looks at first.
func TestMuteOfALargeCase(t *testing.T) {
	t.Parallel()
	const members = 1_010 // a review looks at 1,000 first
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

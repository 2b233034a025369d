package replay_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/foreshock/foreshock/webhook/alert"
	"github.com/foreshock/foreshock/webhook/cases"
	"github.com/foreshock/foreshock/webhook/policy"
	"github.com/foreshock/foreshock/webhook/replay"
)

const (
	slow = "DiskSlow severity=info instance=h1:9100"
	hot  = "Temperature severity=error instance=h1:9100"
	down = "HostDown severity=critical instance=h1:9100"
)

// P0 does not wait for the hold of the case that it joins, whichever delivery it comes with.
func TestP0JoinsAHeldCase(t *testing.T) {
	t.Parallel()
	f := newFlow(t, nil)
	f.fire(0, slow, down)
	f.until(4 * time.Minute)
	f.expect("0s opened P0 (2)")

	f = newFlow(t, nil)
	f.fire(0, slow)
	f.fire(10*time.Second, down)
	f.until(4 * time.Minute)
	f.expect("10s opened P0 (2)")
	if m := f.Messages[0].Notice; len(m.Alerts) != 1 || m.Alerts[0].Labels["alertname"] != "HostDown" || m.More != 1 {
		t.Errorf("it tells of %v and %d more", m.Alerts, m.More)
	}

	f = newFlow(t, nil) // less urgent: no longer than its own wait
	f.fire(0, slow)
	f.fire(10*time.Second, hot)
	f.until(4 * time.Minute)
	f.expect("40s opened P1 (2)")
}

// An alert that a rule raises to P0 at once does not go to the case of a storm.
func TestRegradedToP0InAStorm(t *testing.T) {
	t.Parallel()
	f := newFlow(t, func(o *replay.Options) {
		m, err := policy.ParseMatcher(`tier="gold"`)
		if err != nil {
			t.Fatal(err)
		}
		o.Rules.Noise.Regrade = []policy.RegradeRule{{Name: "gold", To: "P0", Match: []policy.Matcher{m}}}
	})
	for i := range 15 {
		f.fire(time.Duration(i)*time.Second, fmt.Sprintf("%s severity=warning job=batch", string(rune('A'+i))))
	}
	f.fire(20*time.Second, "Papa severity=warning job=batch tier=gold")
	f.until(time.Minute)
	f.expect("20s opened P0 (1)")
	if c := f.caseOf("Papa severity=warning job=batch tier=gold"); c.Total != 1 {
		t.Errorf("it went to %s", c.Key)
	}
}

// muting is a flow with a mute of an alert name.
func muting(t *testing.T, name string, ends time.Duration) *flow {
	t.Helper()
	return newFlow(t, func(o *replay.Options) {
		m, err := policy.ParseMatcher(`alertname=~"` + name + `"`)
		if err != nil {
			t.Fatal(err)
		}
		o.Rules.Mutes = policy.Mutes{{Name: "work", Owner: "ann", Match: []policy.Matcher{m}, Ends: begin.Add(ends)}}
	})
}

// The mute of one member is not that of the case.
func TestMuteOfAMember(t *testing.T) {
	t.Parallel()
	f := muting(t, "DiskSlow", time.Hour) // a muted alert opens
	f.fire(0, slow)
	f.fire(5*time.Minute, down)
	f.until(2 * time.Hour)
	f.expect("5m0s opened P0 (2)")

	f = muting(t, "DiskSlow", time.Hour) // and in one delivery
	f.fire(0, slow, down)
	f.until(30 * time.Minute)
	f.expect("0s opened P0 (2)")

	f = muting(t, "DiskSlow", time.Hour) // one joins: nothing is told of it, and the case is not muted
	f.fire(0, down)
	f.fire(time.Minute, slow)
	f.until(30 * time.Minute)
	f.expect("0s opened P0 (1)")
	if c := f.caseOf(down); c.Mute != "" || c.Total != 2 {
		t.Errorf("muted by %q", c.Mute)
	}
	f.end(40*time.Minute, down) // what is left is muted
	f.until(50 * time.Minute)
	if c := f.caseOf(down); c.Mute != "work" || !c.Open() {
		t.Errorf("%s, muted by %q", c.State, c.Mute)
	}
}

// What a muted member means for its case, it means when the mute ends.
func TestMutedP0Joins(t *testing.T) {
	t.Parallel()
	f := muting(t, "HostDown", time.Hour)
	f.fire(0, hot)
	f.fire(5*time.Minute, down)
	f.until(59 * time.Minute)
	f.expect("30s opened P1 (1)")
	if c := f.caseOf(down); c.Grade != policy.P1 || c.Mute != "" {
		t.Errorf("%s, muted by %q", c.Grade, c.Mute)
	}
	f.until(61 * time.Minute)
	if got := f.said(); len(got) < 2 || got[1] != "1h0m0s regraded P0 (2)" {
		t.Errorf("told %v", got)
	}
}

// A case that was over, and of which nobody heard that, says what is new when it goes on.
func TestP0ReopensQuietly(t *testing.T) {
	t.Parallel()
	f := newFlow(t, nil)
	f.fire(0, "Temperature severity=warning instance=h1:9100")
	f.until(time.Minute)
	f.end(2*time.Minute, "Temperature severity=warning instance=h1:9100")
	f.fire(4*time.Minute, down)
	f.until(30 * time.Minute)
	f.expect("1m0s opened P2 (1)", "4m0s regraded P0 (2)", "7m0s digest P0 (2)")
}

// Alerts that flap are reviewed, however many members fire beside them.
func TestFlappingInALargeCase(t *testing.T) {
	t.Parallel()
	f := newFlow(t, nil)
	const link = "Link severity=error"
	for i := range 3 {
		f.fire(time.Duration(4*i)*time.Minute, link)
		f.end(time.Duration(4*i+2)*time.Minute, link)
	}
	f.until(12 * time.Minute)
	held := f.alert(link)
	if !held.Held {
		t.Fatalf("not held: %+v", held.AlertNoise)
	}
	// A thousand others of the case, which fire until the flapping one has settled.
	c := f.caseOf(link)
	ch := cases.Change{}
	for i := range 1001 {
		l := alert.Labels{"alertname": "Other", "n": fmt.Sprint(i)}
		m := held
		m.Version, m.Identity = 0, alert.Identity{Cluster: "c", Fingerprint: l.Fingerprint()}
		m.Last.Labels, m.Last.Fingerprint, m.AlertNoise = l, l.Fingerprint(), cases.AlertNoise{Grade: policy.P1, GradeReason: "severity"}
		m.LastFired, m.LastEnded, m.Last.Status, m.Status = begin, time.Time{}, alert.Firing, alert.Firing
		ch.Alerts = append(ch.Alerts, m)
	}
	c.Total, c.Firing = c.Total+len(ch.Alerts), c.Firing+len(ch.Alerts)
	ch.Cases = []cases.Case{c}
	if err := f.Store().Commit(context.Background(), ch); err != nil {
		t.Fatal(err)
	}
	f.until(2 * time.Hour)
	if a := f.alert(link); a.Held || !a.FlappingSince.IsZero() {
		t.Errorf("after two hours: %+v", a.AlertNoise)
	}
	if c := f.caseOf(link); c.Firing != 1001 {
		t.Errorf("%d fire, want 1001", c.Firing)
	}
}

// A case that is merged into a muted one ends its silence; one that is muted does not raise the case that it is merged into before its mute ends.
func TestMergeOfMutedCases(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]struct{ first, last string }{
		"DiskSlow|Fan": {"9m0s opened P1 (3)", "9m0s opened P1 (3)"},
		"Temperature":  {"2m0s opened P3 (1)", "1h0m0s regraded P1 (3)"},
	} {
		f := muting(t, name, time.Hour)
		f.fire(0, slow)
		f.fire(8*time.Minute, hot)
		fan := labelled("Fan severity=info instance=h1:9100") // comes late, between the two
		fan.Status, fan.StartsAt = alert.Firing, begin.Add(4*time.Minute)
		d := alert.Delivery{ID: "late", Cluster: "c", Received: begin.Add(8*time.Minute + time.Second), Message: alert.Message{Source: alert.Alertmanager, Alerts: []alert.Alert{fan}}}
		if err := f.Deliver(context.Background(), d); err != nil {
			t.Fatal(err)
		}
		f.until(61 * time.Minute)
		if f.caseOf(slow).ID != f.caseOf(hot).ID {
			t.Fatal("they were not merged")
		}
		if got := f.said(); len(got) == 0 || got[0] != want.first || got[len(got)-1] != want.last {
			t.Errorf("%s: told %v", name, got)
		}
	}
}

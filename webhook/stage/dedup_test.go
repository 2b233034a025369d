package stage_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/foreshock/foreshock/webhook/alert"
	"github.com/foreshock/foreshock/webhook/cases"
	"github.com/foreshock/foreshock/webhook/policy"
	"github.com/foreshock/foreshock/webhook/stage"
)

var epoch = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

func at(minutes float64) time.Time { return epoch.Add(time.Duration(minutes * float64(time.Minute))) }

func firing(name string, start float64) alert.Alert {
	l := alert.Labels{"alertname": name, "severity": "error"}
	return alert.Alert{Status: alert.Firing, Labels: l, Annotations: alert.Labels{}, StartsAt: at(start), Fingerprint: l.Fingerprint()}
}

func resolved(name string, start, end float64) alert.Alert {
	a := firing(name, start)
	a.Status, a.EndsAt = alert.Resolved, at(end)
	return a
}

// memory is a store that applies changes to maps, for one receiver.
type memory struct {
	prior   cases.Prior
	actions []cases.Action
	events  []cases.Event
	cancel  []cases.CancelActions
	seen    []cases.Observation
}

func newMemory() *memory {
	return &memory{prior: cases.Prior{Alerts: map[alert.Identity]cases.Alert{}, Cases: map[string]cases.Case{}, ByKey: map[string]string{}}}
}

func (m *memory) Prior(context.Context, []alert.Identity, []string) (cases.Prior, error) {
	return m.prior, nil
}

func (m *memory) Commit(_ context.Context, ch cases.Change) error {
	for _, a := range ch.Alerts {
		if a.Version != m.prior.Alerts[a.Identity].Version {
			return cases.ErrConflict
		}
		a.Version++
		m.prior.Alerts[a.Identity] = a
	}
	for _, c := range ch.Cases {
		c.Version++
		m.prior.Cases[c.ID] = c
		delete(m.prior.ByKey, c.Key)
		if c.State != cases.Closed {
			m.prior.ByKey[c.Key] = c.ID
		}
	}
	m.actions = append(m.actions, ch.Actions...)
	m.events = append(m.events, ch.Events...)
	m.cancel = append(m.cancel, ch.Cancel...)
	m.seen = append(m.seen, ch.Observations...)
	return nil
}

// oracle answers as Alertmanager would.
type oracle struct {
	firing map[string]bool // by alert name
	err    error
	asked  int
}

func (o *oracle) Firing(_ context.Context, _ string, alerts []alert.Alert) ([]bool, error) {
	o.asked += len(alerts)
	out := make([]bool, len(alerts))
	for i, a := range alerts {
		out[i] = o.firing[a.Name()]
	}
	return out, o.err
}

func intake(m *memory, o stage.Authority) *stage.Intake {
	n := 0
	return stage.NewIntake(stage.IntakeOptions{
		Chain: stage.Chain{
			stage.Normalise{},
			stage.Dedup{Store: m, Authority: o},
			stage.Plan{
				Rules: func() policy.Rules { return plain("slack", "log") },
				NewID: func() string { n++; return fmt.Sprintf("id%04d", n) },
			},
		},
		Store: m,
	})
}

func deliver(t *testing.T, in *stage.Intake, now float64, alerts ...alert.Alert) stage.Receipt {
	t.Helper()
	d := alert.Delivery{ID: fmt.Sprintf("d-%v", now), Cluster: "prod", Received: at(now), Message: alert.Message{Source: alert.Alertmanager, Alerts: alerts}}
	r, err := in.Deliver(context.Background(), d)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// step is one delivery of one alert and what is expected of it.
type step struct {
	a      alert.Alert
	want   stage.Reason
	firing bool // afterwards
}

func TestDedup(t *testing.T) {
	t.Parallel()
	f := func(s float64) alert.Alert { return firing("a", s) }
	r := func(s, e float64) alert.Alert { return resolved("a", s, e) }
	over, fires, silent := &oracle{}, &oracle{firing: map[string]bool{"a": true}}, &oracle{err: errors.New("no route")}
	for name, tc := range map[string]struct {
		o     *oracle
		steps []step
	}{
		"ordinary life":                     {over, []step{{f(0), stage.ReasonFired, true}, {f(0), stage.ReasonRepeat, true}, {r(0, 5), stage.ReasonResolved, false}, {r(0, 5), stage.ReasonRepeat, false}, {f(7), stage.ReasonFired, true}}},
		"resolution first, over":            {over, []step{{r(0, 5), stage.ReasonMissed, false}, {f(0), stage.ReasonLate, false}}},
		"late firing, over":                 {over, []step{{f(0), stage.ReasonFired, true}, {r(0, 5), stage.ReasonResolved, false}, {f(0), stage.ReasonLate, false}}},
		"resent after a partition":          {fires, []step{{f(0), stage.ReasonFired, true}, {r(0, 5), stage.ReasonResolved, false}, {f(0), stage.ReasonBelieved, true}, {f(0), stage.ReasonRepeat, true}, {r(0, 9), stage.ReasonResolved, false}}},
		"Alertmanager cannot be asked":      {silent, []step{{f(0), stage.ReasonFired, true}, {r(0, 5), stage.ReasonResolved, false}, {f(0), stage.ReasonBelieved, true}, {r(0, 5), stage.ReasonStillFiring, true}, {r(0, 6), stage.ReasonResolved, false}}},
		"disbelieved end, still fires":      {fires, []step{{f(0), stage.ReasonFired, true}, {r(0, 5), stage.ReasonResolved, false}, {f(0), stage.ReasonBelieved, true}, {r(0, 5), stage.ReasonStillFiring, true}}},
		"old resolution after a new firing": {over, []step{{f(0), stage.ReasonFired, true}, {f(7), stage.ReasonRestarted, true}, {r(0, 5), stage.ReasonSuperseded, true}, {r(7, 9), stage.ReasonResolved, false}}},
		"old firing after a new one":        {over, []step{{f(7), stage.ReasonFired, true}, {f(0), stage.ReasonSuperseded, true}}},
		"old firing after a new resolution": {over, []step{{f(7), stage.ReasonFired, true}, {r(7, 9), stage.ReasonResolved, false}, {f(0), stage.ReasonLate, false}}},
		// A clock was an hour ahead and stepped back: the next life lies before the known one.
		"clock stepped back":                   {fires, []step{{f(60), stage.ReasonFired, true}, {r(60, 65), stage.ReasonResolved, false}, {f(10), stage.ReasonBelieved, true}, {f(10), stage.ReasonSuperseded, true}, {r(10, 40), stage.ReasonStillFiring, true}}},
		"clock stepped back, nobody to ask":    {silent, []step{{f(60), stage.ReasonFired, true}, {r(60, 65), stage.ReasonResolved, false}, {f(10), stage.ReasonBelieved, true}, {f(70), stage.ReasonRestarted, true}, {r(70, 80), stage.ReasonResolved, false}}},
		"only the end was ahead":               {silent, []step{{f(0), stage.ReasonFired, true}, {r(0, 65), stage.ReasonResolved, false}, {f(10), stage.ReasonBelieved, true}, {r(10, 30), stage.ReasonResolved, false}, {r(10, 30), stage.ReasonSuperseded, false}}},
		"old resolution of a contradicted one": {silent, []step{{f(7), stage.ReasonFired, true}, {r(7, 9), stage.ReasonResolved, false}, {f(7), stage.ReasonBelieved, true}, {r(0, 5), stage.ReasonSuperseded, true}}},
		// The pair of a highly available Prometheus: the replica that started first is heard last.
		"earlier start after the end":    {fires, []step{{f(0.25), stage.ReasonFired, true}, {r(0.25, 5), stage.ReasonResolved, false}, {f(0), stage.ReasonBelieved, true}, {r(0, 9), stage.ReasonResolved, false}}},
		"old resolution after a new one": {over, []step{{f(7), stage.ReasonFired, true}, {r(7, 9), stage.ReasonResolved, false}, {r(0, 5), stage.ReasonSuperseded, false}}},
		// Two Prometheus replicas start at slightly different times; Alertmanager keeps the earlier.
		"merged start": {over, []step{{f(0.25), stage.ReasonFired, true}, {f(0), stage.ReasonSuperseded, true}, {r(0, 5), stage.ReasonResolved, false}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMemory()
			o := *tc.o
			in := intake(m, &o)
			for i, s := range tc.steps {
				got := deliver(t, in, 100+float64(i), s.a)
				decision := stage.Accepted
				if got.Decisions[decision][s.want] != 1 {
					decision = stage.Dropped
				}
				if got.Decisions[decision][s.want] != 1 {
					t.Fatalf("step %d: %v, want %s", i, got.Decisions, s.want)
				}
				for _, k := range m.prior.Alerts {
					if k.Firing() != s.firing || (k.Status == alert.Firing) != s.firing {
						t.Fatalf("step %d: firing %v (%s), want %v", i, k.Firing(), k.Status, s.firing)
					}
				}
				for _, c := range m.prior.Cases {
					if c.Open() != s.firing || (c.Firing == 1) != s.firing {
						t.Fatalf("step %d: case %s with %d firing", i, c.State, c.Firing)
					}
				}
				if len(m.prior.Cases) != 1 {
					t.Fatalf("step %d: %d cases", i, len(m.prior.Cases))
				}
			}
		})
	}
}

// After a clock stepped back, the end that Alertmanager confirms closes the case
// although a later end is known.
func TestDedupEndAfterClockStep(t *testing.T) {
	t.Parallel()
	m, o := newMemory(), &oracle{firing: map[string]bool{"a": true}}
	in := intake(m, o)
	deliver(t, in, 60, firing("a", 60))
	deliver(t, in, 65, resolved("a", 60, 65))
	deliver(t, in, 66, firing("a", 10))
	o.firing["a"] = false
	deliver(t, in, 67, resolved("a", 10, 40))
	if got := m.seen[len(m.seen)-1]; got.Reason != string(stage.ReasonResolved) {
		t.Errorf("the end: %s (%s)", got.Reason, got.Note)
	}
	for _, c := range m.prior.Cases {
		if c.State != cases.Resolved {
			t.Errorf("the case is %s", c.State)
		}
	}
}

// Only the ambiguous order costs a question.
func TestDedupAsksRarely(t *testing.T) {
	t.Parallel()
	m, o := newMemory(), &oracle{firing: map[string]bool{"a": true}}
	in := intake(m, o)
	deliver(t, in, 0, firing("a", 0), firing("b", 0))
	deliver(t, in, 1, firing("a", 0), resolved("b", 0, 1))
	deliver(t, in, 2, resolved("a", 0, 2))
	deliver(t, in, 3, firing("a", 2.5))
	if o.asked != 0 {
		t.Errorf("asked %d times about unambiguous deliveries", o.asked)
	}
	deliver(t, in, 4, resolved("a", 2.5, 4))
	deliver(t, in, 5, firing("a", 2.5))
	if o.asked != 1 {
		t.Errorf("asked %d times, want 1", o.asked)
	}
	deliver(t, in, 6, firing("a", 2.5))
	if o.asked != 1 {
		t.Errorf("asked again about what is settled")
	}
}

// plain are the default rules without anything that is due later while a case is open.
func plain(channels ...string) policy.Rules {
	r := policy.DefaultRules(channels...)
	r.Escalation.Ladders, r.SLA = []policy.Ladder{{Name: "none"}}, policy.SLA{}
	return r
}

// What machines leave out must neither lose an alert nor make one of each
// repetition.
func TestDedupMissingFields(t *testing.T) {
	t.Parallel()
	m := newMemory()
	in := intake(m, nil)
	bare := alert.Alert{Labels: alert.Labels{"alertname": "x"}, Fingerprint: "f"}
	for i := range 3 {
		deliver(t, in, float64(i), bare)
	}
	over := bare
	over.EndsAt = at(2)
	deliver(t, in, 3, over)
	var reasons []string
	for _, o := range m.seen {
		reasons = append(reasons, o.Reason)
	}
	if d := cmp.Diff([]string{"fired", "repeat", "repeat", "resolved"}, reasons); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestPlanCase(t *testing.T) {
	t.Parallel()
	m := newMemory()
	in := intake(m, &oracle{})
	a := firing("DiskFull", 0)
	a.Annotations["summary"] = "disk\x1b full \n on\u202e x"
	r := deliver(t, in, 1, a, firing("Other", 0))
	if len(r.CaseIDs) != 2 || r.Actions != 4 {
		t.Errorf("receipt %+v", r)
	}
	c := m.prior.Cases[m.prior.ByKey["prod/"+a.Fingerprint]]
	want := cases.Case{
		ID: c.ID, Key: "prod/" + a.Fingerprint, Cluster: "prod", Title: "DiskFull: disk full on x", Labels: a.Labels, State: cases.New,
		Grade: policy.P1, GradeReason: `severity="error"`, Channels: []string{"slack", "log"}, Routes: []string{"default"},
		Epoch: 1, Firing: 1, Total: 1, StartedAt: at(0), OpenedAt: at(1), UpdatedAt: at(1), SLA: cases.Deadline{Since: at(1)}, Version: 1,
		CaseNoise: cases.CaseNoise{Heard: cases.WhatOpened, ToldAt: at(1), CountedAt: at(1), Told: 1, Base: policy.P1, BaseReason: `severity="error"`},
	}
	if d := cmp.Diff(want, c); d != "" {
		t.Errorf("case (-want +got):\n%s", d)
	}
	deliver(t, in, 10, resolved("DiskFull", 0, 9))
	deliver(t, in, 20, firing("DiskFull", 19))
	deliver(t, in, 30, resolved("DiskFull", 19, 29))
	c = m.prior.Cases[c.ID]
	if c.State != cases.Resolved || c.Epoch != 2 || !c.ResolvedAt.Equal(at(30)) || c.Total != 1 || c.Firing != 0 {
		t.Errorf("case %+v", c)
	}
	var keys []string
	for _, a := range m.actions {
		if a.CaseID == c.ID {
			keys = append(keys, strings.TrimPrefix(a.Key, c.ID+"/")+"@"+a.Lane[:strings.Index(a.Lane, "/")])
		}
	}
	wantKeys := []string{
		"1/opened/slack@slack", "1/opened/log@log", "1/close/1@internal", "1/resolved/slack@slack", "1/resolved/log@log",
		"2/reopened/slack@slack", "2/reopened/log@log", "2/close/3@internal", "2/resolved/slack@slack", "2/resolved/log@log",
	}
	if d := cmp.Diff(wantKeys, keys); d != "" {
		t.Errorf("actions (-want +got):\n%s", d)
	}
	if len(m.cancel) != 1 || m.cancel[0].CaseID != c.ID || m.cancel[0].Kinds[0] != cases.AutoClose {
		t.Errorf("cancelled %+v", m.cancel)
	}
	var kinds []string
	for _, e := range m.events {
		if e.CaseID == c.ID {
			kinds = append(kinds, string(e.Kind))
		}
	}
	wantEvents := []string{"opened", "fired", "alert_ended", "state", "state", "fired", "alert_ended", "state"}
	if d := cmp.Diff(wantEvents, kinds); d != "" {
		t.Errorf("timeline (-want +got):\n%s", d)
	}
}

// A case that a person closed or resolved while its alert fires.
func TestPlanAfterPeople(t *testing.T) {
	t.Parallel()
	for state, want := range map[cases.State]struct {
		cases, epoch int
	}{cases.Closed: {2, 1}, cases.Resolved: {1, 2}, cases.InProgress: {1, 1}} {
		m := newMemory()
		in := intake(m, &oracle{})
		id := deliver(t, in, 0, firing("a", 0)).CaseIDs[0]
		c := m.prior.Cases[id]
		c.State = state
		m.prior.Cases[id] = c
		if state == cases.Closed {
			delete(m.prior.ByKey, c.Key)
		}
		deliver(t, in, 1, firing("a", 0))
		if got := m.prior.Cases[id]; got.State != state {
			t.Errorf("%s: a repetition made it %s", state, got.State)
		}
		deliver(t, in, 2, firing("a", 1))
		last := m.prior.Cases[m.prior.ByKey["prod/"+firing("a", 0).Fingerprint]]
		if len(m.prior.Cases) != want.cases || last.Epoch != want.epoch || last.Firing != 1 || !last.Open() {
			t.Errorf("%s: %d cases, the last %+v", state, len(m.prior.Cases), last)
		}
		deliver(t, in, 3, resolved("a", 1, 2))
		if last = m.prior.Cases[last.ID]; last.State != cases.Resolved || last.Firing != 0 {
			t.Errorf("%s: after the end %+v", state, last)
		}
	}
}

// A case that a person reopened tells about the alert that then fires in it.
func TestPlanFiresInReopenedByHand(t *testing.T) {
	t.Parallel()
	m := newMemory()
	in := intake(m, &oracle{})
	id := deliver(t, in, 0, firing("a", 0)).CaseIDs[0]
	deliver(t, in, 1, resolved("a", 0, 1))
	c := m.prior.Cases[id]
	c.State, c.Epoch = cases.New, c.Epoch+1
	m.prior.Cases[id] = c
	before := len(m.actions)
	deliver(t, in, 3, firing("a", 2))
	var keys []string
	for _, a := range m.actions[before:] {
		keys = append(keys, strings.TrimPrefix(a.Key, id))
	}
	if d := cmp.Diff([]string{"/2/reopened/slack", "/2/reopened/log"}, keys); d != "" {
		t.Errorf("told (-want +got):\n%s", d)
	}
	if r := deliver(t, in, 4, firing("a", 3.5)); r.Actions != 0 {
		t.Errorf("told again: %d", r.Actions)
	}
}

// Messages about a case go out in the order in which it changed, whatever the
// clocks of the receivers say.
func TestPlanOrderFollowsChanges(t *testing.T) {
	t.Parallel()
	m := newMemory()
	in := intake(m, &oracle{})
	deliver(t, in, 60, firing("a", 0))
	deliver(t, in, 5, resolved("a", 0, 4)) // by a receiver whose clock is right
	deliver(t, in, 7, firing("a", 6))
	planned := map[string][]time.Time{}
	for _, a := range m.actions {
		planned[a.Lane] = append(planned[a.Lane], a.Planned)
		if a.Kind == cases.Notify && a.Planned.After(at(60)) && !a.Due.Before(at(10)) {
			t.Errorf("%s waits until %s", a.Key, a.Due)
		}
	}
	for lane, times := range planned {
		for i := 1; i < len(times); i++ {
			if !times[i].After(times[i-1]) {
				t.Errorf("%s: %v", lane, times)
			}
		}
	}
	if len(planned) != 3 {
		t.Errorf("lanes %v", planned)
	}
}

// A message about an alert that contradicts its resolution says so.
func TestBelievedIsToldWithItsReason(t *testing.T) {
	t.Parallel()
	m := newMemory()
	in := intake(m, &oracle{err: errors.New("no route to host")})
	deliver(t, in, 0, firing("a", 0))
	deliver(t, in, 1, resolved("a", 0, 1))
	deliver(t, in, 2, firing("a", 0))
	last := m.events[len(m.events)-1]
	if last.Kind != cases.Believed || !strings.Contains(last.Note, "no route to host") {
		t.Errorf("timeline ends with %+v", last)
	}
	if p := string(m.actions[len(m.actions)-1].Payload); !strings.Contains(p, "no route to host") {
		t.Errorf("message without the reason: %s", p)
	}
}

package replay_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/foreshock/foreshock/pkg/topology"
	"github.com/foreshock/foreshock/webhook/alert"
	"github.com/foreshock/foreshock/webhook/cases"
	"github.com/foreshock/foreshock/webhook/policy"
	"github.com/foreshock/foreshock/webhook/replay"
	"github.com/foreshock/foreshock/webhook/stage"
)

var begin = time.Date(2026, 11, 20, 8, 0, 0, 0, time.UTC)

// flow is a world with a script: deliveries at times after begin.
type flow struct {
	*replay.World
	t *testing.T
	n int
}

func newFlow(t *testing.T, change func(*replay.Options)) *flow {
	t.Helper()
	o := replay.Options{Rules: rules(), Dir: t.TempDir()}
	if change != nil {
		change(&o)
	}
	w, err := replay.New(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.Close() })
	return &flow{World: w, t: t}
}

// labelled reads "name a=b c=d".
func labelled(text string) alert.Alert {
	l := alert.Labels{}
	for i, f := range strings.Fields(text) {
		k, v, ok := strings.Cut(f, "=")
		if i == 0 && !ok {
			k, v = "alertname", f
		}
		l[k] = v
	}
	return alert.Alert{Labels: l, Annotations: alert.Labels{"summary": l["alertname"] + " at " + l["instance"] + l["pod"]}, Fingerprint: l.Fingerprint()}
}

// fire and end deliver alerts that begin, or end, at a time; in one delivery.
func (f *flow) fire(at time.Duration, texts ...string) {
	f.t.Helper()
	f.deliver(at, alert.Firing, texts)
}

func (f *flow) end(at time.Duration, texts ...string) {
	f.t.Helper()
	f.deliver(at, alert.Resolved, texts)
}

func (f *flow) deliver(at time.Duration, s alert.Status, texts []string) {
	f.t.Helper()
	f.n++
	d := alert.Delivery{ID: fmt.Sprintf("d%04d", f.n), Cluster: "c", Received: begin.Add(at), Message: alert.Message{Source: alert.Alertmanager}}
	for _, text := range texts {
		a := labelled(text)
		if a.Status, a.StartsAt = s, begin.Add(at); s == alert.Resolved {
			a.StartsAt, a.EndsAt = begin.Add(at-time.Second), begin.Add(at)
		}
		d.Message.Alerts = append(d.Message.Alerts, a)
	}
	if err := f.Deliver(context.Background(), d); err != nil {
		f.t.Fatal(err)
	}
}

func (f *flow) until(at time.Duration) {
	f.t.Helper()
	if err := f.Until(context.Background(), begin.Add(at)); err != nil {
		f.t.Fatal(err)
	}
}

// said are the messages so far: "30s opened P1 Title (3)".
func (f *flow) said() []string {
	var out []string
	for _, m := range f.Messages {
		out = append(out, fmt.Sprintf("%v %s %s (%d)", m.At.Sub(begin).Round(time.Second), m.Notice.What, m.Notice.Case.Grade, m.Notice.Case.Total))
	}
	return out
}

func (f *flow) expect(want ...string) {
	f.t.Helper()
	if d := cmp.Diff(want, f.said()); d != "" {
		f.t.Errorf("messages (-want +got):\n%s", d)
	}
}

func (f *flow) alert(text string) cases.Alert {
	f.t.Helper()
	all, err := f.Store().AlertsLike(context.Background(), labelled(text).Fingerprint)
	if err != nil || len(all) != 1 {
		f.t.Fatalf("%s: %d alerts, %v", text, len(all), err)
	}
	return all[0]
}

func (f *flow) caseOf(text string) cases.Case {
	f.t.Helper()
	c, err := f.Store().Case(context.Background(), f.alert(text).CaseID)
	if err != nil {
		f.t.Fatal(err)
	}
	return c
}

func TestSimilar(t *testing.T) {
	t.Parallel()
	f := newFlow(t, nil)
	f.fire(0, "OOM severity=error app=cart pod=cart-7d9f-1")
	f.fire(4*time.Minute, "OOM severity=error app=cart pod=cart-7d9f-2")
	f.fire(8*time.Minute, "OOM severity=error app=cart pod=cart-81aa-3") // near the second one: one problem that goes on
	f.fire(14*time.Minute, "OOM severity=error app=cart pod=cart-99aa-9")
	f.until(time.Hour)
	if one, two, three := f.caseOf("OOM severity=error app=cart pod=cart-7d9f-1"), f.caseOf("OOM severity=error app=cart pod=cart-7d9f-2"), f.caseOf("OOM severity=error app=cart pod=cart-81aa-3"); one.ID != two.ID || one.ID != three.ID || one.Firing != 3 {
		t.Errorf("%+v, %+v, %+v", one, two, three)
	}
	if a := f.alert("OOM severity=error app=cart pod=cart-7d9f-2"); a.Joined.How != "similar" || a.Joined.Evidence == "" {
		t.Errorf("joined %+v", a.Joined)
	}
	if far := f.caseOf("OOM severity=error app=cart pod=cart-99aa-9"); far.Total != 1 {
		t.Errorf("six minutes after the last one: %+v", far)
	}
	if n := f.Decisions[stage.Merged][stage.ReasonSimilar]; n != 2 {
		t.Errorf("counted %d merges, want 2", n)
	}
	// Told once; the second doubled the case, the third did not.
	f.expect("30s opened P1 (1)", "5m30s digest P1 (2)", "14m30s opened P1 (1)")
}

func TestCorrelate(t *testing.T) {
	t.Parallel()
	g := (*topology.Graph)(nil).With([]topology.Edge{{From: "web", To: "cart"}, {From: "cart", To: "db"}})
	f := newFlow(t, func(o *replay.Options) { o.Graph = g })
	f.fire(0, "Slow severity=error service=cart")
	f.fire(10*time.Second, "DiskFull severity=error service=db", "Unrelated severity=error service=mailer")
	f.fire(20*time.Second, "Temperature severity=warning instance=h1:9100", "RaidBroken severity=warning instance=h1:9101", "FanBroken severity=warning instance=h2:9100")
	f.fire(25*time.Second, "CrashLoop severity=warning deploy=r17 app=x", "ErrorsUp severity=warning deploy=r17 app=y")
	f.until(10 * time.Minute)
	if c := f.caseOf("DiskFull severity=error service=db"); c.ID != f.caseOf("Slow severity=error service=cart").ID || c.Origin != "service=db" {
		t.Errorf("what depends on each other: %+v", c)
	}
	if f.caseOf("Unrelated severity=error service=mailer").Total != 1 || f.caseOf("FanBroken severity=warning instance=h2:9100").Total != 1 {
		t.Error("something of its own was merged")
	}
	if c := f.caseOf("RaidBroken severity=warning instance=h1:9101"); c.Total != 2 || c.Origin != "host=h1" {
		t.Errorf("one host: %+v", c)
	}
	if c := f.caseOf("ErrorsUp severity=warning deploy=r17 app=y"); c.Total != 2 || c.Origin != "deploy=r17" {
		t.Errorf("one rollout: %+v", c)
	}
}

// Above the rate new alerts go to one case of their source; P0 is told at once, by itself.
func TestStorm(t *testing.T) {
	t.Parallel()
	f := newFlow(t, nil)
	names := "alpha bravo charlie delta echo foxtrot golf hotel india juliet kilo lima mike november oscar"
	for i, n := range strings.Fields(names) {
		f.fire(time.Duration(i)*time.Second, fmt.Sprintf("%s severity=warning job=batch", n))
	}
	f.fire(20*time.Second, "Papa severity=critical job=batch")
	f.until(3 * time.Minute)
	f.expect("20s opened P0 (1)", "1m10s opened P2 (15)")
	c := f.caseOf("alpha severity=warning job=batch")
	if c.Key != "storm/c/job=batch" || c.Firing != 15 || f.caseOf("oscar severity=warning job=batch").ID != c.ID {
		t.Errorf("storm %+v", c)
	}
	for _, n := range strings.Fields(names) {
		f.end(10*time.Minute, fmt.Sprintf("%s severity=warning job=batch", n))
	}
	f.until(30 * time.Minute)
	f.expect("20s opened P0 (1)", "1m10s opened P2 (15)", "15m0s resolved P2 (15)")
}

func TestFlapping(t *testing.T) {
	t.Parallel()
	for severity, want := range map[string][]string{
		// Opened; flapping at the fourth change; over when 21 minutes were quiet, and told after the wait of an end.
		"error": {"30s opened P1 (1)", "6m0s flapping P1 (1)"},
		// P0 says everything.
		"critical": {
			"0s opened P0 (1)", "2m0s resolved P0 (1)", "4m0s reopened P0 (1)", "6m0s resolved P0 (1)", "8m0s reopened P0 (1)", "10m0s resolved P0 (1)",
		},
	} {
		f := newFlow(t, nil)
		for i := range 3 {
			f.fire(time.Duration(4*i)*time.Minute, "Link severity="+severity)
			f.end(time.Duration(4*i+2)*time.Minute, "Link severity="+severity)
		}
		f.until(12 * time.Minute)
		f.expect(want...)
		a := f.alert("Link severity=" + severity)
		if held := severity == "error"; a.Held != held || a.Firing() || a.FlappingSince.IsZero() == held {
			t.Errorf("%s: %+v", severity, a.AlertNoise)
		}
		f.until(2 * time.Hour)
		if c := f.caseOf("Link severity=" + severity); c.State != cases.Resolved || c.Firing != 0 {
			t.Errorf("%s, in the end: %s with %d firing", severity, c.State, c.Firing)
		}
		if last := f.Messages[len(f.Messages)-1]; last.Notice.What != cases.WhatResolved {
			t.Errorf("%s: the last message is %s", severity, last.Notice.What)
		}
	}
}

// What is over before the hold has passed is not told; what begins again before its end was told never ended.
func TestHold(t *testing.T) {
	t.Parallel()
	f := newFlow(t, nil)
	f.fire(0, "Blip severity=warning")
	f.end(40*time.Second, "Blip severity=warning")
	f.fire(10*time.Minute, "Comes severity=warning")
	f.end(20*time.Minute, "Comes severity=warning")
	f.fire(23*time.Minute, "Comes severity=warning")
	f.end(40*time.Minute, "Comes severity=warning")
	f.until(2 * time.Hour)
	f.expect("11m0s opened P2 (1)", "45m0s resolved P2 (1)")
	if c := f.caseOf("Comes severity=warning"); c.Epoch != 1 {
		t.Errorf("it is opening %d, want 1: it never was over for people", c.Epoch)
	}
}

func TestMute(t *testing.T) {
	t.Parallel()
	f := newFlow(t, func(o *replay.Options) {
		o.Rules = policy.DefaultRules("chat", "pager")
		db, err := policy.ParseMatcher(`team="db"`)
		if err != nil {
			t.Fatal(err)
		}
		o.Rules.Mutes = policy.Mutes{
			{Name: "upgrade", Owner: "ann", Match: []policy.Matcher{db}, Ends: begin.Add(time.Hour)},
			{Name: "quiet pager", Owner: "bob", Channels: []string{"pager"}, Ends: begin.Add(30 * time.Minute)},
		}
	})
	f.fire(0, "Down severity=critical team=db")
	f.fire(time.Minute, "Gone severity=critical team=other")
	f.fire(2*time.Minute, "Short severity=critical team=db")
	f.end(10*time.Minute, "Short severity=critical team=db")
	f.until(59 * time.Minute)
	f.expect("1m0s opened P0 (1)", "30m0s opened P0 (1)") // Gone: chat at once, the pager when its mute ends
	if f.Messages[0].Channel != "chat" || f.Messages[1].Channel != "pager" {
		t.Errorf("told %s and %s", f.Messages[0].Channel, f.Messages[1].Channel)
	}
	if c := f.caseOf("Down severity=critical team=db"); c.Mute != "upgrade" || c.MutedBy != "ann" || !c.MutedUntil.Equal(begin.Add(time.Hour)) {
		t.Errorf("muted by %q of %q until %v", c.Mute, c.MutedBy, c.MutedUntil)
	}
	f.until(2 * time.Hour)
	if got := f.said()[2:]; !cmp.Equal(got, []string{"1h0m0s opened P0 (1)", "1h0m0s opened P0 (1)"}) {
		t.Errorf("after the mute: %v", got) // Down alone, on both channels; Short is over
	}
	if n := f.Decisions[stage.Muted][stage.ReasonWindow]; n != 2 {
		t.Errorf("counted %d muted, want 2", n)
	}
}

func TestRegrade(t *testing.T) {
	t.Parallel()
	answer := policy.Answer{Why: "no answer within 2s"}
	f := newFlow(t, func(o *replay.Options) {
		o.Rules.Noise.Regrade = []policy.RegradeRule{
			{Name: "burning", To: "P0", PromQL: policy.Query{Expr: "burn > 14"}, Services: 1},
			{Name: "long", Raise: 1, After: policy.Duration(10 * time.Minute)},
		}
		o.Ask = func(context.Context, string, policy.Query, []alert.Labels) policy.Answer { return answer }
	})
	f.fire(0, "Slow severity=warning service=web", "Idle severity=warning")
	f.until(2 * time.Minute)
	c := f.caseOf("Slow severity=warning service=web")
	if c.Grade != policy.P2 || !strings.Contains(string(c.GradeReason), "burning: unknown") {
		t.Errorf("unknown: %s by %s", c.Grade, c.GradeReason)
	}
	answer = policy.Answer{Holds: policy.Yes, Why: "burn is 20"}
	f.until(5 * time.Minute)
	if c = f.caseOf("Slow severity=warning service=web"); c.Grade != policy.P0 || !strings.Contains(string(c.GradeReason), "burning (burn is 20)") {
		t.Errorf("known: %s by %s", c.Grade, c.GradeReason)
	}
	answer = policy.Answer{Why: "connection refused"}
	f.until(8 * time.Minute)
	if c = f.caseOf("Slow severity=warning service=web"); c.Grade != policy.P0 || !strings.Contains(string(c.GradeReason), "kept at P0") {
		t.Errorf("unknown again: %s by %s", c.Grade, c.GradeReason)
	}
	f.until(13 * time.Minute)
	if c = f.caseOf("Idle severity=warning"); c.Grade != policy.P1 || !strings.Contains(string(c.GradeReason), "P2 → P1: long") {
		t.Errorf("after ten minutes: %s by %s", c.Grade, c.GradeReason)
	}
	var told int
	for _, m := range f.Messages {
		if m.Notice.What == cases.WhatRegraded {
			told++
		}
	}
	if told != 2 {
		t.Errorf("told of %d rises, want 2: %v", told, f.said())
	}
}

// A split is told, and remembered: what was taken apart is not merged again.
func TestSplit(t *testing.T) {
	t.Parallel()
	f := newFlow(t, nil)
	one, two := "Disk severity=error app=db pod=db-1", "Disk severity=error app=db pod=db-2"
	f.fire(0, one, two)
	f.until(time.Minute)
	c := f.caseOf(one)
	members, err := f.Store().Members(context.Background(), c.ID, 10)
	if err != nil || len(members) != 2 {
		t.Fatalf("%d members, %v", len(members), err)
	}
	n := 0
	order := stage.SplitOrder{
		Case: c, Members: members, Take: []string{f.alert(two).Identity.String()}, By: "ann", Now: begin.Add(2 * time.Minute),
		NewID: func() string { n++; return fmt.Sprintf("s%d", n) },
	}
	ch, id, err := stage.Split(order, rules())
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Store().Commit(context.Background(), ch); err != nil {
		t.Fatal(err)
	}
	f.until(3 * time.Minute)
	if old, own := f.caseOf(one), f.caseOf(two); own.ID != id || old.Total != 1 || old.Firing != 1 || own.Firing != 1 || own.State != cases.New {
		t.Errorf("after the split: %+v and %+v", old, own)
	}
	f.end(10*time.Minute, one, two)
	f.until(30 * time.Hour) // both are closed by then
	f.fire(40*time.Hour, one)
	f.fire(40*time.Hour+time.Minute, two)
	f.until(41 * time.Hour)
	if f.caseOf(one).ID == f.caseOf(two).ID {
		t.Error("they were merged again")
	}
	order.Take = nil
	if _, _, err := stage.Split(order, rules()); err == nil {
		t.Error("a split of nothing")
	}
	order.Take = []string{members[0].Identity.String(), members[1].Identity.String()}
	if _, _, err := stage.Split(order, rules()); err == nil {
		t.Error("a split of everything")
	}
}

package api

import (
	"context"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/foreshock/foreshock/webhook/alert"
	"github.com/foreshock/foreshock/webhook/cases"
	"github.com/foreshock/foreshock/webhook/policy"
)

// noises keeps mutes, and one case of two alerts; what is not overridden here is not asked.
type noises struct {
	NoiseStore
	mu      sync.Mutex
	orders  []cases.MuteOrder
	changes []cases.Change
}

func (n *noises) Mutes(context.Context, time.Time) ([]cases.MuteOrder, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return append([]cases.MuteOrder{}, n.orders...), nil
}

func (n *noises) Mute(_ context.Context, id string) (cases.MuteOrder, error) {
	for _, o := range n.orders {
		if o.ID == id {
			return o, nil
		}
	}
	return cases.MuteOrder{}, cases.ErrNotFound
}

func (n *noises) Case(_ context.Context, id string) (cases.Case, error) {
	if id != "C1" {
		return cases.Case{}, cases.ErrNotFound
	}
	return hostile().Case, nil
}

func (n *noises) Members(context.Context, string, int) ([]cases.Alert, error) {
	one := hostile().Alerts[0]
	other := one
	other.Identity.Fingerprint, other.Joined = "f2", cases.Membership{How: "similar", Evidence: "the same words"}
	other.Last.Labels = alert.Labels{"alertname": "Other"}
	return []cases.Alert{one, other}, nil
}

func (n *noises) Commit(_ context.Context, ch cases.Change) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.orders, n.changes = append(n.orders, ch.Mutes...), append(n.changes, ch)
	return nil
}

// Mutes by form: what is written is what is stored; mistakes are told; a mute in force that holds P0 is said in red.
func TestMuteForm(t *testing.T) {
	t.Parallel()
	s := settings()
	s.Channels = []string{"ops"}
	b := start(t, s)
	b.stories["C1"] = hostile()
	token, cookie := b.token(t)
	post := func(path string, form url.Values) (int, string) {
		t.Helper()
		form.Set("token", token)
		return b.post(t, path, strings.NewReader(form.Encode()), "Content-Type", "application/x-www-form-urlencoded", "Cookie", cookie)
	}
	if _, text := b.get(t, "/mutes"); strings.Contains(text, `class="warning"`) || !strings.Contains(text, "Nothing is muted") {
		t.Error("a warning, and nothing is muted")
	}
	good := url.Values{"name": {"deploy"}, "owner": {"ann"}, "match": {"service=\"a\"\n\njob=~\"b|c\""}, "grade": {"P0", "P1"}, "channel": {"ops"}, "for": {"2h"}, "note": {"n"}}
	if code, _ := post("/mutes", good); code != 200 || len(b.noise.orders) != 1 {
		t.Fatalf("a good one: %d, %+v", code, b.noise.orders)
	}
	o := b.noise.orders[0]
	if o.Name != "deploy" || o.Owner != "ann" || len(o.Match) != 2 || o.Match[1].String() != `job=~"b|c"` || len(o.Grades) != 2 || o.Channels[0] != "ops" || !o.Ends.Equal(clock.Add(2*time.Hour)) || o.Note != "n" {
		t.Errorf("stored: %+v", o)
	}
	if _, text := b.get(t, "/mutes"); !strings.Contains(text, `class="warning"`) || !strings.Contains(text, "/end") || !strings.Contains(text, "channel ops") {
		t.Error("the page lacks the warning, the button or what is muted")
	}
	for field, want := range map[string][2]string{
		"match": {"service", "match: "}, "grade": {"P9", "want one of P0"}, "channel": {"none", "want one of ops"}, "for": {"soon", "want a duration"}, "name": {"", "name: is empty"},
	} {
		form := url.Values{}
		for k, v := range good {
			form[k] = v
		}
		form[field] = []string{want[0]}
		if code, text := post("/mutes", form); code != 400 || !strings.Contains(text, want[1]) {
			t.Errorf("%s %q: %d, want 400 with %q", field, want[0], code, want[1])
		}
	}
	if code, _ := post("/mutes/"+o.ID+"/end", url.Values{"by": {"bob"}}); code != 200 {
		t.Errorf("ending it: %d", code)
	}
	if last := b.noise.orders[len(b.noise.orders)-1]; last.EndedBy != "bob" || !last.Ends.Equal(clock) {
		t.Errorf("ended: %+v", last)
	}
	if code, text := post("/mutes", url.Values{"name": {"x"}, "owner": {"ann"}, "grade": {"P3"}, "for": {"100000d"}}); code != 400 || !strings.Contains(text, "at most 90d from now") {
		t.Errorf("too long: %d, %s", code, text)
	}
	if len(b.noise.changes) != 2 || len(b.noise.changes[0].Events) != 1 || len(b.noise.changes[1].Events) != 1 {
		t.Fatalf("each change wants one line in the audit log: %+v", b.noise.changes)
	}
	given, ended := b.noise.changes[0].Events, b.noise.changes[1].Events
	if e := given[0]; e.Kind != cases.MuteGiven || e.Actor != "anonymous" || e.Via != cases.ViaPage || e.Origin == "" || e.To != o.ID || !strings.Contains(e.Note, "deploy") || !strings.Contains(e.Note, "P0") {
		t.Errorf("giving it: %+v", e)
	}
	if e := ended[0]; e.Kind != cases.MuteEnded || e.Actor != "bob" || e.Via != cases.ViaPage || e.From != o.ID {
		t.Errorf("ending it: %+v", e)
	}
	if code, _ := post("/mutes/none/end", url.Values{}); code != 404 {
		t.Errorf("ending none: %d", code)
	}
}

// Muting a case mutes what has its labels, up to its grade, and never a whole grade everywhere.
func TestHush(t *testing.T) {
	t.Parallel()
	o := order{CaseID: "C1", On: cases.Hush, By: "ann", Via: cases.ViaPage, At: clock}
	c := cases.Case{ID: "C1", State: cases.New, Grade: policy.P2, Labels: alert.Labels{"service": "db", "no matcher": "x"}}
	ch, _, err := decide(cases.Story{Case: c}, o, policy.Rules{})
	if err != nil || len(ch.Mutes) != 1 {
		t.Fatal(err, ch.Mutes)
	}
	m := ch.Mutes[0]
	if err := m.Validate(); err != nil || len(m.Match) != 1 || m.Match[0].String() != `service="db"` || !m.Ends.Equal(clock.Add(time.Hour)) {
		t.Errorf("%+v, %v", m, err)
	}
	for g, want := range map[policy.Grade]bool{policy.P0: false, policy.P1: false, policy.P2: true, policy.P3: true} {
		if got := m.Covers(g, alert.Labels{"service": "db"}); got != want {
			t.Errorf("%s is muted: %v", g, got)
		}
	}
	for _, labels := range []alert.Labels{nil, {"no matcher": "x"}} {
		c.Labels = labels
		ch, _, err := decide(cases.Story{Case: c}, o, policy.Rules{})
		if err == nil || !strings.Contains(err.Error(), "no label in common") || len(ch.Mutes) > 0 || len(ch.Cases) > 0 {
			t.Errorf("%v: %v, %+v", labels, err, ch.Mutes)
		}
	}
}

// The button of a merged alert takes it out of the case.
func TestSplitForm(t *testing.T) {
	t.Parallel()
	b := start(t, settings())
	s := hostile()
	s.Alerts, _ = b.noise.Members(t.Context(), "C1", 2)
	s.Case.Mute, s.Case.MutedBy, s.Case.MutedUntil = "deploy", hostileText, clock.Add(time.Hour)
	s.Case.Origin, s.Case.Base, s.Case.BaseReason = `service="db"`, policy.P1, "severity"
	b.stories["C1"] = s
	token, cookie := b.token(t)
	_, text := b.get(t, "/cases/C1")
	for _, want := range []string{"similar text", "the same words", `value="default/f2"`, "nobody is told of this case", "service=&#34;db&#34;"} {
		if !strings.Contains(text, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	form := url.Values{"token": {token}, "alert": {"default/f2"}, "by": {"ann"}}
	if code, _ := b.post(t, "/splits/C1", strings.NewReader(form.Encode()), "Content-Type", "application/x-www-form-urlencoded", "Cookie", cookie); code != 404 { // the new case is not in this store
		t.Errorf("split: %d", code)
	}
	if len(b.noise.changes) != 1 || len(b.noise.changes[0].Cases) != 2 {
		t.Errorf("changes: %+v", b.noise.changes)
	}
	form.Set("alert", "default/none")
	if code, _ := b.post(t, "/splits/C1", strings.NewReader(form.Encode()), "Content-Type", "application/x-www-form-urlencoded", "Cookie", cookie); code != 400 {
		t.Errorf("an alert of another case: %d", code)
	}
}

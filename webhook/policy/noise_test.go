package policy_test

import (
	"strings"
	"testing"
	"time"

	"github.com/foreshock/foreshock/webhook/alert"
	"github.com/foreshock/foreshock/webhook/policy"
)

func must[T any](t *testing.T, read func([]byte) error, v *T, text string) T {
	t.Helper()
	if err := read([]byte(text)); err != nil {
		t.Fatal(err)
	}
	return *v
}

// Nights of Berlin over the change of clocks on 2026-10-25 (at 01:00 UTC), and Christmas.
func TestCalendar(t *testing.T) {
	t.Parallel()
	var from, to policy.Clock
	var day policy.Date
	c := policy.Calendar{
		Weekly: []policy.Window{{From: must(t, from.UnmarshalText, &from, "22:00"), To: must(t, to.UnmarshalText, &to, "07:00")}},
		Dates:  []policy.Date{must(t, day.UnmarshalText, &day, "2026-12-25")}, Zone: "Europe/Berlin",
	}
	at := func(text string) time.Time {
		v, err := time.Parse(time.RFC3339, text)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	for text, want := range map[string]bool{
		"2026-10-24T19:59:00Z": false, // 21:59
		"2026-10-24T20:00:00Z": true,  // 22:00 in summer
		"2026-10-25T05:59:00Z": true,  // 06:59 in winter
		"2026-10-25T06:00:00Z": false,
		"2026-12-25T12:00:00Z": true,
		"2026-12-26T12:00:00Z": false,
	} {
		if got := c.Contains(at(text)); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
	if got := c.Until(at("2026-10-24T20:00:00Z"), 24*time.Hour); !got.Equal(at("2026-10-25T06:00:00Z")) {
		t.Errorf("the night ends at %v", got)
	}
	if got := (policy.Calendar{}).Until(at("2026-10-24T20:00:00Z"), time.Hour); !got.Equal(at("2026-10-24T21:00:00Z")) {
		t.Errorf("always, but at most an hour: %v", got)
	}
	if err := day.UnmarshalText([]byte("25.12.2026")); err == nil {
		t.Error("a date that is none")
	}
}

func TestMutes(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	db, err := policy.ParseMatcher(`team="db"`)
	if err != nil {
		t.Fatal(err)
	}
	ms := policy.Mutes{
		{Name: "short", Owner: "ann", Match: []policy.Matcher{db}, Ends: now.Add(time.Hour)},
		{Name: "long", Owner: "bob", Match: []policy.Matcher{db}, Grades: []policy.Grade{policy.P2}, Ends: now.Add(2 * time.Hour)},
		{Name: "over", Owner: "eve", Match: []policy.Matcher{db}, Ends: now},
		{Name: "later", Owner: "eve", Match: []policy.Matcher{db}, Starts: now.Add(time.Minute), Ends: now.Add(3 * time.Hour)},
		{Name: "route", Owner: "eve", Routes: []string{"noisy"}, Ends: now.Add(time.Hour)},
		{Name: "person", Owner: "ann", People: []string{"ann"}, Ends: now.Add(time.Hour)},
	}
	labels := alert.Labels{"team": "db"}
	if m, ok := ms.Whole(now, policy.P2, labels); !ok || m.Name != "long" {
		t.Errorf("P2: %q, want the one that ends last", m.Name)
	}
	if m, ok := ms.Whole(now, policy.P0, labels); !ok || m.Name != "short" {
		t.Errorf("P0: %q", m.Name)
	}
	if m, ok := ms.Whole(now, policy.P0, alert.Labels{"team": "web"}); ok {
		t.Errorf("another team: %q", m.Name)
	}
	other := alert.Labels{"team": "web"}
	for _, tc := range []struct {
		to   policy.Listener
		want string
	}{
		{policy.Listener{Routes: []string{"noisy"}, Channel: "chat"}, "route"},
		{policy.Listener{Routes: []string{"noisy", "quiet"}, Channel: "chat"}, ""}, // the other route speaks
		{policy.Listener{Person: "ann"}, "person"},
		{policy.Listener{Person: "bob", Channel: "chat"}, ""},
	} {
		if m, _ := ms.Holds(now, policy.P1, other, tc.to); m.Name != tc.want {
			t.Errorf("%+v: held by %q, want %q", tc.to, m.Name, tc.want)
		}
	}
	for want, m := range map[string]policy.Mute{
		"name: is empty":   {Owner: "a", Match: []policy.Matcher{db}, Ends: now},
		"owner: is empty":  {Name: "a", Match: []policy.Matcher{db}, Ends: now},
		"ends: is missing": {Name: "a", Owner: "a", Match: []policy.Matcher{db}},
		"is not after":     {Name: "a", Owner: "a", Match: []policy.Matcher{db}, Starts: now, Ends: now},
		"match: is empty":  {Name: "a", Owner: "a", Ends: now},
		"within.zone":      {Name: "a", Owner: "a", Match: []policy.Matcher{db}, Ends: now, Within: policy.Calendar{Zone: "Mars/Olympus"}},
	} {
		if err := m.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

// Rules apply in order, each to what the one before left; unknown does not apply, and is said.
func TestRegraded(t *testing.T) {
	t.Parallel()
	rules := []policy.RegradeRule{
		{Name: "gold", Tiers: []string{"gold"}, Raise: 1},
		{Name: "wide", Services: 3, To: "P0"},
		{Name: "asked", PromQL: policy.Query{Expr: "x"}, Raise: 3},
		{Name: "calm", Grades: []policy.Grade{policy.P1}, Lower: 3},
	}
	for _, tc := range []struct {
		f     policy.Facts
		want  policy.Grade
		why   string
		waits bool
	}{
		{policy.Facts{}, policy.P2, "asked: unknown (promql: nobody was asked), not applied", true},
		{policy.Facts{Tiers: []string{"gold"}}, policy.P3, "P2 → P1: gold", true},
		{policy.Facts{Services: 3}, policy.P0, "P2 → P0: wide", true},
		{policy.Facts{Ask: func(int, string, policy.Query) policy.Answer { return policy.Answer{Holds: policy.No} }}, policy.P2, "base", true},
		{policy.Facts{Ask: func(int, string, policy.Query) policy.Answer { return policy.Answer{Holds: policy.Yes, Why: "x is 1"} }}, policy.P0, "P2 → P0: asked (x is 1)", true},
	} {
		got := policy.Regraded(rules, policy.P2, "base", tc.f)
		if got.Grade != tc.want || !strings.Contains(string(got.Reason), tc.why) || got.Waits != tc.waits {
			t.Errorf("%+v: %s by %q, waits %v; want %s by %q", tc.f, got.Grade, got.Reason, got.Waits, tc.want, tc.why)
		}
	}
	for want, r := range map[string]policy.RegradeRule{
		"name": {Raise: 1}, "exactly one": {Name: "x"}, "exactly one of": {Name: "x", Raise: 1, Lower: 1}, "to: got": {Name: "x", To: "P9"},
		"promql.timeout": {Name: "x", Raise: 1, PromQL: policy.Query{Expr: "x", Timeout: policy.Duration(time.Minute)}},
	} {
		if err := r.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", r, err, want)
		}
	}
}

package policy_test

import (
	"encoding/json"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"github.com/foreshock/foreshock/webhook/alert"
	"github.com/foreshock/foreshock/webhook/policy"
)

func TestBySeverity(t *testing.T) {
	t.Parallel()
	for severity, want := range map[string]policy.Grade{
		"critical": policy.P0, "Critical": policy.P0, " page ": policy.P0, "error": policy.P1, "high": policy.P1, "warning": policy.P2,
		"info": policy.P3, "none": policy.P3, "": policy.P2, "purple": policy.P2, "P1": policy.P1,
	} {
		if got, why := policy.BySeverity(severity); got != want || why == "" {
			t.Errorf("BySeverity(%q) = %s (%s), want %s", severity, got, why, want)
		}
	}
}

func rules(t *testing.T, text string) policy.Rules {
	t.Helper()
	r := policy.DefaultRules()
	d := yaml.NewDecoder(strings.NewReader(text))
	d.KnownFields(true)
	if err := d.Decode(&r); err != nil {
		t.Fatal(err)
	}
	return r
}

const example = `
grades:
  - match: ['team="db"', 'severity=~"warn.*"']
    grade: P1
routes:
  - name: night
    match: ['alertname!="Watchdog"']
    grades: [P0]
    channels: [pager, slack]
    continue: true
  - name: db
    match: ['team=db']
    channels: [slack, db]
  - name: rest
    channels: [log]
close_after: 1d
retry: {base: 2s, max: 1m, max_attempts: 7, max_age: 1h30m}
`

func TestRules(t *testing.T) {
	t.Parallel()
	r := rules(t, example)
	if err := r.Validate([]string{"pager", "slack", "db", "log"}); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		labels   alert.Labels
		grade    policy.Grade
		why      policy.Reason
		channels []string
		routes   []string
	}{
		{alert.Labels{"team": "db", "severity": "warning"}, policy.P1, `rule 1: team="db", severity=~"warn.*"`, []string{"slack", "db"}, []string{"db"}},
		{alert.Labels{"team": "db", "severity": "critical"}, policy.P0, `severity="critical"`, []string{"pager", "slack", "db"}, []string{"night", "db"}},
		{alert.Labels{"severity": "critical", "alertname": "Watchdog"}, policy.P0, `severity="critical"`, []string{"log"}, []string{"rest"}},
		{alert.Labels{}, policy.P2, "no severity label", []string{"log"}, []string{"rest"}},
	} {
		g, why := r.Grade(tc.labels)
		channels, routes := r.Channels(g, tc.labels)
		if g != tc.grade || why != tc.why {
			t.Errorf("%v: %s (%s), want %s (%s)", tc.labels, g, why, tc.grade, tc.why)
		}
		if d := cmp.Diff(tc.channels, channels) + cmp.Diff(tc.routes, routes); d != "" {
			t.Errorf("%v (-want +got):\n%s", tc.labels, d)
		}
	}
	if r.CloseAfter != policy.Duration(24*time.Hour) || r.Retry.MaxAge != policy.Duration(90*time.Minute) {
		t.Errorf("durations %s, %s", r.CloseAfter, r.Retry.MaxAge)
	}
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var back policy.Rules
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	again, _ := json.Marshal(back)
	if string(again) != string(text) {
		t.Errorf("rules do not survive JSON:\n%s\n%s", text, again)
	}
}

func TestValidate(t *testing.T) {
	t.Parallel()
	for change, want := range map[string]string{
		"routes: []": "routes: is empty",
		"routes: [{name: a, channels: [log], match: ['a=b']}]":     "some alerts would reach nobody",
		"routes: [{name: a, channels: [log], grades: [P0]}]":       "some alerts would reach nobody",
		"routes: [{name: a, channels: [fax]}]":                     `routes[0].channels: unknown channel "fax": want one of db, log`,
		"routes: [{channels: [log]}]":                              "routes[0].name: is empty",
		"routes: [{name: a}, {name: a}]":                           `routes[1].name: "a" is taken`,
		"grades: [{grade: P0}]":                                    "grades[0].match: is empty",
		"close_after: 0s":                                          `close_after: "0s"`,
		"retry: {base: 0s, max: 1m, max_attempts: 1, max_age: 1m}": `retry.base: "0s"`,
		"retry: {base: 5m, max: 1m, max_attempts: 1, max_age: 1m}": `retry.max: "1m": want at least retry.base (5m)`,
		"retry: {base: 1s, max: 1m, max_attempts: 0, max_age: 1m}": "retry.max_attempts: 0",
		"retry: {base: 1s, max: 1m, max_attempts: 1, max_age: 0s}": `retry.max_age: "0s"`,
	} {
		r := policy.DefaultRules("log")
		if err := yaml.Unmarshal([]byte(change), &r); err != nil {
			t.Fatal(err)
		}
		if err := r.Validate([]string{"log", "db"}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want ... %s", change, err, want)
		}
	}
	if err := policy.DefaultRules("log").Validate([]string{"log"}); err != nil {
		t.Errorf("the default is not valid: %v", err)
	}
}

func TestMatcher(t *testing.T) {
	t.Parallel()
	l := alert.Labels{"a": "x", "empty": "", "nl": "one\ntwo"}
	for text, want := range map[string]bool{
		`a="x"`: true, `a=x`: true, `a = "x"`: true, `a!="x"`: false, `a=~"x|y"`: true, `a=~"."`: true, `a=~""`: false, `a!~"y"`: true, `a=~"X"`: false,
		`none=""`: true, `none!=""`: false, `none=~".+"`: false, `empty=""`: true, `nl=~"one.two"`: true, `a=~"xx"`: false, `a="x\""`: false,
	} {
		m, err := policy.ParseMatcher(text)
		if err != nil {
			t.Errorf("ParseMatcher(%q): %v", text, err)
			continue
		}
		if got := m.Matches(l); got != want {
			t.Errorf("%s on %v = %v", text, l, got)
		}
		back, err := policy.ParseMatcher(m.String())
		if err != nil || back.String() != m.String() || back.Matches(l) != want {
			t.Errorf("%q is read back as %q, %v", m, back, err)
		}
	}
	for _, text := range []string{"", "a", "=x", `a~"x"`, `a="x`, `a=~"("`, `a b="x"`, "!"} {
		if _, err := policy.ParseMatcher(text); err == nil || !strings.Contains(err.Error(), "want name=") {
			t.Errorf("ParseMatcher(%q) = %v", text, err)
		}
	}
	if (policy.Matcher{}).Matches(l) {
		t.Error("the zero matcher matches")
	}
}

func TestRetryNext(t *testing.T) {
	t.Parallel()
	r := policy.Retry{Base: policy.Duration(time.Second), Max: policy.Duration(10 * time.Second), MaxAttempts: 100, MaxAge: policy.Duration(time.Hour)}
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	for attempt, ceiling := range map[int]time.Duration{1: time.Second, 2: 2 * time.Second, 3: 4 * time.Second, 4: 8 * time.Second, 5: 10 * time.Second, 90: 10 * time.Second} {
		rnd := rand.New(rand.NewPCG(1, uint64(attempt)))
		var low, high time.Duration = time.Hour, 0
		for range 2000 {
			at, ok := r.Next(policy.Failure{Attempt: attempt, First: now, Now: now}, rnd)
			if !ok {
				t.Fatalf("attempt %d: given up", attempt)
			}
			low, high = min(low, at.Sub(now)), max(high, at.Sub(now))
		}
		if low < 0 || high > ceiling || low > ceiling/100 || high < ceiling*99/100 {
			t.Errorf("attempt %d: waits from %v to %v, want all of 0 to %v", attempt, low, high, ceiling)
		}
	}
	rnd := rand.New(rand.NewPCG(1, 1))
	for range 100 {
		at, ok := r.Next(policy.Failure{Attempt: 1, First: now, Now: now, RetryAfter: 5 * time.Minute}, rnd)
		if wait := at.Sub(now); !ok || wait < 5*time.Minute || wait > 5*time.Minute+time.Second {
			t.Fatalf("Retry-After of 5 min: %v, %v", wait, ok)
		}
	}
	for name, f := range map[string]policy.Failure{
		"permanent": {Attempt: 1, First: now, Now: now, Permanent: true},
		"attempts":  {Attempt: 100, First: now, Now: now},
		"age":       {Attempt: 1, First: now.Add(-2 * time.Hour), Now: now},
		"age used":  {Attempt: 1, First: now.Add(-time.Hour), Now: now, RetryAfter: time.Minute},
	} {
		if at, ok := r.Next(f, rnd); ok {
			t.Errorf("%s: tried again at %v", name, at)
		}
	}
	// One last try at the end of the age.
	if at, ok := r.Next(policy.Failure{Attempt: 1, First: now.Add(-time.Minute), Now: now, RetryAfter: 2 * time.Hour}, rnd); !ok || !at.Equal(now.Add(59*time.Minute)) {
		t.Errorf("Retry-After past the age: %v, %v", at, ok)
	}
	one, two := rand.New(rand.NewPCG(7, 7)), rand.New(rand.NewPCG(7, 7))
	a, _ := r.Next(policy.Failure{Attempt: 3, First: now, Now: now}, one)
	b, _ := r.Next(policy.Failure{Attempt: 3, First: now, Now: now}, two)
	if !a.Equal(b) {
		t.Error("the same seed gives another time")
	}
}

func TestGradeText(t *testing.T) {
	t.Parallel()
	for _, g := range policy.Grades() {
		var back policy.Grade
		text, _ := g.MarshalText()
		if err := back.UnmarshalText(text); err != nil || back != g {
			t.Errorf("%s is read back as %s, %v", g, back, err)
		}
	}
	var g policy.Grade
	if err := g.UnmarshalText([]byte("P4")); err == nil || !strings.Contains(err.Error(), "P0, P1, P2, P3") {
		t.Errorf("P4: %v", err)
	}
}

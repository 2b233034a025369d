package cases_test

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/foreshock/foreshock/webhook/cases"
)

// page is the documentation, by heading.
func page(t *testing.T, heading string) string {
	t.Helper()
	b, err := os.ReadFile("../../docs/cases.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(b), "\n## "+heading+"\n")
	if !found {
		t.Fatalf("docs/cases.md has no section %q", heading)
	}
	section, _, _ = strings.Cut(section, "\n## ")
	return section
}

func rows(section string) string {
	var out []string
	for line := range strings.Lines(section) {
		if strings.HasPrefix(line, "| ") && !strings.HasPrefix(line, "| from") {
			out = append(out, strings.TrimSpace(line))
		}
	}
	return strings.Join(out, "\n")
}

func TestDocumentedTables(t *testing.T) {
	t.Parallel()
	var c, a []string
	for _, r := range cases.CaseTable() {
		c = append(c, fmt.Sprintf("| %s | %s | %s |", r.From, r.On, r.To))
	}
	for _, r := range cases.ActionTable() {
		a = append(a, fmt.Sprintf("| %s | %s | %s |", r.From, r.On, r.To))
	}
	if d := cmp.Diff(strings.Join(c, "\n"), rows(page(t, "Case"))); d != "" {
		t.Errorf("docs/cases.md, Case (-code +page):\n%s", d)
	}
	if d := cmp.Diff(strings.Join(a, "\n"), rows(page(t, "Action"))); d != "" {
		t.Errorf("docs/cases.md, Action (-code +page):\n%s", d)
	}
}

// A table is a machine: deterministic, every state is reached from the first
// one, and only the ends that are meant have no way out.
func TestTables(t *testing.T) {
	t.Parallel()
	type edge struct{ from, on, to string }
	check := func(name, first string, states []string, ends map[string]bool, edges []edge) {
		seen, reached, out := map[string]bool{}, map[string]bool{first: true}, map[string]bool{}
		for range states {
			for _, e := range edges {
				if reached[e.from] {
					reached[e.to] = true
				}
			}
		}
		for _, e := range edges {
			if seen[e.from+" "+e.on] {
				t.Errorf("%s: %s on %s twice", name, e.from, e.on)
			}
			seen[e.from+" "+e.on], out[e.from] = true, true
		}
		for _, s := range states {
			if !reached[s] {
				t.Errorf("%s: %s is never reached", name, s)
			}
			if out[s] == ends[s] {
				t.Errorf("%s: %s: way out %v, an end %v", name, s, out[s], ends[s])
			}
		}
	}
	var ce, ae []edge
	var cs, as []string
	for _, r := range cases.CaseTable() {
		ce = append(ce, edge{string(r.From), string(r.On), string(r.To)})
	}
	for _, r := range cases.ActionTable() {
		ae = append(ae, edge{string(r.From), string(r.On), string(r.To)})
	}
	for _, s := range cases.States() {
		cs = append(cs, string(s))
	}
	for _, s := range cases.ActionStates() {
		as = append(as, string(s))
	}
	check("case", "new", cs, map[string]bool{}, ce)
	check("action", "due", as, map[string]bool{"done": true, "dead": true}, ae)
}

func TestNext(t *testing.T) {
	t.Parallel()
	if s, err := cases.NextState(cases.Resolved, cases.Reopen); err != nil || s != cases.New {
		t.Errorf("reopen: %s, %v", s, err)
	}
	if s, err := cases.NextState(cases.New, cases.Close); err == nil || s != cases.New || err.Error() != "a case that is new cannot close" {
		t.Errorf("closing a new case: %s, %v", s, err)
	}
	if s, err := cases.NextActionState(cases.Running, cases.Lose); err != nil || s != cases.Unknown {
		t.Errorf("lose: %s, %v", s, err)
	}
	if _, err := cases.NextActionState(cases.Done, cases.Claim); err == nil {
		t.Error("what is done is claimed")
	}
}

func TestAlertFiring(t *testing.T) {
	t.Parallel()
	at := func(s int) time.Time { return time.Unix(int64(1000+s), 0) }
	for name, tc := range map[string]struct {
		a                    cases.Alert
		firing, contradicted bool
	}{
		"nothing known":        {cases.Alert{}, false, false},
		"only fired":           {cases.Alert{LastFired: at(1)}, true, false},
		"only ended":           {cases.Alert{LastEnded: at(1)}, false, false},
		"over":                 {cases.Alert{LastFired: at(1), LastEnded: at(2)}, false, false},
		"again":                {cases.Alert{LastFired: at(3), LastEnded: at(2)}, true, false},
		"disbelieved":          {cases.Alert{LastFired: at(1), LastEnded: at(2), Disbelieved: at(2)}, true, true},
		"disbelieved, then up": {cases.Alert{LastFired: at(3), LastEnded: at(2), Disbelieved: at(2)}, true, false},
		"newer end":            {cases.Alert{LastFired: at(1), LastEnded: at(4), Disbelieved: at(2)}, false, false},
	} {
		if tc.a.Firing() != tc.firing || tc.a.Contradicted() != tc.contradicted {
			t.Errorf("%s: firing %v, contradicted %v", name, tc.a.Firing(), tc.a.Contradicted())
		}
	}
}

func TestSendError(t *testing.T) {
	t.Parallel()
	cause := errors.New("no route")
	if e := cases.AsSendError(cause); e.Permanent || e.RetryAfter != 0 || !errors.Is(e, cause) {
		t.Errorf("plain error: %+v", e)
	}
	wrapped := fmt.Errorf("slack: %w", cases.Later(time.Minute, cases.Receipt{Status: 429}, "asked for it: %w", cause))
	if e := cases.AsSendError(wrapped); e.RetryAfter != time.Minute || e.Receipt.Status != 429 || e.Permanent || !errors.Is(wrapped, cause) {
		t.Errorf("later: %+v", e)
	}
	if e := cases.AsSendError(cases.Rejected(cases.Receipt{}, "no")); !e.Permanent || e.Error() != "no" {
		t.Errorf("rejected: %+v", e)
	}
}

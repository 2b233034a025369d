package scorer

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/foreshock/foreshock/pkg/detect"
)

// Every problem of a file is told at once: one sentence with place, field, value and what is allowed.
func TestProblems(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, text, want string }{
		{"empty", "", `f:1: the file is empty, want a list of rules`},
		{"not yaml", "rules: [", `f:1: not valid YAML: did not find expected node content`},
		{"scalar", "5", `f:1: the file: got "5", want fields: prometheus, remote_write, defaults, rules`},
		{"no rules", "prometheus: {url: http://a}", `f:1: field "rules": want a list of at least one rule`},
		{"unknown section", "rulez: []\nrules: [{name: a, expr: up}]", `f:1: the file: unknown field "rulez", want one of prometheus, remote_write, defaults, rules`},
		{"password", "prometheus: {url: 'ftp://u:secret@h'}\nrules: [{name: a, expr: up}]", `f:1: field "prometheus.url": got "ftp://u:xxxxx@h", want an address like http://prometheus:9090`},
		{"unknown field", "rules:\n- name: a\n  exprr: up\n  expr: up", `f:3: rule "a": unknown field "exprr", want one of name, kind, expr, clean, group_by, detector, interval, selftest, selftest_reason, max_series, step, train, refit, min_train, zone, params, policy, labels, dimensions`},
		{"twice", "rules:\n- name: a\n  expr: up\n  expr: up", `f:4: rule "a": field "expr" stands there twice, first in line 3`},
		{"no name", "rules:\n- expr: up", `f:2: rule "#1": field "name": got nothing, want a name that no other rule has`},
		{"no expr", "rules:\n- name: a", `f:2: rule "a": field "expr": got nothing, want a PromQL expression`},
		{"same name", "rules:\n- {name: a, expr: up}\n- {name: a, expr: up}", `f:3: rule "a": field "name": got "a", want a name that no other rule has: so does the rule in line 2`},
		{"promql", "rules:\n- name: a\n  expr: sum(up", `f:3: rule "a": field "expr": got "sum(up": not valid PromQL: unclosed left parenthesis`},
		{"matrix", "rules:\n- {name: a, expr: 'up[5m]'}", `f:2: rule "a": field "expr": got "up[5m]": gives a matrix, want an instant vector or a scalar`},
		{"range", "rules:\n- {name: a, expr: 'up @ end()'}", `f:2: rule "a": field "expr": got "up @ end()": @ start() and @ end() depend on the range that is asked for, want a fixed time or none`},
		{"future", "rules:\n- {name: a, expr: 'max_over_time(up[5m:1m] offset -1m)'}", `f:2: rule "a": field "expr": got "max_over_time(up[5m:1m] offset -1m)": a negative offset reads later samples, want offset 0 or more`},
		{"bare number", "rules:\n- name: a\n  expr: up\n  step: 60", `f:4: rule "a": field "step": got 60, want a duration like 90s, 5m, 12h or 7d`},
		{"two of a kind", "rules:\n- name: a\n  expr: up\n  policy:\n    n: 0\n    direction: left", `f:5: rule "a": policy: field "n": got 0, want 1 to 1000 samples
f:6: rule "a": policy: field "direction": got "left", want one of both, up, down`},
		{"n above m", "rules:\n- {name: a, expr: up, policy: {n: 6}}", `f:2: rule "a": policy: field "n": got 6, want at most m, which is 5`},
		{"coarse step", "rules:\n- name: a\n  expr: up\n  step: 12h\n  policy: {n: 2}", `f:5: rule "a": policy: field "horizon": got 1d, want at least (m + recover_samples) × step, which is 5d`},
		{"unknown detector", "rules:\n- {name: a, expr: up, detector: magic}", `f:2: rule "a": field "detector": unknown detector "magic": want one of ` + strings.Join(detect.Detectors.Names(), ", ")},
		{"param", "rules:\n- {name: a, expr: up, params: {budgett: 1}}", `f:2: rule "a": params: unknown field "budgett": want one of ` + strings.Join(namesOf(&detect.Auto{}), ", ")},
		{"interval", "rules:\n- {name: a, expr: up, step: 1m, interval: 90s}", `f:2: rule "a": field "interval": got 1m30s, want a multiple of the step, which is 1m`},
		{"reserved", "rules:\n- {name: a, expr: up, labels: {replica: x}}", `f:2: rule "a": labels: got "replica", want another name: rule, replica and __name__ are set by the scorer`},
		{"defaults once", "defaults: {step: 1x}\nrules:\n- {name: a, expr: up}\n- {name: b, expr: up}", `f:1: defaults: field "step": got "1x", want a duration like 90s, 5m, 12h or 7d`},
		{"defaults name", "defaults: {name: x}\nrules: [{name: a, expr: up}]", `f:1: defaults: unknown field "name", want one of kind, clean, group_by, detector, interval, selftest, selftest_reason, max_series, step, train, refit, min_train, zone, policy, labels`},
		{"http", "prometheus:\n  url: http://a\n  http_config:\n    basic_auth:\n      usernam: x\nrules: [{name: a, expr: up}]", `f:5: prometheus.http_config: unknown field "usernam", want those of Prometheus' http_config (basic_auth, authorization, oauth2, tls_config, proxy_url, http_headers …)`},
		{"kind", "rules:\n- {name: a, expr: up, kind: fleet}", `f:2: rule "a": field "kind": got "fleet", want one of series, joint, peers`},
		{"detector of another kind", "rules:\n- {name: a, expr: up, kind: peers, detector: seasonal}", `f:2: rule "a": field "detector": unknown peer detector "seasonal": want one of dbscan, mad`},
		{"groups of series", "rules:\n- {name: a, expr: up, group_by: [job]}", `f:2: rule "a": field "group_by": got ["job"] with kind series, want none: each series is judged alone`},
		{"dimensions of series", "rules:\n- {name: a, dimensions: {x: up}}", `f:2: rule "a": field "dimensions": got some with kind series, want none: they are those of a vector, of kind joint`},
		{"both", "rules:\n- name: a\n  kind: joint\n  expr: up\n  dimensions: {x: up}", `f:4: rule "a": field "expr": got one besides dimensions, want either`},
		{"no dimensions", "rules:\n- {name: a, kind: joint, dimensions: {}}", `f:2: rule "a": field "dimensions": got none, want a PromQL expression for each`},
		{"nothing joint", "rules:\n- {name: a, kind: joint}", `f:2: rule "a": field "expr": got nothing, want a PromQL expression, or dimensions with one for each`},
		{"bad dimension", "rules:\n- name: a\n  kind: joint\n  dimensions:\n    x: up\n    y: 'sum(up'", `f:4: rule "a": field "dimensions.y": got "sum(up": not valid PromQL: unclosed left parenthesis`},
		{"dimension without text", "rules:\n- name: a\n  kind: joint\n  dimensions:\n    x: [up]\n    y: up", `f:5: rule "a": dimensions: field "x": got a list, want a name with a PromQL expression`},
		{"bad filter", "rules:\n- {name: a, expr: up, clean: 'up offset -5m'}", `f:2: rule "a": field "clean": got "up offset -5m": a negative offset reads later samples, want offset 0 or more`},
		{"direction of a vector", "rules:\n- name: a\n  kind: joint\n  expr: up\n  policy: {direction: up}", `f:5: rule "a": policy: field "direction": got "up", want both: a vector has no up and down`},
		{"absence of a fleet", "rules:\n- name: a\n  kind: peers\n  expr: up\n  policy: {absent: 1h}", `f:5: rule "a": policy: field "absent": got 1h, want 0: the absence of a series in a fleet is not watched; judge the series one by one for that`},
		{"remote", "remote_write: {}\nrules: [{name: a, expr: up}]", `f:1: field "remote_write.url": got nothing, want an address like http://prometheus:9090`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := Parse("f", []byte(c.text))
			var problems Problems
			if !errors.As(err, &problems) {
				t.Fatalf("got %v, want problems", err)
			}
			if diff := cmp.Diff(c.want, err.Error()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestDefaultsAreMerged(t *testing.T) {
	t.Parallel()
	c := parse(t, `
defaults: {step: 5m, refit: 1h, detector: mad, policy: {n: 1, m: 2}, labels: {team: a, env: prod}}
rules:
- {name: a, expr: up, policy: {n: 2}, labels: {team: b}}
- {name: b, expr: up, detector: seasonal, step: 1m, train: 1d}
`)
	a, b := c.Rules[0], c.Rules[1]
	if a.Policy.N != 2 || a.Policy.M != 2 || a.Step.String() != "5m" || a.Judge.Name != "mad" {
		t.Errorf("rule a: got %+v", a)
	}
	if diff := cmp.Diff(map[string]string{"team": "b", "env": "prod"}, a.Labels); diff != "" {
		t.Errorf("labels of a:\n%s", diff)
	}
	if b.Policy.N != 1 || b.Judge.Name != "seasonal" || b.Step.String() != "1m" || b.MinTrain.String() != "1d" {
		t.Errorf("rule b: got %+v", b)
	}
	if !reflect.DeepEqual(a.Judge.Policy, a.Policy) || a.Judge.Walk != a.Walk {
		t.Errorf("the judge of a has %+v and %+v, want the rule's own", a.Judge.Policy, a.Judge.Walk)
	}
}

func TestMacros(t *testing.T) {
	t.Parallel()
	c := parse(t, "prometheus: {scrape_interval: 30s}\nrules: [{name: a, expr: 'rate(x[$__rate_interval]) + rate(x[${__interval}]) + rate(x[$__range])', step: 1m, train: 2d}]")
	if got, want := c.Rules[0].Queries(c.Prometheus)[0].Expr, "rate(x[2m]) + rate(x[1m]) + rate(x[2d])"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// The example is the first thing that people copy.
func TestExample(t *testing.T) {
	t.Parallel()
	c, err := Load(filepath.Join("testdata", "detectors.yml"))
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Rules) != 3 || c.Rules[0].Policy.MinRel != 0.1 || c.Rules[0].Policy.Direction != "up" {
		t.Errorf("got %+v", c.Rules)
	}
}

// Secrets stand beside the file and appear nowhere.
func TestSecretsAreRelativeAndHidden(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "f.yml")
	text := "prometheus: {url: 'http://a', http_config: {basic_auth: {username: u, password_file: pw}}}\nrules: [{name: a, expr: up}]"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := Load(file)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := c.PrometheusHTTP.BasicAuth.PasswordFile, filepath.Join(dir, "pw"); got != want {
		t.Errorf("password file: got %s, want %s", got, want)
	}
	_, err = Parse("f", []byte("prometheus: {url: 'http://u:geheim@', http_config: {basic_auth: {password: hush, passwordd: hush}}}"))
	if err == nil || strings.Contains(err.Error(), "hush") || strings.Contains(err.Error(), "geheim") {
		t.Errorf("got %v, want problems without secrets", err)
	}
}

// No text makes the parser panic, and what it accepts can be evaluated.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{rules, "rules: [{name: a, expr: up, params: {trend: true}}]", "a: &a {b: *a}", "rules: [[]]", "defaults: {policy: []}\nrules: [{}]"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, err := Parse("f", []byte(text))
		if err != nil {
			if err.Error() == "" {
				t.Error("an error without a word")
			}
			return
		}
		for _, r := range c.Rules {
			if r.Judge.Detector == nil || r.every() <= 0 || r.Name == "" {
				t.Errorf("accepted, but cannot be evaluated: %+v", r)
			}
		}
	})
}

package main

import (
	"context"
	"encoding/json"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/promql/parser"
	"go.yaml.in/yaml/v3"
)

// lookAt checks what ships against the running chain: every metric that a dashboard or a rule names is there, every expression is one, every query of the
// plugin is answered, and everything that it runs is well.
func lookAt(ctx context.Context, t *testing.T, d *demo) {
	known := knownMetrics(ctx, t, d)
	for _, e := range shippedExpressions(t) {
		for _, name := range metricsOf(t, e) {
			if !known[name] {
				t.Errorf("%s: there is no metric %q", e.where, name)
			}
		}
		var answer struct{ Status string }
		if err := getJSON(ctx, d.stack.prometheus.URL()+"/api/v1/query?query="+url.QueryEscape(e.expr), &answer); err != nil || answer.Status != "success" {
			t.Errorf("%s: %s: %v", e.where, e.expr, err)
		}
	}
	queries := shippedQueries(t)
	if len(queries) < 8 {
		t.Errorf("%d queries of the plugin ship, want those of two dashboards and two rules", len(queries))
	}
	now := time.Now()
	for _, q := range queries {
		if _, err := d.stack.plugin.query(ctx, q.expr, now.Add(-15*time.Minute), now, 1000); err != nil {
			t.Errorf("%s: %v", q.where, err)
		}
		inner := q.inner(t)
		if inner.expr == "" { // of a kind that asks for no metric
			continue
		}
		for _, name := range metricsOf(t, inner) {
			if !known[name] {
				t.Errorf("%s: there is no metric %q", q.where, name)
			}
		}
	}
	// The exporter reads the log of the shop, has found the rise of its retries, and reads what the programs of the demo say.
	for _, expr := range []string{
		`sum(foreshock_log_template_rate_shifts_total{source="checkout"}) > 0`, `foreshock_log_lines_total{source="demo"}`,
		`count(foreshock_log_template_total{source="checkout"}) > 4`, `absent(foreshock_log_problems_total > 0)`,
	} {
		var answer struct {
			Data struct{ Result []json.RawMessage }
		}
		if err := getJSON(ctx, d.stack.prometheus.URL()+"/api/v1/query?query="+url.QueryEscape(expr), &answer); err != nil || len(answer.Data.Result) == 0 {
			t.Errorf("the logs: %s says nothing (%v)", expr, err)
		}
	}
	var targets struct {
		Data struct {
			ActiveTargets []struct{ ScrapePool, Health, LastError string }
		}
	}
	if err := getJSON(ctx, d.stack.prometheus.URL()+"/api/v1/targets", &targets); err != nil {
		t.Fatal(err)
	}
	if len(targets.Data.ActiveTargets) != 4 {
		t.Errorf("targets: %+v, want 4", targets)
	}
	for _, x := range targets.Data.ActiveTargets {
		if x.Health != "up" {
			t.Errorf("target %s is %s: %s", x.ScrapePool, x.Health, x.LastError)
		}
	}
}

// shipped is an expression, or a query of the plugin as JSON, with the variables of dashboards filled in.
type shipped struct{ where, expr string }

// inner is the PromQL of a query of the plugin.
func (s shipped) inner(t *testing.T) shipped {
	t.Helper()
	var q struct{ Expr string }
	if err := json.Unmarshal([]byte(s.expr), &q); err != nil {
		t.Fatalf("%s: %v", s.where, err)
	}
	return shipped{s.where, strings.NewReplacer("$__rate_interval", "1m", "$__interval", "1m", "$__range", "1h").Replace(q.Expr)}
}

// fill puts values into the variables of dashboards.
var fill = strings.NewReplacer("$instance", "this-host", "$source", ".*", "$__range", "1h", `"$rule"`, `".*"`)

// target of a panel; those of the plugin keep all their fields.
type panelTarget map[string]any

// dashboardTargets are those of all panels, annotations and variables.
func dashboardTargets(t *testing.T) map[string][]panelTarget {
	t.Helper()
	out := map[string][]panelTarget{}
	for _, file := range append(files(t, "dashboards/*.json"), files(t, "pkg/cmd/demo/config/*.json")...) {
		var d struct {
			Panels      []json.RawMessage
			Annotations struct {
				List []struct{ Target panelTarget }
			}
		}
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(raw, &d); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		name := filepath.Base(file)
		for _, a := range d.Annotations.List {
			out[name] = append(out[name], a.Target)
		}
		for len(d.Panels) > 0 {
			var p struct {
				Panels  []json.RawMessage
				Targets []panelTarget
			}
			if err := json.Unmarshal(d.Panels[0], &p); err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			d.Panels = append(d.Panels[1:], p.Panels...)
			out[name] = append(out[name], p.Targets...)
		}
	}
	return out
}

func shippedExpressions(t *testing.T) []shipped {
	t.Helper()
	var out []shipped
	for name, targets := range dashboardTargets(t) {
		for _, x := range targets {
			if expr, ok := x["expr"].(string); ok && x["kind"] == nil {
				out = append(out, shipped{name, strings.NewReplacer("$__rate_interval", "1m", "$__range", "1h").Replace(fill.Replace(expr))})
			}
		}
	}
	for _, file := range append(files(t, "provisioning/prometheus/rules/*.yml"), files(t, "pkg/cmd/demo/config/rules.yml")...) {
		var r struct {
			Groups []struct {
				Rules []struct{ Alert, Expr string }
			}
		}
		readYAML(t, file, &r)
		for _, g := range r.Groups {
			for _, x := range g.Rules {
				out = append(out, shipped{filepath.Base(file) + ": " + x.Alert, x.Expr})
			}
		}
	}
	var detectors struct{ Rules []struct{ Name, Expr string } }
	readYAML(t, files(t, "provisioning/foreshock/detectors.yml")[0], &detectors)
	for _, r := range detectors.Rules {
		out = append(out, shipped{"detectors.yml: " + r.Name, r.Expr})
	}
	return out
}

// shippedQueries are those that go to the plugin: of dashboards and of Grafana's alert rules.
func shippedQueries(t *testing.T) []shipped {
	t.Helper()
	var out []shipped
	add := func(where string, q map[string]any) {
		raw, err := json.Marshal(q)
		if err != nil {
			t.Fatal(err)
		}
		text := string(raw)
		if q["kind"] == "cases" { // it asks the webhook, and has variables in all of its fields
			text = strings.NewReplacer("$state", "open", "$grade", "P0", "$search", "").Replace(text)
		}
		if expr, ok := q["expr"].(string); ok {
			q["expr"] = fill.Replace(expr)
			raw, _ = json.Marshal(q)
			text = string(raw)
		}
		out = append(out, shipped{where, text})
	}
	for name, targets := range dashboardTargets(t) {
		for _, x := range targets {
			if x["kind"] != nil {
				add(name, x)
			}
		}
	}
	for _, r := range grafanaRules(t) {
		for _, q := range r.Data {
			if q.DatasourceUID == "foreshock" {
				add(r.UID, q.Model)
			}
		}
	}
	return out
}

// grafanaRule is a rule of provisioning/alerting.
type grafanaRule struct {
	UID         string
	Condition   string
	Annotations map[string]string
	Data        []struct {
		RefID         string         `yaml:"refId"`
		DatasourceUID string         `yaml:"datasourceUid"`
		Model         map[string]any `yaml:"model"`
	}
}

func grafanaRules(t *testing.T) []grafanaRule {
	t.Helper()
	var out []grafanaRule
	for _, file := range files(t, "provisioning/alerting/*.yml") {
		var f struct {
			Groups []struct{ Rules []grafanaRule }
		}
		readYAML(t, file, &f)
		for _, g := range f.Groups {
			out = append(out, g.Rules...)
		}
	}
	return out
}

func readYAML(t *testing.T, file string, out any) {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(raw, out); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
}

// metricsOf are the names in an expression.
func metricsOf(t *testing.T, e shipped) []string {
	t.Helper()
	expr, err := parser.NewParser(parser.Options{}).ParseExpr(e.expr)
	if err != nil {
		t.Errorf("%s: %s: %v", e.where, e.expr, err)
		return nil
	}
	var names []string
	parser.Inspect(expr, func(n parser.Node, _ []parser.Node) error {
		if v, ok := n.(*parser.VectorSelector); ok {
			for _, m := range v.LabelMatchers {
				if m.Name == model.MetricNameLabel && !slices.Contains(names, m.Value) {
					names = append(names, m.Value)
				}
			}
		}
		return nil
	})
	return names
}

// knownMetrics are those that the chain publishes now, and those of the exporter's golden scrape, which has hardware that this machine may lack.
func knownMetrics(ctx context.Context, t *testing.T, d *demo) map[string]bool {
	t.Helper()
	known := map[string]bool{}
	var live struct{ Data []string }
	if err := getJSON(ctx, d.stack.prometheus.URL()+"/api/v1/label/__name__/values", &live); err != nil {
		t.Fatal(err)
	}
	for _, n := range live.Data {
		known[n] = true
	}
	f, err := os.Open(filepath.Join(root(t), "exporter/testdata/golden/scrape.prom"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	p := expfmt.NewTextParser(model.UTF8Validation)
	families, err := p.TextToMetricFamilies(f)
	if err != nil {
		t.Fatal(err)
	}
	for n := range families {
		known[n] = true
	}
	return known
}

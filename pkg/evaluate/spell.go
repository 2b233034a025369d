package evaluate

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"

	"github.com/foreshock/foreshock/pkg/detect"
	"github.com/foreshock/foreshock/pkg/registry"
)

// entry is one field of a rule or a query and its value as JSON.
type entry struct {
	Name  string
	Value json.RawMessage
}

// spelled returns what a judge is told besides the expression: the detector's name, and of its options, the policy and the walk what is not the default.
func spelled(j detect.Judge) ([]entry, error) {
	e, err := detect.Detectors.Get(j.Name)
	if err != nil {
		return nil, err
	}
	var out []entry
	add := func(name string, v any) {
		raw, failed := json.Marshal(v)
		if failed != nil && err == nil {
			err = fmt.Errorf("write %s: %w", name, failed)
		}
		out = append(out, entry{name, raw})
	}
	add("detector", j.Name)
	if params := changed(e.New(), j.Detector); len(params) > 0 {
		add("params", params)
	}
	if policy := changed(detect.DefaultPolicy(), j.Policy); len(policy) > 0 {
		add("policy", policy)
	}
	walk := changed(detect.DefaultWalk(), j.Walk)
	for _, p := range registry.ParamsOf(j.Walk) {
		if v, ok := walk[p.Name]; ok {
			add(p.Name, v)
		}
	}
	return out, err
}

// changed returns the parameters of options that differ from the defaults.
func changed(defaults, options any) map[string]any {
	out := map[string]any{}
	before := registry.ParamsOf(defaults)
	for i, p := range registry.ParamsOf(options) {
		if i < len(before) && !reflect.DeepEqual(before[i].Default, p.Default) {
			out[p.Name] = p.Default
		}
	}
	return out
}

// literal writes a string as JSON and YAML read it, with the comparisons of PromQL as they are.
func literal(s string) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(s) // a string has a JSON form
	return strings.TrimSpace(b.String())
}

// RuleText writes a judge as a rule of a scorer file; clean is its filter of what fits learn from, "" for none.
func RuleText(name, expr, clean string, j detect.Judge) (string, error) {
	entries, err := spelled(j)
	if err != nil {
		return "", err
	}
	var b strings.Builder // values are JSON, which YAML contains
	fmt.Fprintf(&b, "rules:\n  - name: %s\n    expr: %s\n", literal(name), literal(expr))
	if strings.TrimSpace(clean) != "" {
		fmt.Fprintf(&b, "    clean: %s\n", literal(clean))
	}
	for _, e := range entries {
		fmt.Fprintf(&b, "    %s: %s\n", e.Name, e.Value)
	}
	return b.String(), nil
}

// QueryText writes a judge as a query of the data source; clean is its filter of what fits learn from, "" for none.
func QueryText(expr, clean string, j detect.Judge) (string, error) {
	entries, err := spelled(j)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	fmt.Fprintf(&b, `{"expr":%s`, literal(expr))
	if strings.TrimSpace(clean) != "" {
		fmt.Fprintf(&b, `,"clean":%s`, literal(clean))
	}
	for _, e := range entries {
		fmt.Fprintf(&b, ",%q:%s", e.Name, e.Value)
	}
	b.WriteByte('}')
	return b.String(), nil
}

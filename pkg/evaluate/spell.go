package evaluate

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/foreshock/foreshock/pkg/detect"
	"github.com/foreshock/foreshock/pkg/registry"
)

// entry is one field of a rule or a query and its value as JSON.
type entry struct {
	Name  string
	Value json.RawMessage
}

// Asked is what is asked of the server: one expression, or of vectors one for each dimension by its name.
type Asked struct {
	Expr       string
	Dimensions map[string]string
	// GroupBy are the labels that tell vectors or fleets apart.
	GroupBy []string
	// Clean is the filter of what fits learn from; "" for none.
	Clean string
}

// spelled returns what a rule and a query say alike: what is asked, the detector's name, and of its options, the policy and the walk what is not the default.
func spelled(from Asked, j Judge) ([]entry, error) {
	usual, err := j.With(j.Shape(), j.Name, nil)
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
	if shape := j.Shape(); shape != ShapeSeries {
		add("kind", shape)
	}
	if len(from.Dimensions) > 0 {
		out = append(out, entry{"dimensions", object(from.Dimensions)})
	} else {
		out = append(out, entry{"expr", json.RawMessage(literal(from.Expr))})
	}
	if len(from.GroupBy) > 0 {
		add("group_by", from.GroupBy)
	}
	if strings.TrimSpace(from.Clean) != "" {
		out = append(out, entry{"clean", json.RawMessage(literal(from.Clean))})
	}
	add("detector", j.Name)
	if params := changed(usual.Options(), j.Options()); len(params) > 0 {
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

// object writes expressions by their names, in order.
func object(expressions map[string]string) json.RawMessage {
	var b strings.Builder
	b.WriteByte('{')
	for i, name := range slices.Sorted(maps.Keys(expressions)) {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(literal(name) + ": " + literal(expressions[name]))
	}
	b.WriteByte('}')
	return json.RawMessage(b.String())
}

// RuleText writes a judge as a rule of a scorer file.
func RuleText(name string, from Asked, j Judge) (string, error) {
	entries, err := spelled(from, j)
	if err != nil {
		return "", err
	}
	var b strings.Builder // values are JSON, which YAML contains
	fmt.Fprintf(&b, "rules:\n  - name: %s\n", literal(name))
	for _, e := range entries {
		fmt.Fprintf(&b, "    %s: %s\n", e.Name, e.Value)
	}
	return b.String(), nil
}

// QueryText writes a judge as a query of the data source.
func QueryText(from Asked, j Judge) (string, error) {
	entries, err := spelled(from, j)
	if err != nil {
		return "", err
	}
	parts := make([]string, len(entries))
	for i, e := range entries {
		parts[i] = fmt.Sprintf("%q:%s", e.Name, e.Value)
	}
	return "{" + strings.Join(parts, ",") + "}", nil
}

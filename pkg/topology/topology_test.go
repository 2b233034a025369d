package topology_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/foreshock/foreshock/pkg/topology"
)

const shop = `
services:
  web: {calls: [checkout, search]}
  checkout: {tier: gold, calls: [payment, db]}
  payment: {tier: gold, calls: [db]}
  search: {}
`

func TestGraph(t *testing.T) {
	t.Parallel()
	g, err := topology.Parse([]byte(shop))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"checkout", "db", "payment", "search", "web"}, g.Services()); d != "" {
		t.Errorf("Services:\n%s", d)
	}
	if d := cmp.Diff([]string{"checkout", "payment"}, g.Near("db", 1)); d != "" {
		t.Errorf("Near db:\n%s", d)
	}
	if d := cmp.Diff([]string{"checkout", "payment", "web"}, g.Near("db", 2)); d != "" {
		t.Errorf("Near db, two hops:\n%s", d)
	}
	if !g.DependsOn("web", "db") || g.DependsOn("db", "web") || g.DependsOn("search", "db") || g.DependsOn("none", "db") {
		t.Error("DependsOn")
	}
	if g.Dependants("db") != 3 || g.Dependants("web") != 0 || g.Tier("payment") != "gold" || g.Tier("db") != "" {
		t.Errorf("db has %d dependants", g.Dependants("db"))
	}
	more := g.With([]topology.Edge{{From: "search", To: "db"}, {From: "search", To: "db"}, {From: "x", To: "x"}})
	if more.Dependants("db") != 4 || g.Dependants("db") != 3 || more.Tier("payment") != "gold" || len(more.Edges()) != 6 {
		t.Errorf("With: %d dependants, %v", more.Dependants("db"), more.Edges())
	}
	var none *topology.Graph
	if none.Near("a", 2) != nil || none.DependsOn("a", "b") || none.Dependants("a") != 0 || none.Tier("a") != "" || none.Services() != nil || none.Edges() != nil {
		t.Error("the nil graph")
	}
}

// A circle of calls ends.
func TestCircle(t *testing.T) {
	t.Parallel()
	g := (*topology.Graph)(nil).With([]topology.Edge{{From: "a", To: "b"}, {From: "b", To: "c"}, {From: "c", To: "a"}})
	if !g.DependsOn("a", "c") || g.Dependants("a") != 2 || len(g.Near("a", 9)) != 2 {
		t.Errorf("circle: %d, %v", g.Dependants("a"), g.Near("a", 9))
	}
}

func TestParseMistakes(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"services: {a: {call: [b]}}":   "call not found",
		"services: [a]":                "services: {NAME",
		"services: {a: {calls: ['']}}": "services.a: a name is empty",
		"x: 1":                         "x not found",
		"\t":                           "cannot be read",
	} {
		if _, err := topology.Parse([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
	if g, err := topology.Parse(nil); err != nil || len(g.Services()) != 0 {
		t.Errorf("an empty file: %v", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(shop))
	f.Add([]byte("services: {a: {calls: [a, b]}}"))
	f.Add([]byte("services: &x {a: *x}"))
	f.Fuzz(func(t *testing.T, text []byte) {
		g, err := topology.Parse(text)
		if err != nil {
			return
		}
		for _, e := range g.Edges() {
			if !g.DependsOn(e.From, e.To) || g.Dependants(e.To) == 0 {
				t.Fatalf("%v is not in the graph", e)
			}
		}
	})
}

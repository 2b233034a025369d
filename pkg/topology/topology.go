// Package topology is the service graph: which service calls which, and what a
// service is worth to its owners.
//
// The idea: a graph is a value that never changes. It is made of a file that
// people write, of the edges that traces show, or of both joined, and answers
// questions about neighbourhood: who is near, who depends on whom, how many would
// notice.
//
//	g, err := topology.Parse(text)                    // services: {checkout: {tier: gold, calls: [payment]}}
//	g = g.With([]topology.Edge{{From: "web", To: "checkout"}})
//	g.DependsOn("web", "payment")                     // true
//
// It reads no file and asks no server: whoever has the text or the edges gives
// them. Unknown services have no neighbours, no dependants and no tier.
package topology

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Edge says that From calls To.
type Edge struct{ From, To string }

// Service is one service as its owners wrote it.
type Service struct {
	Tier  string   `yaml:"tier"`  // what it is worth, e.g. "gold"; free text
	Calls []string `yaml:"calls"` // services that it depends on
}

// Graph is a service graph. It is safe for concurrent use; nil is the empty graph.
type Graph struct {
	calls, callers map[string][]string // sorted, without repetition
	tiers          map[string]string
}

// maxServices and maxEdges bound a graph: far above any fleet, far below what a
// mistake in a file could make.
const (
	maxServices = 50_000
	maxEdges    = 500_000
)

// Parse reads a graph in YAML (or JSON): services by name. Unknown fields are
// mistakes. Services that are only called need no entry of their own.
func Parse(text []byte) (*Graph, error) {
	var file struct {
		Services map[string]Service `yaml:"services"`
	}
	dec := yaml.NewDecoder(bytes.NewReader(text))
	dec.KnownFields(true)
	if err := dec.Decode(&file); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("the service graph cannot be read: %s: want services: {NAME: {tier: TEXT, calls: [NAMES]}}", strings.TrimPrefix(err.Error(), "yaml: "))
	}
	if len(file.Services) > maxServices {
		return nil, fmt.Errorf("services: there are %d: want at most %d", len(file.Services), maxServices)
	}
	g := &Graph{tiers: map[string]string{}}
	var edges []Edge
	for _, name := range slices.Sorted(maps.Keys(file.Services)) {
		s := file.Services[name]
		if name == "" || slices.Contains(s.Calls, "") {
			return nil, fmt.Errorf("services.%s: a name is empty: want the names of services", name)
		}
		if s.Tier != "" {
			g.tiers[name] = s.Tier
		}
		for _, to := range s.Calls {
			edges = append(edges, Edge{name, to})
		}
	}
	if len(edges) > maxEdges {
		return nil, fmt.Errorf("services: %d calls: want at most %d", len(edges), maxEdges)
	}
	return g.With(edges), nil
}

// With is the graph with further edges. A service that calls itself tells
// nothing and is left out, as are edges beyond the bound.
func (g *Graph) With(edges []Edge) *Graph {
	out := &Graph{calls: map[string][]string{}, callers: map[string][]string{}, tiers: map[string]string{}}
	n := 0
	add := func(e Edge) {
		if e.From == e.To || e.From == "" || e.To == "" || n == maxEdges {
			return
		}
		n++
		out.calls[e.From] = append(out.calls[e.From], e.To)
		out.callers[e.To] = append(out.callers[e.To], e.From)
	}
	if g != nil {
		maps.Copy(out.tiers, g.tiers)
		for _, from := range slices.Sorted(maps.Keys(g.calls)) {
			for _, to := range g.calls[from] {
				add(Edge{from, to})
			}
		}
	}
	for _, e := range edges {
		add(e)
	}
	for _, m := range []map[string][]string{out.calls, out.callers} {
		for k := range m {
			slices.Sort(m[k])
			m[k] = slices.Compact(m[k])
		}
	}
	return out
}

// Services lists the services that have any edge or tier, sorted.
func (g *Graph) Services() []string {
	if g == nil {
		return nil
	}
	all := map[string]bool{}
	for k := range g.calls {
		all[k] = true
	}
	for k := range g.callers {
		all[k] = true
	}
	for k := range g.tiers {
		all[k] = true
	}
	return slices.Sorted(maps.Keys(all))
}

// Edges lists all calls, sorted.
func (g *Graph) Edges() []Edge {
	if g == nil {
		return nil
	}
	var out []Edge
	for _, from := range slices.Sorted(maps.Keys(g.calls)) {
		for _, to := range g.calls[from] {
			out = append(out, Edge{from, to})
		}
	}
	return out
}

// Near lists the services within so many calls of a service, either way, nearest
// first and then by name, without it.
func (g *Graph) Near(service string, hops int) []string {
	if g == nil {
		return nil
	}
	return walk(service, hops, func(s string) []string { return append(slices.Clone(g.calls[s]), g.callers[s]...) })
}

// DependsOn reports whether from calls to, directly or through others.
func (g *Graph) DependsOn(from, to string) bool {
	if g == nil {
		return false
	}
	return slices.Contains(walk(from, maxServices, func(s string) []string { return g.calls[s] }), to)
}

// Dependants counts the services that depend on a service, directly or through
// others: who would notice.
func (g *Graph) Dependants(service string) int {
	if g == nil {
		return 0
	}
	return len(walk(service, maxServices, func(s string) []string { return g.callers[s] }))
}

// Tier is what a service is worth, "" when nobody said.
func (g *Graph) Tier(service string) string {
	if g == nil {
		return ""
	}
	return g.tiers[service]
}

// walk visits breadth first, and lists what it found without where it began.
func walk(from string, hops int, next func(string) []string) []string {
	seen := map[string]bool{from: true}
	var out []string
	for front := []string{from}; len(front) > 0 && hops > 0; hops-- {
		var found []string
		for _, s := range front {
			for _, n := range next(s) {
				if !seen[n] {
					seen[n] = true
					found = append(found, n)
				}
			}
		}
		slices.Sort(found)
		out = append(out, found...)
		front = found
	}
	return out
}

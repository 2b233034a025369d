package logs

import (
	"cmp"
	"slices"
)

// Flow is how sessions usually go: events as nodes, what follows what as edges.
type Flow struct {
	Nodes []FlowNode
	Edges []FlowEdge
}

// The ends of every session, as nodes.
const (
	FlowBegin = "begin"
	FlowEnd   = "end"
	FlowEvent = "event"
)

// FlowNode is an event, or the beginning or end of all sessions.
type FlowNode struct {
	Kind     string // FlowBegin, FlowEnd, FlowEvent
	ID       ID     // of an event
	Count    int    // occurrences
	Sessions int    // sessions with it
}

// FlowEdge leads from one node to another, both by their index.
type FlowEdge struct {
	From, To int
	Count    int
	// Share of what follows From.
	Share float64
}

// FlowOf returns the graph of the sessions: the beginning first, the end second, then the events from the most frequent on. Edges with a smaller share than least
// of both what leaves one node and what comes into the other are left out, and then the events without an edge.
func FlowOf(sessions [][]ID, least float64) Flow {
	type pair struct{ from, to int }
	var g Flow
	g.Nodes = []FlowNode{{Kind: FlowBegin, Count: len(sessions), Sessions: len(sessions)}, {Kind: FlowEnd, Count: len(sessions), Sessions: len(sessions)}}
	at := map[ID]int{}
	latest := map[int]int{}
	counts := map[pair]int{}
	for n, s := range sessions {
		from := 0
		for _, e := range s {
			i, ok := at[e]
			if !ok {
				i = len(g.Nodes)
				at[e] = i
				g.Nodes = append(g.Nodes, FlowNode{Kind: FlowEvent, ID: e})
			}
			g.Nodes[i].Count++
			if latest[i] != n+1 {
				latest[i] = n + 1
				g.Nodes[i].Sessions++
			}
			counts[pair{from, i}]++
			from = i
		}
		counts[pair{from, 1}]++
	}
	in := make([]int, len(g.Nodes))
	for p, n := range counts {
		in[p.to] += n
	}
	for p, n := range counts {
		share := float64(n) / float64(g.Nodes[p.from].Count)
		if share >= least || float64(n) >= least*float64(in[p.to]) {
			g.Edges = append(g.Edges, FlowEdge{p.from, p.to, n, share})
		}
	}
	return g.tidy()
}

// tidy drops nodes without an edge and puts nodes and edges in an order of their own.
func (g Flow) tidy() Flow {
	used := make([]bool, len(g.Nodes))
	used[0], used[1] = true, true
	for _, e := range g.Edges {
		used[e.From], used[e.To] = true, true
	}
	order := make([]int, 0, len(g.Nodes))
	for i := range g.Nodes {
		if used[i] {
			order = append(order, i)
		}
	}
	slices.SortFunc(order[2:], func(a, b int) int {
		return cmp.Or(cmp.Compare(g.Nodes[b].Count, g.Nodes[a].Count), cmp.Compare(g.Nodes[a].ID, g.Nodes[b].ID))
	})
	to := make([]int, len(g.Nodes))
	var t Flow
	for i, old := range order {
		to[old] = i
		t.Nodes = append(t.Nodes, g.Nodes[old])
	}
	for _, e := range g.Edges {
		e.From, e.To = to[e.From], to[e.To]
		t.Edges = append(t.Edges, e)
	}
	slices.SortFunc(t.Edges, func(a, b FlowEdge) int {
		return cmp.Or(cmp.Compare(a.From, b.From), cmp.Compare(b.Count, a.Count), cmp.Compare(a.To, b.To))
	})
	return t
}

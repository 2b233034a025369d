package collector

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/foreshock/foreshock/pkg/logs"
)

// Server is a Collector that also answers requests of its own.
type Server interface {
	// Routes returns handlers by pattern of http.ServeMux. It is called once, after Open.
	Routes() map[string]http.Handler
}

// Routes returns the handlers of all collectors that have some.
func (s *Set) Routes() map[string]http.Handler {
	out := map[string]http.Handler{}
	for _, m := range s.members {
		if server, ok := m.c.(Server); ok {
			for pattern, h := range server.Routes() {
				out[pattern] = h
			}
		}
	}
	return out
}

// Routes returns /api/v1/templates, /api/v1/sequences and /api/v1/flow, where sources are configured.
func (c *logLines) Routes() map[string]http.Handler {
	if len(c.sources) == 0 {
		return nil
	}
	routes := map[string]http.Handler{}
	for path, answer := range map[string]func(url.Values) (any, error){"templates": c.templates, "sequences": c.sequences, "flow": c.flow} {
		routes["GET /api/v1/"+path] = answering(answer)
	}
	return routes
}

// templateAnswer is one template in the answer of /api/v1/templates.
type templateAnswer struct {
	Source     string       `json:"source"`
	ID         string       `json:"id"`
	Template   string       `json:"template"`
	Count      uint64       `json:"count"`
	FirstSeen  time.Time    `json:"first_seen"`
	LastSeen   time.Time    `json:"last_seen"`
	Example    string       `json:"example"`
	RarityBits float64      `json:"rarity_bits"`
	RateShifts uint64       `json:"rate_shifts"`
	Usual      *float64     `json:"usual_per_window"` // null until it is known
	Evolution  []stepAnswer `json:"evolution"`
}

type stepAnswer struct {
	Since    time.Time `json:"since"`
	Template string    `json:"template"`
}

// Limits of the answer.
const (
	defaultTemplates = 1000
	maxTemplates     = 100_000
)

// answering writes an answer in the form of Prometheus' API.
func answering(answer func(url.Values) (any, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Cache-Control", "no-store")
		data, err := answer(r.URL.Query())
		var body any = map[string]any{"status": "success", "data": data}
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			body = map[string]any{"status": "error", "errorType": "bad_data", "error": err.Error()}
		}
		_ = json.NewEncoder(w).Encode(body) // the client is gone
	})
}

// chosen returns the sources that the parameter source means, after a look at the names of all parameters.
func (c *logLines) chosen(query url.Values, known ...string) ([]*logSource, error) {
	for _, name := range slices.Sorted(maps.Keys(query)) {
		if !slices.Contains(known, name) {
			return nil, fmt.Errorf("parameter %q: want one of %s", name, strings.Join(known, ", "))
		}
	}
	want := query.Get("source")
	if want == "" {
		return c.sources, nil
	}
	names := []string{}
	for _, s := range c.sources {
		if s.name == want {
			return []*logSource{s}, nil
		}
		names = append(names, s.name)
	}
	return nil, fmt.Errorf("parameter \"source\": got %q, want one of %s", want, strings.Join(names, ", "))
}

var templateOrders = map[string]func(a, b templateAnswer) int{
	"count":      func(a, b templateAnswer) int { return cmp.Compare(b.Count, a.Count) },
	"rarity":     func(a, b templateAnswer) int { return cmp.Compare(b.RarityBits, a.RarityBits) },
	"first_seen": func(a, b templateAnswer) int { return b.FirstSeen.Compare(a.FirstSeen) },
	"last_seen":  func(a, b templateAnswer) int { return b.LastSeen.Compare(a.LastSeen) },
}

// templates answers with the templates as last saved. Parameters: source, id, new_since (a time, RFC 3339), sort (count, rarity, first_seen,
// last_seen), limit.
func (c *logLines) templates(query url.Values) (any, error) {
	sources, err := c.chosen(query, "source", "id", "new_since", "sort", "limit")
	if err != nil {
		return nil, err
	}
	get := query.Get
	order, ok := templateOrders[cmp.Or(get("sort"), "count")]
	if !ok {
		return nil, fmt.Errorf("parameter \"sort\": got %q, want count, rarity, first_seen or last_seen", get("sort"))
	}
	limit, err := strconv.Atoi(cmp.Or(get("limit"), strconv.Itoa(defaultTemplates)))
	if err != nil || limit < 1 || limit > maxTemplates {
		return nil, fmt.Errorf("parameter \"limit\": got %q, want a number from 1 to %d", get("limit"), maxTemplates)
	}
	var since time.Time
	if v := get("new_since"); v != "" {
		if since, err = time.Parse(time.RFC3339, v); err != nil {
			return nil, fmt.Errorf("parameter \"new_since\": got %q, want a time like 2026-01-02T15:04:05Z", v)
		}
	}
	out := []templateAnswer{}
	for _, s := range sources {
		for _, t := range s.pipeline.Templates() {
			if id := get("id"); (id == "" || id == t.ID.String()) && !t.First.Before(since) {
				out = append(out, answerOf(s.name, t))
			}
		}
	}
	slices.SortStableFunc(out, order)
	return out[:min(limit, len(out))], nil
}

func answerOf(source string, t logs.Template) templateAnswer {
	a := templateAnswer{
		Source: source, ID: t.ID.String(), Template: t.Text, Count: t.Count, FirstSeen: t.First, LastSeen: t.Last, Example: t.Example,
		RarityBits: t.Rarity, RateShifts: t.Shifts, Evolution: []stepAnswer{},
	}
	if !math.IsNaN(t.Usual) {
		a.Usual = &t.Usual
	}
	for _, s := range t.Steps {
		a.Evolution = append(a.Evolution, stepAnswer{s.Since, s.Text})
	}
	return a
}

// sequenceAnswer is one session that took an unusual path.
type sequenceAnswer struct {
	Source string    `json:"source"`
	Key    string    `json:"key"`
	Score  float64   `json:"score"`
	Step   int       `json:"step"` // the index of the unusual line; the number of lines: what usually comes did not come
	Lines  []string  `json:"lines"`
	First  time.Time `json:"first"`
	Last   time.Time `json:"last"`
	Closed string    `json:"closed"`
}

// sequences answers with the last sessions that took an unusual path, the newest first. Parameter: source.
func (c *logLines) sequences(query url.Values) (any, error) {
	sources, err := c.chosen(query, "source")
	if err != nil {
		return nil, err
	}
	out := []sequenceAnswer{}
	for _, s := range sources {
		f := s.pipeline.Figures()
		if f == nil {
			continue
		}
		for _, a := range f.Sequences.Recent {
			out = append(out, sequenceAnswer{s.name, a.Key, a.Score, a.At, a.Lines, a.First, a.Last, string(a.Why)})
		}
	}
	slices.SortStableFunc(out, func(a, b sequenceAnswer) int { return b.Last.Compare(a.Last) })
	return out, nil
}

// flowAnswer is the graph of the usual paths of one source.
type flowAnswer struct {
	Source string           `json:"source"`
	Nodes  []flowNodeAnswer `json:"nodes"`
	Edges  []flowEdgeAnswer `json:"edges"`
}

type flowNodeAnswer struct {
	ID       string `json:"id"` // begin, end, or that of a template
	Template string `json:"template,omitempty"`
	Count    int    `json:"count"`
	Sessions int    `json:"sessions"`
}

type flowEdgeAnswer struct {
	From  string  `json:"from"`
	To    string  `json:"to"`
	Count int     `json:"count"`
	Share float64 `json:"share"`
}

// flow answers with the paths of the ordinary sessions that were learnt from last. Parameter: source.
func (c *logLines) flow(query url.Values) (any, error) {
	sources, err := c.chosen(query, "source")
	if err != nil {
		return nil, err
	}
	out := []flowAnswer{}
	for _, s := range sources {
		f := s.pipeline.Figures()
		if f == nil || len(f.Sequences.Paths.Nodes) == 0 {
			continue
		}
		texts := map[logs.ID]string{}
		for _, t := range s.pipeline.Templates() {
			texts[t.ID] = t.Text
		}
		a := flowAnswer{Source: s.name, Nodes: []flowNodeAnswer{}, Edges: []flowEdgeAnswer{}}
		for _, n := range f.Sequences.Paths.Nodes {
			node := flowNodeAnswer{ID: n.Kind, Count: n.Count, Sessions: n.Sessions}
			if n.Kind == logs.FlowEvent {
				node.ID, node.Template = n.ID.String(), texts[n.ID]
			}
			a.Nodes = append(a.Nodes, node)
		}
		for _, e := range f.Sequences.Paths.Edges {
			a.Edges = append(a.Edges, flowEdgeAnswer{a.Nodes[e.From].ID, a.Nodes[e.To].ID, e.Count, e.Share})
		}
		out = append(out, a)
	}
	return out, nil
}

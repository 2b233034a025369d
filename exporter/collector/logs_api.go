package collector

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
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

// Routes returns /api/v1/templates, where sources are configured.
func (c *logLines) Routes() map[string]http.Handler {
	if len(c.sources) == 0 {
		return nil
	}
	return map[string]http.Handler{"GET /api/v1/templates": http.HandlerFunc(c.serveTemplates)}
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

// serveTemplates answers with the templates as last saved. Parameters: source, id, new_since (a time, RFC 3339), sort (count, rarity, first_seen,
// last_seen), limit.
func (c *logLines) serveTemplates(w http.ResponseWriter, r *http.Request) {
	answer, err := c.templates(r.URL.Query())
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cache-Control", "no-store")
	var body any = map[string]any{"status": "success", "data": answer}
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		body = map[string]any{"status": "error", "errorType": "bad_data", "error": err.Error()}
	}
	_ = json.NewEncoder(w).Encode(body) // the client is gone
}

var templateOrders = map[string]func(a, b templateAnswer) int{
	"count":      func(a, b templateAnswer) int { return cmp.Compare(b.Count, a.Count) },
	"rarity":     func(a, b templateAnswer) int { return cmp.Compare(b.RarityBits, a.RarityBits) },
	"first_seen": func(a, b templateAnswer) int { return b.FirstSeen.Compare(a.FirstSeen) },
	"last_seen":  func(a, b templateAnswer) int { return b.LastSeen.Compare(a.LastSeen) },
}

func (c *logLines) templates(query map[string][]string) ([]templateAnswer, error) {
	get := func(name string) string { return strings.Join(query[name], ",") }
	for name := range query {
		if !slices.Contains([]string{"source", "id", "new_since", "sort", "limit"}, name) {
			return nil, fmt.Errorf("parameter %q: want source, id, new_since, sort or limit", name)
		}
	}
	names := []string{}
	for _, s := range c.sources {
		names = append(names, s.name)
	}
	if s := get("source"); s != "" && !slices.Contains(names, s) {
		return nil, fmt.Errorf("parameter \"source\": got %q, want one of %s", s, strings.Join(names, ", "))
	}
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
	for _, s := range c.sources {
		if get("source") != "" && get("source") != s.name {
			continue
		}
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

package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/foreshock/foreshock/pkg/prom"
	"github.com/foreshock/foreshock/pkg/series"
	"github.com/foreshock/foreshock/pkg/topology"
	"github.com/foreshock/foreshock/webhook/alert"
	"github.com/foreshock/foreshock/webhook/policy"
	"github.com/foreshock/foreshock/webhook/stage"
)

// facts is what the service learns from others, asked in the background so that no delivery waits for it: the service graph, the silences
// of Alertmanager, and how often alerts restart. What cannot be asked keeps its last answer; that is logged once and counted.
type facts struct {
	a *App

	mu       sync.RWMutex
	traces   []topology.Edge
	graph    *topology.Graph // of file and traces
	silences map[string]policy.Mutes
	restarts map[string][]restart // by alertname
	failing  map[string]bool      // what could not be asked last time
}

// restart is how often an alert of these labels began to fire.
type restart struct {
	labels series.Labels
	n      int
}

// The questions. The samples of flapping span 21 steps, one minute each by default.
const (
	askEdges    = `sum by (client, server) (rate(traces_service_graph_request_total[15m])) > 0`
	askRestarts = `changes(ALERTS_FOR_STATE[%s]) >= 2`
	maxSilences = 8 << 20 // bytes of an answer
)

// watch asks until the context ends.
func (f *facts) watch(ctx context.Context) {
	for {
		f.refresh(ctx)
		t := time.NewTimer(time.Duration(f.a.state.Load().file.Topology.Refresh))
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return
		}
	}
}

// refresh asks everybody once.
func (f *facts) refresh(ctx context.Context) {
	s := f.a.state.Load()
	if s.prom != nil && s.file.Topology.Traces {
		f.note(ctx, "the service graph", f.askEdges(ctx, s.prom))
	}
	if s.prom != nil && s.file.Noise.Flap.Enabled {
		f.note(ctx, "restarts of alerts", f.askRestarts(ctx, s))
	}
	for cluster, urls := range s.file.Alertmanagers {
		f.note(ctx, "silences of "+cluster, f.askSilences(ctx, cluster, urls))
	}
	f.mu.Lock()
	f.graph = s.graph.With(f.traces)
	f.mu.Unlock()
}

// note logs what cannot be asked, and that it can be again.
func (f *facts) note(ctx context.Context, what string, err error) {
	if ctx.Err() != nil {
		return
	}
	f.mu.Lock()
	before := f.failing[what]
	f.failing[what] = err != nil
	f.mu.Unlock()
	switch {
	case err != nil && !before:
		f.a.o.Log.Warn("something could not be asked; the last answer stays", "what", what, "err", err)
	case err == nil && before:
		f.a.o.Log.Info("it can be asked again", "what", what)
	}
}

func (f *facts) askEdges(ctx context.Context, c *prom.Client) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	v, err := c.Instant(ctx, askEdges, f.a.o.Now().UnixMilli())
	if err != nil {
		return err
	}
	edges := make([]topology.Edge, 0, len(v.Samples))
	for _, s := range v.Samples {
		edges = append(edges, topology.Edge{From: s.Labels.Get("client"), To: s.Labels.Get("server")})
	}
	f.mu.Lock()
	f.traces = edges
	f.mu.Unlock()
	return nil
}

func (f *facts) askRestarts(ctx context.Context, s *state) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	span := 21 * time.Duration(s.file.Noise.Flap.Step)
	v, err := s.prom.Instant(ctx, fmt.Sprintf(askRestarts, policy.Duration(span)), f.a.o.Now().UnixMilli())
	if err != nil {
		return err
	}
	found := map[string][]restart{}
	for _, one := range v.Samples {
		if !math.IsNaN(one.Value) {
			name := one.Labels.Get("alertname")
			found[name] = append(found[name], restart{one.Labels.Without("__name__"), int(min(one.Value, 1000))})
		}
	}
	f.mu.Lock()
	f.restarts = found
	f.mu.Unlock()
	return nil
}

// silence is one of GET /api/v2/silences.
type silence struct {
	ID        string    `json:"id"`
	CreatedBy string    `json:"createdBy"`
	Comment   string    `json:"comment"`
	StartsAt  time.Time `json:"startsAt"`
	EndsAt    time.Time `json:"endsAt"`
	Status    struct {
		State string `json:"state"`
	} `json:"status"`
	Matchers []struct {
		Name    string `json:"name"`
		Value   string `json:"value"`
		IsRegex bool   `json:"isRegex"`
		IsEqual *bool  `json:"isEqual"`
	} `json:"matchers"`
}

// askSilences asks the first of a cluster's Alertmanagers that answers: they share their silences.
func (f *facts) askSilences(ctx context.Context, cluster string, urls []string) error {
	var errs []error
	for _, u := range urls {
		all, err := f.fetchSilences(ctx, u)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		var out policy.Mutes
		for _, s := range all {
			if m, ok := s.mute(); ok {
				out = append(out, m)
			}
		}
		slices.SortFunc(out, func(a, b policy.Mute) int { return strings.Compare(a.Name, b.Name) })
		f.mu.Lock()
		f.silences[cluster] = out
		f.mu.Unlock()
		return nil
	}
	return errors.Join(errs...)
}

func (f *facts) fetchSilences(ctx context.Context, base string) ([]silence, error) {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimRight(base, "/")+"/api/v2/silences", nil)
	if err != nil {
		return nil, errors.New("the address of an Alertmanager is not valid")
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		var ue *url.Error // its text holds the URL, and with it perhaps a password
		if errors.As(err, &ue) {
			err = ue.Err
		}
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("it answered %s", resp.Status)
	}
	var all []silence
	return all, json.NewDecoder(io.LimitReader(resp.Body, maxSilences)).Decode(&all)
}

// mute is the silence as a mute; false when it is not active, or has a matcher that is not understood: then it would hold back too much.
func (s silence) mute() (policy.Mute, bool) {
	if s.Status.State != "active" || len(s.Matchers) == 0 {
		return policy.Mute{}, false
	}
	m := policy.Mute{Name: stage.SilenceName(s.ID), Owner: s.CreatedBy, Note: s.Comment, Starts: s.StartsAt, Ends: s.EndsAt}
	if m.Owner == "" {
		m.Owner = "Alertmanager"
	}
	for _, one := range s.Matchers {
		op := "="
		switch equal := one.IsEqual == nil || *one.IsEqual; {
		case one.IsRegex && equal:
			op = "=~"
		case one.IsRegex:
			op = "!~"
		case !equal:
			op = "!="
		}
		parsed, err := policy.ParseMatcher(one.Name + op + fmt.Sprintf("%q", one.Value))
		if err != nil {
			return policy.Mute{}, false
		}
		m.Match = append(m.Match, parsed)
	}
	return m, true
}

// Graph is the service graph of file and traces.
func (f *facts) Graph() stage.Graph {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.graph
}

// Silences are the active silences of a cluster.
func (f *facts) Silences(cluster string) policy.Mutes {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.silences[cluster]
}

// all are the active silences by cluster.
func (f *facts) all() map[string]policy.Mutes {
	f.mu.RLock()
	defer f.mu.RUnlock()
	out := map[string]policy.Mutes{}
	for k, v := range f.silences {
		out[k] = v
	}
	return out
}

// Restarts is how often Prometheus saw an alert of these labels begin within the samples of flapping. ALERTS_FOR_STATE has the alert's
// labels without those that are added on the way to Alertmanager.
func (f *facts) Restarts(l alert.Labels) (int, bool) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	for _, r := range f.restarts[l["alertname"]] {
		if !slices.ContainsFunc(r.labels, func(one series.Label) bool { return l[one.Name] != one.Value }) {
			return r.n, true
		}
	}
	return 0, false
}

// mutes are all mutes for alerts of a cluster: of the configuration, by command, and the silences of its Alertmanagers.
func (a *App) mutes(ctx context.Context, cluster string, now time.Time) (policy.Mutes, error) {
	return stage.Mute{Rules: a.rules, Store: a.store, Silences: a.facts.Silences}.All(ctx, cluster, now)
}

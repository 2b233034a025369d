package scorer

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/foreshock/foreshock/pkg/prom"
	"github.com/foreshock/foreshock/pkg/series"
)

// start is a fixed moment on every grid used here.
var start = time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)

const minute = int64(60_000)

// memory is a source that holds series, as Prometheus would answer from them.
type memory struct {
	mu      sync.Mutex
	members []series.Series
	err     error
	// block, when set, is waited for in each Range, and entered is told of it.
	block, entered chan struct{}
	asked          int
}

func (m *memory) Range(ctx context.Context, _ string, grid series.Grid, _ int64) (prom.Answer, error) {
	m.mu.Lock()
	m.asked++
	err, block := m.err, m.block
	m.mu.Unlock()
	if block != nil {
		if m.entered != nil {
			m.entered <- struct{}{}
		}
		select {
		case <-block:
		case <-ctx.Done():
			return prom.Answer{}, ctx.Err()
		}
	}
	if err != nil {
		return prom.Answer{}, err
	}
	out := prom.Answer{Set: series.Set{Grid: grid}}
	for _, s := range m.members {
		c := series.New(s.Labels, grid)
		part := s.Between(grid.Start, grid.End())
		if k, ok := grid.Index(part.Grid.Start); ok && part.Grid.N > 0 {
			copy(c.Values[k:], part.Values)
		}
		if c.FirstPresent() >= 0 {
			out.Set.Members = append(out.Set.Members, c)
		}
	}
	return out, nil
}

// days makes n series of a daily shape with noise, over so many days before start and an hour after it; the first has a level shift
// half an hour before start.
func days(n, length int) *memory {
	m := &memory{}
	grid := series.GridOver(start.UnixMilli()-int64(length)*1440*minute, start.UnixMilli()+60*minute, minute)
	for k := range n {
		rng := rand.New(rand.NewPCG(uint64(k), 1))
		s := series.New(series.FromMap(map[string]string{"__name__": "requests", "service": fmt.Sprintf("s%02d", k)}), grid)
		for i := range s.Values {
			s.Values[i] = 100 + 30*math.Sin(2*math.Pi*float64(i%1440)/1440) + 3*rng.NormFloat64()
			if k == 0 && grid.At(i) >= start.UnixMilli()-30*minute {
				s.Values[i] += 80
			}
		}
		m.members = append(m.members, s)
	}
	return m
}

const rules = `
prometheus: {url: "http://127.0.0.1:1"}
rules:
  - {name: requests, expr: requests, detector: seasonal, labels: {team: shop}}
`

// untested are the same rules without a self-test, for tests that count what is asked.
var untested = strings.Replace(rules, "labels:", "selftest: off, selftest_reason: what is asked is counted, labels:", 1)

func parse(t testing.TB, text string) Config {
	t.Helper()
	c, err := Parse("rules.yml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// started returns a scorer over a source whose clock stands at the pointed-to time.
func started(t testing.TB, text string, source Source, o Options, now *time.Time) (*Scorer, *prometheus.Registry) {
	t.Helper()
	reg := prometheus.NewRegistry()
	o.Registry, o.Source, o.Now = reg, source, func() time.Time { return *now }
	s, err := New(parse(t, text), o)
	if err != nil {
		t.Fatal(err)
	}
	return s, reg
}

func evaluateAt(t testing.TB, s *Scorer, now time.Time) {
	t.Helper()
	if err := s.Evaluate(context.Background(), now); err != nil {
		t.Fatal(err)
	}
}

// gathered returns every sample of the registry by its text form.
func gathered(t testing.TB, reg prometheus.Gatherer, names ...string) map[string]float64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]float64{}
	for _, f := range families {
		wanted := len(names) == 0
		for _, n := range names {
			wanted = wanted || f.GetName() == n
		}
		for _, m := range f.Metric {
			if wanted {
				out[f.GetName()+labelText(m)] = value(m)
			}
		}
	}
	return out
}

func labelText(m *dto.Metric) string {
	ls := map[string]string{}
	for _, p := range m.Label {
		ls[p.GetName()] = p.GetValue()
	}
	return series.FromMap(ls).String()
}

func value(m *dto.Metric) float64 {
	switch {
	case m.Gauge != nil:
		return m.Gauge.GetValue()
	case m.Counter != nil:
		return m.Counter.GetValue()
	case m.Summary != nil:
		return float64(m.Summary.GetSampleCount())
	}
	return math.NaN()
}

var published5 = []string{"foreshock_score", "foreshock_expected", "foreshock_lower", "foreshock_upper", "foreshock_anomalous"}

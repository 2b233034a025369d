package scorer

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"github.com/foreshock/foreshock/pkg/prom"
	"github.com/foreshock/foreshock/pkg/prom/promtest"
	"github.com/foreshock/foreshock/pkg/series"
)

// byExpr is a source that answers each expression from series of its own.
type byExpr map[string]*memory

func (b byExpr) Range(ctx context.Context, expr string, grid series.Grid, now int64) (prom.Answer, error) {
	m, ok := b[expr]
	if !ok {
		return prom.Answer{}, &prom.Error{Kind: prom.KindBadQuery, Text: "no such expression: " + expr}
	}
	return m.Range(ctx, expr, grid, now)
}

// told makes series over ten days before start and an hour after it; value gives that of each at a time, by its index.
func told(name, label string, members []string, value func(k int, t int64, rng *rand.Rand) float64) *memory {
	m := &memory{}
	grid := series.GridOver(start.UnixMilli()-10*1440*minute, start.UnixMilli()+60*minute, minute)
	for k, member := range members {
		rng := rand.New(rand.NewPCG(uint64(k), uint64(len(name))))
		labels := map[string]string{"__name__": name}
		if label != "" {
			labels[label] = member
		}
		s := series.New(series.FromMap(labels), grid)
		for i := range s.Values {
			s.Values[i] = value(k, grid.At(i), rng)
		}
		m.members = append(m.members, s)
	}
	return m
}

// daily is a shape of a day, highest at midnight.
func daily(t int64) float64 {
	return math.Sin(2 * math.Pi * float64((t+21_600_000)%86_400_000) / 86_400_000)
}

// shop is two applications whose response time follows their requests; over the last half hour that of the first does not.
func shop() byExpr {
	load := map[string][]float64{}
	return byExpr{
		"requests": told("requests", "application", []string{"cart", "pay"}, func(k int, t int64, rng *rand.Rand) float64 {
			key := fmt.Sprint(k)
			x := 100 + 40*daily(t) + 12*rng.NormFloat64()
			load[key] = append(load[key], x)
			return x
		}),
		"seconds": told("seconds", "application", []string{"cart", "pay"}, func(k int, t int64, rng *rand.Rand) float64 {
			x := load[fmt.Sprint(k)][0]
			load[fmt.Sprint(k)] = load[fmt.Sprint(k)][1:]
			if k == 0 && t > start.UnixMilli()-30*minute {
				x = 200 - x
			}
			return x/100 + 0.02*rng.NormFloat64()
		}),
	}
}

const shopRule = `
prometheus: {url: "http://127.0.0.1:1"}
rules:
  - {name: shop, kind: joint, detector: mahalanobis, dimensions: {requests: requests, seconds: seconds}, group_by: [application], labels: {team: shop}}
`

// What is published of a vector is what the judge says of its newest point: score, episode, contributions that sum to the score, and which kind it is.
func TestJointRule(t *testing.T) {
	t.Parallel()
	now := start
	s, reg := started(t, shopRule, shop(), Options{}, &now)
	evaluateAt(t, s, now)
	got := gathered(t, reg, slices.Collect(familyNames)...)
	r := parse(t, shopRule).Rules[0]
	at := now.UnixMilli()
	a, err := r.ask(t.Context(), shop(), Prometheus{}, r.Walk.Fetch(at-4*minute, at, r.Policy), at)
	if err != nil {
		t.Fatal(err)
	}
	units, err := r.units(a)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]float64{}
	for _, u := range units {
		v, err := r.Joint.Vector(t.Context(), u.vector, series.Series{}, at, at)
		if err != nil {
			t.Fatal(err)
		}
		labels := map[string]string{"rule": "shop", "team": "shop", "application": u.labels.Get("application")}
		key := func(family int, more ...string) string {
			m := maps.Clone(labels)
			if more != nil {
				m[more[0]] = more[1]
			}
			return families[family][0] + series.FromMap(m).String()
		}
		want[key(familyScore)], want[key(familyAnomalous)] = v.Score[0], number(v.Anomalous[0])
		sum := 0.0
		for d, name := range v.Vector.Names {
			want[key(familyContribution, "dimension", name)] = v.Contributions[d][0]
			sum += v.Contributions[d][0]
		}
		if math.Abs(sum-v.Score[0]) > 1e-9*v.Score[0] {
			t.Errorf("%s: the contributions sum to %v, the score is %v", u.labels, sum, v.Score[0])
		}
		for _, kind := range []string{"correlation", "together", "apart"} {
			want[key(familyKind, "kind", kind)] = number(v.Break[0].String() == kind)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("published values differ from the verdict (-want +got):\n%s", diff)
	}
	for app, open := range map[string]float64{"cart": 1, "pay": 0} {
		if got[`foreshock_anomalous{application="`+app+`", rule="shop", team="shop"}`] != open {
			t.Errorf("%s: an open episode %v", app, open)
		}
		if got[`foreshock_joint_kind{application="`+app+`", kind="correlation", rule="shop", team="shop"}`] != open {
			t.Errorf("%s: the correlation broke %v", app, open)
		}
	}
	if status := s.Rules("en")[0]; status.Selftest.Outcome != "passed" || status.Selftest.Series != 4 || status.Kind != "joint" {
		t.Errorf("self-test of two vectors of two dimensions: %+v", status)
	}
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	if problems, err := promlint.NewWithMetricFamilies(families).Lint(); err != nil || len(problems) > 0 {
		t.Errorf("promlint: %v, %v", problems, err)
	}
}

func familyNames(yield func(string) bool) {
	for _, f := range families {
		if !yield(f[0]) {
			return
		}
	}
}

// fleets is two fleets of five; one member of the first is 30 off over the last half hour, and one of the second was there until two days ago.
func fleets() *memory {
	names := []string{"a0", "a1", "a2", "a3", "a4", "b0", "b1", "b2", "b3", "b4"}
	m := told("cpu", "instance", names, func(k int, t int64, rng *rand.Rand) float64 {
		x := 100 + 40*daily(t) + 3*rng.NormFloat64()
		if k == 2 && t > start.UnixMilli()-30*minute {
			x += 30
		}
		if k == 9 && t > start.UnixMilli()-2*1440*minute {
			x = math.NaN()
		}
		return x
	})
	for i := range m.members {
		labels := m.members[i].Labels.Map()
		labels["job"] = names[i][:1]
		m.members[i].Labels = series.FromMap(labels)
	}
	return m
}

const fleetRule = `
prometheus: {url: "http://127.0.0.1:1"}
rules:
  - {name: fleet, kind: peers, expr: cpu, group_by: [job], selftest: off, selftest_reason: tested in TestPeersSelfTest}
`

// The members of a fleet are published like series, what is said of them depends on all of them, and shards divide fleets and not members.
func TestPeersRule(t *testing.T) {
	t.Parallel()
	now := start
	s, reg := started(t, fleetRule, fleets(), Options{}, &now)
	evaluateAt(t, s, now)
	got := gathered(t, reg)
	for _, name := range []string{"a0", "a1", "a2", "a3", "a4", "b0", "b1", "b2", "b3"} {
		labels := `{instance="` + name + `", job="` + name[:1] + `", rule="fleet"}`
		if open := got["foreshock_anomalous"+labels]; open != number(name == "a2") {
			t.Errorf("%s: an open episode %v", name, open)
		}
		if x := got["foreshock_expected"+labels]; math.Abs(x-140) > 10 {
			t.Errorf("%s: expected %v, want where the siblings are: about 140", name, x)
		}
	}
	if n := len(gathered(t, reg, "foreshock_score")); n != 9 {
		t.Errorf("%d members are published, want 9: one has gone", n)
	}
	if got[`foreshock_series_state{rule="fleet", state="stale"}`] != 1 || got[`foreshock_scorer_rule_series{rule="fleet"}`] != 9 {
		t.Errorf("states: %v", gathered(t, reg, "foreshock_series_state"))
	}
	whole, union := gathered(t, reg, published5...), map[string]float64{}
	for i := range 3 {
		s, reg := started(t, fleetRule, fleets(), Options{Shard: Shard{i, 3}}, &now)
		evaluateAt(t, s, now)
		maps.Copy(union, gathered(t, reg, published5...))
	}
	if diff := cmp.Diff(whole, union); diff != "" {
		t.Errorf("the union of the shards is not the whole (-whole +union):\n%s", diff)
	}
	// A fleet is left out whole.
	s, reg = started(t, strings.Replace(fleetRule, "group_by", "max_series: 7, group_by", 1), fleets(), Options{}, &now)
	evaluateAt(t, s, now)
	if n, dropped := len(gathered(t, reg, "foreshock_score")), gathered(t, reg)[`foreshock_scorer_rule_dropped_series{rule="fleet"}`]; n != 5 || dropped != 4 {
		t.Errorf("with at most 7 series: %d are published and %v dropped, want the five of one fleet and the four of the other", n, dropped)
	}
	// One that does not fit leaves its room to the next.
	s, reg = started(t, strings.Replace(fleetRule, "group_by", "max_series: 4, group_by", 1), fleets(), Options{}, &now)
	evaluateAt(t, s, now)
	if n, dropped := len(gathered(t, reg, "foreshock_score")), gathered(t, reg)[`foreshock_scorer_rule_dropped_series{rule="fleet"}`]; n != 4 || dropped != 5 {
		t.Errorf("with at most 4 series: %d are published and %v dropped, want the second fleet's four and the first one's five", n, dropped)
	}
}

// The self-test of a fleet puts things into one member at a time, its siblings as they are.
func TestPeersSelfTest(t *testing.T) {
	t.Parallel()
	now, source := start, fleets()
	source.members = slices.DeleteFunc(source.members, func(m series.Series) bool { return m.Labels.Get("job") == "b" || m.Labels.Get("instance") == "a4" })
	s, _ := started(t, strings.Replace(fleetRule, "selftest: off, selftest_reason: tested in TestPeersSelfTest", "train: 2d", 1), source, Options{}, &now)
	evaluateAt(t, s, now)
	if status := s.Rules("en")[0]; status.Selftest.Outcome != "passed" || status.Selftest.Series != 4 {
		t.Errorf("%+v", status)
	}
}

// Samples that the filter does not let through are not learnt from: what was abnormal for a week is abnormal still, and no new level.
func TestCleanRule(t *testing.T) {
	t.Parallel()
	sick := func(t int64) bool { return t > start.UnixMilli()-5*1440*minute && (t/minute)%1440 < 300 }
	requests := told("requests", "service", []string{"a"}, func(_ int, t int64, rng *rand.Rand) float64 {
		x := 100 + 2*rng.NormFloat64()
		if sick(t) || t > start.UnixMilli()-20*minute {
			x += 50
		}
		return x
	})
	failures := told("failures", "service", []string{"a"}, func(_ int, t int64, _ *rand.Rand) float64 {
		if sick(t) {
			return math.NaN()
		}
		return 0.01
	})
	source := byExpr{"requests": requests, "failures < 0.2": failures, "of_others": told("of_others", "service", []string{"other"}, func(int, int64, *rand.Rand) float64 { return 1 })}
	const text = `
prometheus: {url: "http://127.0.0.1:1"}
rules: [{name: r, expr: requests, clean: failures < 0.2, detector: mad, selftest: off, selftest_reason: half of the samples are abnormal}]
`
	for clean, want := range map[string]float64{"failures < 0.2": 1, "": 0} {
		now := start
		s, reg := started(t, strings.Replace(text, "failures < 0.2", `"`+clean+`"`, 1), source, Options{}, &now)
		evaluateAt(t, s, now)
		if got := gathered(t, reg)[`foreshock_anomalous{rule="r", service="a"}`]; got != want {
			t.Errorf("clean %q: an open episode %v, want %v", clean, got, want)
		}
	}
	// A filter that knows nothing of the series: nothing is learnt, nothing alarms, and the log tells why.
	var log bytes.Buffer
	now := start
	s, reg := started(t, strings.Replace(text, "failures < 0.2", "of_others", 1), source, Options{Logger: slog.New(slog.NewTextHandler(&log, nil))}, &now)
	evaluateAt(t, s, now)
	evaluateAt(t, s, now.Add(time.Minute))
	if n := len(gathered(t, reg, "foreshock_score")); n != 0 || strings.Count(log.String(), "says nothing of some series") != 1 {
		t.Errorf("%d scores, log:\n%s", n, log.String())
	}
	// A mistake in the filter is one of the rule.
	s, reg = started(t, strings.Replace(text, "failures < 0.2", "nowhere", 1), source, Options{}, &now)
	if err := s.Evaluate(t.Context(), now); err == nil || !strings.Contains(err.Error(), "clean: ") || gathered(t, reg)[`foreshock_scorer_rule_failures_total{reason="query", rule="r"}`] != 1 {
		t.Errorf("got %v, want the error of the field clean", err)
	}
}

// The kinds work against a real Prometheus as they do in memory: written there by remote write, asked by expressions, and published.
func TestKindsAgainstPrometheus(t *testing.T) {
	t.Parallel()
	server := promtest.Start(t)
	source := shop()
	var all []series.Series
	for _, name := range []string{"requests", "seconds"} {
		all = append(all, source[name].members...)
	}
	all = append(all, fleets().members...)
	server.Write(t, all...)
	text := `
prometheus: {url: "` + server.URL + `"}
rules:
  - {name: shop, kind: joint, detector: mahalanobis, dimensions: {requests: sum by (application) (requests), seconds: avg by (application) (seconds)}, clean: 'requests > 0'}
  - {name: fleet, kind: peers, expr: cpu, group_by: [job], clean: 'cpu < bool 1e9', selftest: off, selftest_reason: tested in TestPeersSelfTest}
`
	reg := prometheus.NewRegistry()
	s, err := New(parse(t, text), Options{Registry: reg, Now: func() time.Time { return start }})
	if err != nil {
		t.Fatal(err)
	}
	evaluateAt(t, s, start)
	got := gathered(t, reg)
	for key, want := range map[string]float64{
		`foreshock_anomalous{application="cart", rule="shop"}`: 1, `foreshock_anomalous{application="pay", rule="shop"}`: 0,
		`foreshock_joint_kind{application="cart", kind="correlation", rule="shop"}`: 1,
		`foreshock_anomalous{instance="a2", job="a", rule="fleet"}`:                 1, `foreshock_anomalous{instance="b2", job="b", rule="fleet"}`: 0,
		`foreshock_scorer_rule_armed{rule="shop"}`: 1, `foreshock_scorer_rule_armed{rule="fleet"}`: 1,
	} {
		if x, ok := got[key]; !ok || x != want {
			t.Errorf("%s: got %v (%v), want %v", key, x, ok, want)
		}
	}
}

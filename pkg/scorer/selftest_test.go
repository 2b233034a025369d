package scorer

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"math"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/foreshock/foreshock/pkg/detect"
	"github.com/foreshock/foreshock/pkg/registry"
	"github.com/foreshock/foreshock/pkg/series"
)

func init() {
	detect.Detectors.Add(registry.Entry[detect.Detector]{Name: "test_blind", New: func() detect.Detector { return &blind{} }})
	detect.Detectors.Add(registry.Entry[detect.Detector]{Name: "test_faulty", New: func() detect.Detector { return &faulty{} }})
}

// blind is a detector that says it catches everything and scores nothing.
type blind struct {
	Budget float64 `json:"budget" yaml:"budget"`
}

func (*blind) Validate() error                          { return nil }
func (*blind) Catches() detect.Kinds                    { return detect.Spike | detect.Drop | detect.Shift }
func (b *blind) Fit(detect.Train) (detect.Model, error) { return b, nil }
func (*blind) MarshalBinary() ([]byte, error)           { return nil, nil }
func (*blind) Score(w series.Series, warmup int) (detect.Result, error) {
	r := detect.NewResult(w.Grid.N - warmup)
	for i := range r.Score {
		r.Score[i], r.Expected[i], r.Lower[i], r.Upper[i] = 0.1, 100, math.NaN(), math.NaN()
	}
	return r, nil
}

// faulty is a detector that panics over one series.
type faulty struct{ blind }

func (f *faulty) Fit(detect.Train) (detect.Model, error) { return f, nil }
func (f *faulty) Score(w series.Series, warmup int) (detect.Result, error) {
	if w.Labels.Get("service") == "s01" {
		panic("out of range")
	}
	return f.blind.Score(w, warmup)
}

const twoRules = `
prometheus: {url: "http://127.0.0.1:1"}
rules:
  - {name: good, expr: requests, detector: seasonal}
  - {name: bad, expr: requests, detector: test_blind}
  - {name: trusted, expr: requests, detector: test_blind, selftest: off, selftest_reason: it is watched by hand}
`

// A rule that finds nothing is not published, and everything that could tell why does.
func TestFailedSelfTestIsNotArmed(t *testing.T) {
	t.Parallel()
	now := start
	var log bytes.Buffer
	s, reg := started(t, twoRules, days(3, 12), Options{Logger: slog.New(slog.NewTextHandler(&log, nil))}, &now)
	if got := gathered(t, reg, "foreshock_scorer_rule_selftest"); got[`foreshock_scorer_rule_selftest{outcome="pending", rule="bad"}`] != 1 {
		t.Errorf("before the first evaluation: %v", got)
	}
	evaluateAt(t, s, now)
	got := gathered(t, reg)
	for rule, want := range map[string]struct {
		armed   float64
		outcome string
	}{"good": {1, "passed"}, "bad": {0, "failed"}, "trusted": {1, "off"}} {
		if got[`foreshock_scorer_rule_armed{rule="`+rule+`"}`] != want.armed || got[`foreshock_scorer_rule_selftest{outcome="`+want.outcome+`", rule="`+rule+`"}`] != 1 {
			t.Errorf("%s: armed %v, want %v and %s", rule, got[`foreshock_scorer_rule_armed{rule="`+rule+`"}`], want.armed, want.outcome)
		}
		if _, published := got[`foreshock_score{rule="`+rule+`", service="s01"}`]; published != (want.armed == 1) {
			t.Errorf("%s: published %v", rule, published)
		}
		if n := got[`foreshock_series_state{rule="`+rule+`", state="ok"}`]; (n > 0) != (want.armed == 1) {
			t.Errorf("%s: %v series are shown as ok", rule, n)
		}
	}
	if text := log.String(); !strings.Contains(text, "failed its self-test") || !strings.Contains(text, "Blind") || strings.Count(text, "level=WARN") != 1 {
		t.Errorf("log:\n%s", text)
	}
	for lang, want := range map[string]string{"en": "Blind", "zh-Hans": "失明"} {
		answer := httptest.NewRecorder()
		s.Handler().ServeHTTP(answer, httptest.NewRequest("GET", "/api/v1/rules?lang="+lang, nil))
		var body struct{ Rules []RuleStatus }
		if err := json.Unmarshal(answer.Body.Bytes(), &body); err != nil {
			t.Fatal(err)
		}
		if len(body.Rules) != 3 || body.Rules[0].Selftest.Outcome != "passed" || body.Rules[1].Armed || !strings.Contains(strings.Join(body.Rules[1].Selftest.Reasons, " "), want) ||
			body.Rules[1].Selftest.Again != start.Add(time.Hour).Format(time.RFC3339) || !strings.Contains(body.Rules[2].Selftest.Reasons[0], "watched by hand") {
			t.Errorf("%s: %s", lang, answer.Body)
		}
	}
}

// A rule that could not be tested is armed, and tested again after its refit.
func TestYoungRuleIsArmedAndTestedLater(t *testing.T) {
	t.Parallel()
	now := start.Add(-5*24*time.Hour + time.Hour) // one day of history
	source := days(2, 6)
	text := strings.Replace(rules, "labels:", "min_train: 2d, labels:", 1)
	s, reg := started(t, text, source, Options{}, &now)
	evaluateAt(t, s, now)
	if got := s.Rules("en")[0]; !got.Armed || got.Selftest.Outcome != "not-tested" || !strings.Contains(got.Selftest.Reasons[0], "warm-up") {
		t.Fatalf("%+v", got)
	}
	now = now.Add(12 * time.Hour)
	evaluateAt(t, s, now)
	if got := s.Rules("en")[0]; got.Selftest.Outcome != "not-tested" {
		t.Errorf("tested again before its refit: %+v", got)
	}
	now = start
	evaluateAt(t, s, now)
	if got := s.Rules("en")[0]; !got.Armed || got.Selftest.Outcome != "passed" || got.Selftest.Again != "" {
		t.Errorf("%+v", got)
	}
	if _, ok := gathered(t, reg, "foreshock_score")[`foreshock_score{rule="requests", service="s01", team="shop"}`]; !ok {
		t.Error("not published")
	}
	asked := source.asked
	now = start.Add(time.Minute)
	evaluateAt(t, s, now)
	if source.asked != asked+1 {
		t.Errorf("a rule that has passed was tested again: asked %d times for one evaluation", source.asked-asked)
	}
}

// Incidents that all series share, within the two days of the test, do not disarm a rule that finds what is put in.
func TestNoisyRuleIsArmed(t *testing.T) {
	t.Parallel()
	now, source := start, days(4, 12)
	for _, member := range source.members {
		for _, hours := range []int{6, 15, 27, 40} {
			i, _ := member.Grid.Index(start.Add(-time.Duration(hours) * time.Hour).UnixMilli())
			for k := range 15 {
				member.Values[i+k] += 80
			}
		}
	}
	var log bytes.Buffer
	s, reg := started(t, rules, source, Options{Logger: slog.New(slog.NewTextHandler(&log, nil))}, &now)
	evaluateAt(t, s, now)
	got := gathered(t, reg)
	if got[`foreshock_scorer_rule_armed{rule="requests"}`] != 1 || got[`foreshock_scorer_rule_selftest{outcome="noisy", rule="requests"}`] != 1 {
		t.Errorf("%+v", s.Rules("en"))
	}
	if _, ok := got[`foreshock_score{rule="requests", service="s01", team="shop"}`]; !ok {
		t.Error("not published")
	}
	if text := log.String(); strings.Count(text, "level=WARN") != 1 || !strings.Contains(text, "more than its budget") {
		t.Errorf("log:\n%s", text)
	}
}

// What was found of a rule is no longer true of one that changed, or of another server; what it published stays until the new one is armed or fails.
func TestChangedRuleIsTestedAnew(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		old, new string
		outcome  string
		armed    float64
	}{
		"rule":       {"team: shop", "team: desk", "passed", 1},
		"blind":      {"seasonal", "test_blind", "failed", 0},
		"connection": {"127.0.0.1:1", "127.0.0.1:2", "passed", 1},
	} {
		now := start
		s, reg := started(t, rules, days(1, 12), Options{}, &now)
		evaluateAt(t, s, now)
		before := gathered(t, reg, published5...)
		if err := s.Apply(parse(t, strings.Replace(rules, tt.old, tt.new, 1))); err != nil {
			t.Fatal(err)
		}
		got := gathered(t, reg)
		if got[`foreshock_scorer_rule_armed{rule="requests"}`] != 0 || got[`foreshock_scorer_rule_selftest{outcome="pending", rule="requests"}`] != 1 ||
			got[`foreshock_scorer_rule_selftest{outcome="passed", rule="requests"}`] != 0 {
			t.Errorf("%s: the metrics keep the outcome of the rule before: %v", name, gathered(t, reg, "foreshock_scorer_rule_selftest"))
		}
		if len(before) == 0 || len(gathered(t, reg, published5...)) != len(before) {
			t.Errorf("%s: the reload left a gap", name)
		}
		now = now.Add(time.Minute)
		evaluateAt(t, s, now)
		if got := gathered(t, reg); got[`foreshock_scorer_rule_armed{rule="requests"}`] != tt.armed || got[`foreshock_scorer_rule_selftest{outcome="`+tt.outcome+`", rule="requests"}`] != 1 {
			t.Errorf("%s: %+v", name, s.Rules("en"))
		}
		if n := len(gathered(t, reg, "foreshock_score")); n != int(tt.armed) {
			t.Errorf("%s: %d scores are published", name, n)
		}
	}
}

// What an old rule published goes when it is too old, even when the new one is not evaluated.
func TestOldSnapshotEnds(t *testing.T) {
	t.Parallel()
	now := start
	s, reg := started(t, untested, days(1, 8), Options{}, &now)
	evaluateAt(t, s, now)
	if err := s.Apply(parse(t, strings.Replace(untested, "seasonal", "mad", 1))); err != nil {
		t.Fatal(err)
	}
	now = now.Add(3*time.Minute + time.Second)
	if n := len(gathered(t, reg, published5...)); n != 0 {
		t.Errorf("%d values outlived three intervals", n)
	}
}

// A reload that ends the first self-test of a rule that did not change begins it again at once; until it has ended the scorer is not ready. The wait for its turn is not
// counted as time of the test.
func TestReloadBeginsTheFirstTestAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, err := New(parse(t, rules), Options{Source: &memory{}, Registry: prometheus.NewRegistry()})
		if err != nil {
			t.Fatal(err)
		}
		for range testsAtOnce { // other rules are tested
			s.tests <- struct{}{}
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- s.Run(ctx) }()
		time.Sleep(10*time.Minute + 30*time.Second)
		synctest.Wait()
		if got := s.Rules("en")[0]; s.Ready() == nil || got.Selftest.Outcome != "pending" {
			t.Errorf("while others are tested: ready %v, %+v", s.Ready(), got)
		}
		if err := s.Apply(parse(t, rules)); err != nil {
			t.Fatal(err)
		}
		if s.Ready() == nil {
			t.Error("ready after a reload that ended the first self-test")
		}
		synctest.Wait()
		for range testsAtOnce {
			<-s.tests
		}
		synctest.Wait()
		if got := s.Rules("en")[0]; s.Ready() != nil || got.Selftest.Outcome != "not-tested" || !strings.Contains(got.Selftest.Reasons[0], "no series") {
			t.Errorf("after the reload: ready %v, %+v", s.Ready(), got)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// A panic over one series is a failure of that series, and of a self-test no reason to hold the rule back. It keeps no processor.
func TestPanicsAreFailures(t *testing.T) {
	t.Parallel()
	now := start
	s, reg := started(t, strings.Replace(rules, "seasonal", "test_faulty", 1), days(2, 8), Options{}, &now)
	for range cap(s.slots) + 1 {
		evaluateAt(t, s, now)
	}
	got := gathered(t, reg)
	if n := got[`foreshock_scorer_rule_failures_total{reason="fit", rule="requests"}`]; n != float64(cap(s.slots)+1) {
		t.Errorf("failures: got %v", n)
	}
	if status := s.Rules("en")[0]; !status.Armed || status.Selftest.Outcome != "not-tested" || !strings.Contains(strings.Join(status.Selftest.Reasons, " "), "a fault of the program") {
		t.Errorf("%+v", status)
	}
	if n := len(gathered(t, reg, "foreshock_score")); n != 1 {
		t.Errorf("%d scores are published, want that of the other series", n)
	}
	if len(s.slots) != 0 || len(s.tests) != 0 {
		t.Errorf("%d slots and %d tests are kept", len(s.slots), len(s.tests))
	}
}

func TestSelftestOffWantsAReason(t *testing.T) {
	t.Parallel()
	_, err := Parse("f", []byte("rules: [{name: a, expr: up, selftest: off}]"))
	if err == nil || !strings.Contains(err.Error(), `field "selftest": got "off" without selftest_reason`) {
		t.Errorf("%v", err)
	}
}

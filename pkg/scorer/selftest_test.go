package scorer

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"math"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/foreshock/foreshock/pkg/detect"
	"github.com/foreshock/foreshock/pkg/registry"
	"github.com/foreshock/foreshock/pkg/series"
)

func init() {
	detect.Detectors.Add(registry.Entry[detect.Detector]{Name: "test_blind", New: func() detect.Detector { return &blind{} }})
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
			body.Rules[1].Selftest.Again != start.Add(24*time.Hour).Format(time.RFC3339) || !strings.Contains(body.Rules[2].Selftest.Reasons[0], "watched by hand") {
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

func TestSelftestOffWantsAReason(t *testing.T) {
	t.Parallel()
	_, err := Parse("f", []byte("rules: [{name: a, expr: up, selftest: off}]"))
	if err == nil || !strings.Contains(err.Error(), `field "selftest": got "off" without selftest_reason`) {
		t.Errorf("%v", err)
	}
}

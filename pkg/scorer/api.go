package scorer

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/foreshock/foreshock/pkg/message"
)

// RuleStatus is one rule in the answer of /api/v1/rules.
type RuleStatus struct {
	Name string `json:"name"`
	Kind string `json:"kind"`
	// Expr is empty for vectors of named dimensions, which are in Dimensions then. Clean is empty without a filter.
	Expr       string            `json:"expr,omitempty"`
	Dimensions map[string]string `json:"dimensions,omitempty"`
	Clean      string            `json:"clean,omitempty"`
	Detector   string            `json:"detector"`
	// Armed is whether its series are published.
	Armed    bool       `json:"armed"`
	Selftest TestStatus `json:"selftest"`
	// LastEvaluation is the time for which it was last evaluated, empty before.
	LastEvaluation string `json:"last_evaluation,omitempty"`
}

// TestStatus is the outcome of a rule's self-test.
type TestStatus struct {
	// Outcome is pending, passed, noisy, failed, not-tested or off.
	Outcome string   `json:"outcome"`
	Reasons []string `json:"reasons"`
	// At is the time for which it was tested and Again when it is tested next, empty where it is not.
	At    string `json:"at,omitempty"`
	Again string `json:"again,omitempty"`
	// Series is how many series were tested.
	Series int `json:"series"`
}

// Rules returns the state of every rule in the order of the file; sentences are in that language.
func (s *Scorer) Rules(lang string) []RuleStatus {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]RuleStatus, 0, len(s.conf.Rules))
	for _, r := range s.conf.Rules {
		st := s.states[r.Name]
		one := RuleStatus{
			Name: r.Name, Kind: r.Kind, Expr: r.Expr, Dimensions: r.Dimensions, Clean: r.Clean, Detector: r.Detector, Armed: st.test.arms(),
			Selftest: TestStatus{Outcome: outcomePending, Reasons: []string{}},
		}
		if st.tried {
			one.LastEvaluation = clock(st.last)
		}
		if t := st.test; t != nil {
			one.Selftest = TestStatus{Outcome: t.outcome, Reasons: t.sentences(lang), At: clock(t.at), Series: t.series}
			if t.again != 0 {
				one.Selftest.Again = clock(t.again)
			}
		}
		out = append(out, one)
	}
	return out
}

func clock(ms int64) string { return time.UnixMilli(ms).UTC().Format(time.RFC3339) }

// Handler serves GET /api/v1/rules: what Rules returns, as {"rules": […]}. The language is that of the parameter lang, else of the browser.
func (s *Scorer) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/v1/rules", func(w http.ResponseWriter, r *http.Request) {
		lang := r.URL.Query().Get("lang")
		if lang == "" {
			lang = r.Header.Get("Accept-Language")
		}
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Cache-Control", "no-store")
		e := json.NewEncoder(w)
		e.SetEscapeHTML(false)
		e.SetIndent("", "  ")
		_ = e.Encode(struct {
			Rules []RuleStatus `json:"rules"`
		}{s.Rules(message.Match(lang))}) // the client has gone
	})
	return mux
}

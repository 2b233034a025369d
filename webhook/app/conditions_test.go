package app

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/foreshock/foreshock/pkg/loki/lokitest"
	"github.com/foreshock/foreshock/webhook/cases"
	"github.com/foreshock/foreshock/webhook/policy"
)

// jointRule is P1 where a disk is above 85 % and the same machine logs many errors.
const jointRule = `
prometheus: {url: %q}
loki: {url: %q, token_file: loki.token, tenant: shop}
noise:
  review: 1s
  hold: {p2: 1s}
  regrade:
  - name: disk and errors
    promql: {expr: 'disk_used_ratio > 0.85', on: [instance], timeout: 3s}
    logql: {expr: 'sum by (instance) (count_over_time({app="shop"} |= "error" [5m])) > 20', on: [instance], timeout: 3s}
    to: P1
`

// evidenceHouse is a webhook with the rule, a Prometheus that has full as the one full disk, and a Loki where noisy logs errors.
func evidenceHouse(t *testing.T, full, noisy string) (*house, *receiver, *lokitest.Server) {
	t.Helper()
	metrics := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		result := ""
		if full != "" && r.FormValue("query") == "disk_used_ratio > 0.85" {
			result = fmt.Sprintf(`{"metric":{"instance":%q},"value":[0,"0.91"]}`, full)
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"status":"success","data":{"resultType":"vector","result":[%s]}}`, result)
	}))
	t.Cleanup(metrics.Close)
	logs := lokitest.Start(t, lokitest.Options{Tenant: "shop", Token: "s3cr3t"})
	rising(logs, noisy)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "loki.token"), []byte("s3cr3t\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := newReceiver(t)
	return open(t, dir, hookConfig(r)+fmt.Sprintf(jointRule, metrics.URL, logs.URL), nil), r, logs
}

// rising logs 40 errors of a machine in the last minute, and 40 lines that are none of another one.
func rising(logs *lokitest.Server, instance string) {
	for i := range 40 {
		at := time.Now().Add(-time.Duration(i) * time.Second)
		logs.Add(lokitest.Line{At: at, Labels: map[string]string{"app": "shop", "instance": "quiet"}, Text: "order taken"})
		if instance != "" {
			logs.Add(lokitest.Line{At: at, Labels: map[string]string{"app": "shop", "instance": instance}, Text: "error: write failed"})
		}
	}
}

// warn sends an alert that is P2 by its severity.
func warn(t *testing.T, h *house, instance string) {
	t.Helper()
	ask(t, h, "POST", "/api/v1/alerts", fmt.Sprintf(`{"alerts":[{"status":"firing","labels":{"alertname":"Trouble","severity":"warning","instance":%q},"startsAt":%q}]}`,
		instance, time.Now().UTC().Format(time.RFC3339)), 200, nil)
}

// until waits for a case as wanted.
func until(t *testing.T, h *house, what string, is func(cases.Case) bool) {
	t.Helper()
	var last string
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		var list struct{ Cases []cases.Case }
		last = ask(t, h, "GET", "/api/v1/cases", "", 200, nil)
		if err := json.Unmarshal([]byte(last), &list); err != nil {
			t.Fatal(err)
		}
		if len(list.Cases) == 1 && is(list.Cases[0]) {
			return
		}
	}
	t.Fatalf("no case %s: %s", what, last)
}

// reviewed waits until Loki was asked twice more.
func reviewed(t *testing.T, logs *lokitest.Server) {
	t.Helper()
	before := logs.Requests.Load()
	for deadline := time.Now().Add(20 * time.Second); logs.Requests.Load() < before+2; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("Loki was asked %d times, then no more", before)
		}
	}
}

// A disk above 85 % and rising errors of one machine are P1; each alone, and both of different machines, are P2.
func TestJointEvidence(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		full, noisy string
		want        policy.Grade
		asked       bool // Loki, which is not asked when Prometheus already says no
	}{
		"the disk alone":     {"a", "", policy.P2, true},
		"the errors alone":   {"", "a", policy.P2, false},
		"different machines": {"a", "b", policy.P2, true},
		"both":               {"a", "a", policy.P1, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h, r, logs := evidenceHouse(t, c.full, c.noisy)
			warn(t, h, "a")
			// It waits for a second, and is graded with what is known then.
			if got := r.next(t); got.What != "opened" || got.Case.Grade != c.want {
				t.Errorf("%s as %s, want %s", got.What, got.Case.Grade, c.want)
			}
			if c.asked {
				reviewed(t, logs)
			} else if n := logs.Requests.Load(); n != 0 {
				t.Errorf("Loki was asked %d times", n)
			}
			until(t, h, "of grade "+c.want.String(), func(one cases.Case) bool {
				return one.Grade == c.want && strings.Contains(string(one.GradeReason), "disk and errors") == (c.want == policy.P1)
			})
			r.none(t)
		})
	}
}

// What Loki does not tell is unknown: the grade stays what it was, lower or higher, and the reason says why.
func TestUnknownEvidence(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		trouble func(*lokitest.Server)
		why     string
	}{
		"time-out": {func(s *lokitest.Server) { s.Silence(true) }, "disk and errors: unknown (logql: no answer within 3s), not applied"},
		"500":      {func(s *lokitest.Server) { s.Fail(http.StatusInternalServerError) }, "answers with status 500: it is out of order), not applied"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h, r, logs := evidenceHouse(t, "a", "a")
			c.trouble(logs)
			warn(t, h, "a")
			if got := r.next(t); got.Case.Grade != policy.P2 {
				t.Errorf("opened as %s", got.Case.Grade)
			}
			until(t, h, "of P2 with the reason", func(one cases.Case) bool {
				return one.Grade == policy.P2 && strings.Contains(string(one.GradeReason), c.why)
			})
			r.none(t)
			logs.Silence(false)
			logs.Fail(0)
			if got := r.next(t); got.What != "regraded" || got.Case.Grade != policy.P1 {
				t.Errorf("then %s %s", got.What, got.Case.Grade)
			}
			c.trouble(logs)
			until(t, h, "kept at P1 with the reason", func(one cases.Case) bool {
				return one.Grade == policy.P1 && strings.Contains(string(one.GradeReason), c.why) && strings.Contains(string(one.GradeReason), "kept at P1 until that is known")
			})
			r.none(t)
			if strings.Contains(h.log.String(), "s3cr3t") {
				t.Error("the token is in the log")
			}
		})
	}
}

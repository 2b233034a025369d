package app

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/foreshock/foreshock/webhook/alert"
	"github.com/foreshock/foreshock/webhook/policy"
)

// played is a Prometheus that answers the questions of facts from a script.
func played(t *testing.T, down *atomic.Bool) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if down.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		q, result := r.FormValue("query"), ""
		switch {
		case strings.Contains(q, "traces_service_graph_request_total"):
			result = `{"metric":{"client":"checkout","server":"payment"},"value":[0,"3"]}`
		case strings.Contains(q, "ALERTS_FOR_STATE"):
			result = `{"metric":{"__name__":"ALERTS_FOR_STATE","alertname":"Link","instance":"a"},"value":[0,"4"]}`
		case q == "burn":
			result = `{"metric":{"service":"checkout"},"value":[0,"20"]},{"metric":{"service":"cart"},"value":[0,"0"]}`
		case q == "slow":
			<-r.Context().Done()
			return
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"status":"success","data":{"resultType":"vector","result":[%s]}}`, result)
	}))
	t.Cleanup(s.Close)
	return s
}

// The service graph comes from the file and from traces, restarts and answers to rules from Prometheus; what cannot be asked keeps its
// last answer.
func TestFacts(t *testing.T) {
	t.Parallel()
	var down atomic.Bool
	server, dir := played(t, &down), t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "services.yml"), []byte("services: {web: {tier: gold, calls: [checkout]}}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	h := open(t, dir, hookConfig(newReceiver(t))+fmt.Sprintf("prometheus: {url: %q}\ntopology: {file: services.yml, traces: true}\n", server.URL), nil)
	f := h.facts
	f.refresh(t.Context())
	down.Store(true)
	f.refresh(t.Context())
	if g := f.Graph(); !g.DependsOn("web", "payment") || g.Tier("web") != "gold" || g.Dependants("payment") != 2 {
		t.Errorf("the graph: web depends on payment: %v, tier %q", g.DependsOn("web", "payment"), g.Tier("web"))
	}
	if n, ok := f.Restarts(alert.Labels{"alertname": "Link", "instance": "a", "cluster": "added later"}); !ok || n != 4 {
		t.Errorf("restarts %d, %v, want 4", n, ok)
	}
	if _, ok := f.Restarts(alert.Labels{"alertname": "Link", "instance": "b"}); ok {
		t.Error("restarts of another alert")
	}
	if !strings.Contains(h.log.String(), "could not be asked") {
		t.Error("the log does not say that Prometheus cannot be asked")
	}
	members := []alert.Labels{{"service": "checkout"}}
	query := func(expr string, on ...string) policy.Query {
		return policy.Query{Expr: expr, On: on, Timeout: policy.Duration(200 * time.Millisecond)}
	}
	if a := f.Ask(context.Background(), "promql", query("burn", "service"), members); a.Holds != policy.Unknown {
		t.Errorf("while it is down: %+v", a)
	}
	down.Store(false)
	for _, tc := range []struct {
		language string
		q        policy.Query
		members  []alert.Labels
		want     policy.Tri
	}{
		{"promql", query("burn", "service"), members, policy.Yes},
		{"promql", query("burn"), nil, policy.Yes},
		{"promql", query("burn", "service"), []alert.Labels{{"service": "cart"}}, policy.No}, // its value is 0
		{"promql", query("none"), members, policy.No},
		{"promql", query("slow"), members, policy.Unknown},
		{"logql", query("burn"), members, policy.Unknown},
	} {
		if a := f.Ask(context.Background(), tc.language, tc.q, tc.members); a.Holds != tc.want || (a.Holds == policy.Unknown && a.Why == "") {
			t.Errorf("%s %s: %+v, want %v", tc.language, tc.q.Expr, a, tc.want)
		}
	}
}

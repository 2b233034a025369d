package api

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/foreshock/foreshock/webhook/cases"
)

func TestLedgerQuery(t *testing.T) {
	t.Parallel()
	for query, want := range map[string]cases.LedgerQuery{
		"": {Limit: 100},
		"?channel=slack&case=c1&result=failed&result=unknown&limit=5&before=x&internal=true": {
			Channel: "slack", CaseID: "c1", Results: []string{"failed", "unknown"}, Limit: 5, Before: "x", Internal: true,
		},
		"?since=2026-11-20T12:00:00Z&until=2026-11-20T13:00:00Z": {
			Limit: 100, Since: time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC), Until: time.Date(2026, 11, 20, 13, 0, 0, 0, time.UTC),
		},
	} {
		got, err := ledgerQuery(httptest.NewRequest("GET", "/api/v1/ledger"+query, nil))
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", query, d)
		}
	}
}

func TestLedgerAnswers(t *testing.T) {
	t.Parallel()
	b := start(t, settings())
	b.ledger = []cases.LedgerLine{{Key: "k1", Attempt: cases.Attempt{ActionID: "a1", N: 2, Began: time.Unix(1, 0)}}}
	for query, want := range map[string]struct {
		code int
		text string
	}{
		"":             {http.StatusOK, `"key":"k1"`},
		"?limit=1":     {http.StatusOK, `"next":"1000000.2.a1"`},
		"?limit=0":     {http.StatusBadRequest, "limit: want 1 to 1000"},
		"?since=today": {http.StatusBadRequest, "since: want a time like"},
		"?before=bad":  {http.StatusBadRequest, "want the cursor of a line of the ledger"},
	} {
		res, text := b.get(t, "/api/v1/ledger"+query)
		if res.StatusCode != want.code || !strings.Contains(text, want.text) {
			t.Errorf("%s: %d %s", query, res.StatusCode, text)
		}
	}
}

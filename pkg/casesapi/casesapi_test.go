package casesapi

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func serve(t *testing.T, f http.HandlerFunc) *Client {
	t.Helper()
	s := httptest.NewServer(f)
	t.Cleanup(s.Close)
	c, err := New(Options{URL: s.URL + "/under/", Token: "a-token"})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestCasesReadsAllPages(t *testing.T) {
	t.Parallel()
	var asked []string
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.URL.RequestURI())
		if r.Header.Get("Authorization") != "Bearer a-token" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		from := 0
		if b := r.URL.Query().Get("before"); b != "" {
			_, _ = fmt.Sscanf(b, "c%d", &from)
		}
		var limit int
		_, _ = fmt.Sscan(r.URL.Query().Get("limit"), &limit)
		n := min(limit, 1500-from)
		var list []map[string]any
		for i := range n {
			list = append(list, map[string]any{"id": fmt.Sprintf("c%d", from+i+1), "grade": "P1", "newer": "field"})
		}
		body := map[string]any{"cases": list}
		if n == limit {
			body["next"] = fmt.Sprintf("c%d", from+n)
		}
		_ = json.NewEncoder(w).Encode(body)
	})
	all, more, err := c.Cases(t.Context(), Query{State: "all", Text: "a b", Since: time.Unix(1795175430, 0), Limit: 5000})
	if err != nil || more || len(all) != 1500 || all[1499].ID != "c1500" || len(asked) != 2 {
		t.Errorf("%d cases, more %v, %v, %v", len(all), more, err, asked)
	}
	if want := "/under/api/v1/cases?limit=1000&q=a+b&since=2026-11-20T11%3A50%3A30Z&state=all"; asked[0] != want {
		t.Errorf("asked %s, want %s", asked[0], want)
	}
	all, more, err = c.Cases(t.Context(), Query{Limit: 3})
	if err != nil || !more || len(all) != 3 {
		t.Errorf("%d cases, more %v, %v", len(all), more, err)
	}
}

func TestCommand(t *testing.T) {
	t.Parallel()
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if r.Method != http.MethodPost || r.URL.Path != "/under/api/v1/cases/a%2Fb/acknowledge" && r.URL.EscapedPath() != "/under/api/v1/cases/a%2Fb/acknowledge" || string(body) != `{"by":"ann","note":"n"}` {
			w.WriteHeader(http.StatusConflict)
			fmt.Fprintf(w, `{"error": "%s %s"}`, r.Method, r.URL.EscapedPath())
			return
		}
		fmt.Fprint(w, `{"id": "x", "state": "triage"}`)
	})
	if got, err := c.Command(t.Context(), "a%2Fb", "acknowledge", "ann", "n"); err != nil || got.State != "triage" {
		t.Errorf("%+v, %v", got, err)
	}
	_, err := c.Command(t.Context(), "x", "resolve", "ann", "")
	var e *Error
	if !errors.As(err, &e) || e.Status != 409 || !strings.Contains(e.Text, "/x/resolve") {
		t.Errorf("%v", err)
	}
}

func TestBadAnswers(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{"<html>": "this is not the webhook's answer", "[]": "this is not the webhook's answer"} {
		c := serve(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, body) })
		if _, err := c.Counts(t.Context()); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: %v", body, err)
		}
	}
	c := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) })
	if _, err := c.Statistics(t.Context(), time.Unix(0, 0), time.Unix(3600, 0), time.Hour); err == nil || err.Error() != "the webhook answers 401: Unauthorized" {
		t.Errorf("%v", err)
	}
	for _, bad := range []string{"", "foreshock:9099", "ftp://x", "http://u:secret@x"} {
		if _, err := New(Options{URL: bad}); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// Cases of the past are those that were open at some time of the range, each once, by the labels of their alerts.
func TestPast(t *testing.T) {
	t.Parallel()
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("state") == "open" { // opened long ago and never touched since
			fmt.Fprint(w, `{"cases": [{"id": "old", "openedAt": "2026-01-01T00:00:00Z", "labels": {"service": "api"}}, {"id": "b", "startedAt": "2026-02-02T00:00:00Z", "labels": {"service": "db"}}]}`)
			return
		}
		if got := r.URL.Query().Get("since"); got != "2026-02-01T00:00:00Z" {
			t.Errorf("since %s", got)
		}
		fmt.Fprint(w, `{"cases": [
			{"id": "a", "startedAt": "2026-02-03T00:00:00Z", "openedAt": "2026-02-03T00:05:00Z", "resolvedAt": "2026-02-03T01:00:00Z", "labels": {"service": "api", "severity": "critical"}},
			{"id": "b", "startedAt": "2026-02-02T00:00:00Z", "labels": {"service": "db"}},
			{"id": "before", "startedAt": "2026-01-30T00:00:00Z", "resolvedAt": "2026-01-31T00:00:00Z"},
			{"id": "after", "startedAt": "2026-02-09T00:00:00Z"}]}`)
	})
	from, to := time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC), time.Date(2026, 2, 8, 0, 0, 0, 0, time.UTC)
	for text, want := range map[string]string{
		`{}`: "a b old", `{service="api"}`: "a old", `service=~"api|db",severity!="critical"`: "b old", `{service="none"}`: "",
	} {
		s, err := ParseSelector(text)
		if err != nil {
			t.Fatal(err)
		}
		past, more, err := c.Past(t.Context(), s, from, to)
		if err != nil || more {
			t.Fatal(err, more)
		}
		var ids []string
		for _, one := range past {
			ids = append(ids, one.ID)
		}
		if got := strings.Join(ids, " "); got != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
	}
	for _, text := range []string{"", "service", `{a=~"["}`} {
		if _, err := ParseSelector(text); err == nil || !strings.Contains(err.Error(), "want matchers like") {
			t.Errorf("%q: %v", text, err)
		}
	}
	began, ended := Case{OpenedAt: from}.Span(to)
	if began != from || ended != to {
		t.Errorf("a case that is open still: %v to %v", began, ended)
	}
}

package loki_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/foreshock/foreshock/pkg/loki"
	"github.com/foreshock/foreshock/pkg/loki/lokitest"
)

// noon is the present of the tests.
var noon = lokitest.Now(time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC))

// lines returns n lines of two streams; several have the same time.
func lines(n, perTime int) (out []lokitest.Line) {
	for i := range n {
		labels := map[string]string{"app": "shop", "pod": fmt.Sprint("pod-", i%2)}
		out = append(out, lokitest.Line{At: noon.Add(time.Duration(i/perTime) * time.Millisecond), Labels: labels, Text: fmt.Sprint("line ", i)})
	}
	return out
}

func client(t *testing.T, o loki.Options) *loki.Client {
	t.Helper()
	c, err := loki.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestPages: every line comes once, whatever the size of pages and however many lines share a time.
func TestPages(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ n, perTime, page int }{{1000, 1, 100}, {1000, 7, 100}, {1000, 99, 100}, {100, 3, 100}, {99, 3, 100}, {0, 1, 100}} {
		server := lokitest.Start(t, lokitest.Options{MaxEntries: c.page}, lines(c.n, c.perTime)...)
		answer, err := client(t, loki.Options{URL: server.URL, Page: c.page}).Lines(t.Context(), `{app="shop"}`, noon, noon.Add(time.Hour), 5000)
		if err != nil {
			t.Fatal(err)
		}
		seen := map[string]int{}
		for i, e := range answer.Entries {
			seen[e.Line]++
			if i > 0 && e.At.Before(answer.Entries[i-1].At) {
				t.Fatalf("%+v: not in order of time", c)
			}
		}
		if len(seen) != c.n || len(answer.Entries) != c.n || answer.Cut || answer.Lost {
			t.Errorf("%+v: %d lines, %d of them different, cut %v", c, len(answer.Entries), len(seen), answer.Cut)
		}
	}
}

func TestLimits(t *testing.T) {
	t.Parallel()
	server := lokitest.Start(t, lokitest.Options{MaxEntries: 100}, lines(1000, 1)...)
	answer, err := client(t, loki.Options{URL: server.URL, Page: 100}).Lines(t.Context(), `{app="shop"} != "line 999"`, noon, noon.Add(time.Hour), 250)
	if err != nil || len(answer.Entries) != 250 || !answer.Cut || answer.Entries[249].Line != "line 998" || answer.Entries[0].Labels.Get("app") != "shop" {
		t.Errorf("%v, %d lines, cut %v", err, len(answer.Entries), answer.Cut)
	}
	// More lines of one time than fit a page: the rest of them cannot be asked for, those before can.
	same := append(lines(5, 1), lines(300, 300)...)
	for i := range same[5:] {
		same[5+i].At = noon.Add(time.Second)
	}
	server = lokitest.Start(t, lokitest.Options{MaxEntries: 100}, same...)
	answer, err = client(t, loki.Options{URL: server.URL, Page: 100}).Lines(t.Context(), `{app="shop"}`, noon, noon.Add(time.Hour), 1000)
	if err != nil || !answer.Lost || len(answer.Entries) != 105 {
		t.Errorf("%v, lost %v, %d lines", err, answer.Lost, len(answer.Entries))
	}
}

func TestErrors(t *testing.T) {
	t.Parallel()
	guarded := lokitest.Start(t, lokitest.Options{Tenant: "a", User: "u", Password: "secret"}, lines(3, 1)...)
	answer, err := client(t, loki.Options{URL: guarded.URL + "/loki/api/v1/", Tenant: "a", User: "u", Password: "secret"}).
		Lines(t.Context(), `{app="shop"}`, noon, noon.Add(time.Hour), 10)
	if err != nil || len(answer.Entries) != 3 {
		t.Errorf("with all credentials: %v, %d lines", err, len(answer.Entries))
	}
	metric := serve(t, http.StatusOK, `{"status":"success","data":{"resultType":"matrix","result":[]}}`)
	for name, c := range map[string]struct {
		o     loki.Options
		query string
		hours int
		kind  loki.Kind
		want  string
	}{
		"tenant":   {loki.Options{URL: guarded.URL, User: "u", Password: "secret"}, `{app="shop"}`, 1, loki.KindAuth, "check user, password, token and tenant"},
		"password": {loki.Options{URL: guarded.URL, Tenant: "a"}, `{app="shop"}`, 1, loki.KindAuth, "status 401"},
		"query":    {loki.Options{URL: lokitest.Start(t, lokitest.Options{}).URL}, `{app=`, 1, loki.KindBadQuery, "parse error"},
		"range":    {loki.Options{URL: lokitest.Start(t, lokitest.Options{}).URL}, `{app="shop"}`, 24 * 40, loki.KindBadQuery, "exceeds the limit"},
		"page":     {loki.Options{URL: lokitest.Start(t, lokitest.Options{}).URL, Page: 6000}, `{app="shop"}`, 1, loki.KindBadQuery, "max entries limit"},
		"metric":   {loki.Options{URL: metric}, `rate({app="shop"}[5m])`, 1, loki.KindBadQuery, "gives a matrix"},
		"html":     {loki.Options{URL: serve(t, http.StatusOK, "<html>login")}, `{app="shop"}`, 1, loki.KindNotLoki, "not that of a Loki"},
		"missing":  {loki.Options{URL: serve(t, http.StatusNotFound, "404 page not found")}, `{app="shop"}`, 1, loki.KindNotLoki, "is this the address of Loki?"},
		"busy":     {loki.Options{URL: serve(t, http.StatusTooManyRequests, "too many outstanding requests")}, `{app="shop"}`, 1, loki.KindUnavailable, "too many outstanding"},
		"gone":     {loki.Options{URL: "http://127.0.0.1:1"}, `{app="shop"}`, 1, loki.KindUnavailable, "cannot reach"},
		"long":     {loki.Options{URL: metric, MaxWire: 10}, `{app="shop"}`, 1, loki.KindBadQuery, "longer than 10 bytes"},
	} {
		_, err := client(t, c.o).Lines(t.Context(), c.query, noon, noon.Add(time.Duration(c.hours)*time.Hour), 10)
		var failed *loki.Error
		if !errors.As(err, &failed) || failed.Kind != c.kind || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "shop") {
			t.Errorf("%s: %v", name, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var failed *loki.Error
	if _, err := client(t, loki.Options{URL: guarded.URL}).Lines(ctx, "{}", noon, noon.Add(1), 1); !errors.As(err, &failed) || failed.Kind != loki.KindCanceled {
		t.Errorf("canceled: %v", err)
	}
	for _, u := range []string{"", "loki:3100", "http://u:p@loki:3100"} {
		if _, err := loki.New(loki.Options{URL: u}); err == nil || strings.Contains(err.Error(), "p@") {
			t.Errorf("%q: %v", u, err)
		}
	}
}

// serve is a server that answers always the same.
func serve(t *testing.T, status int, body string) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}))
	t.Cleanup(s.Close)
	return s.URL
}

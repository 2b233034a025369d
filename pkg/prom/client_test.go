package prom

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/foreshock/foreshock/pkg/series"
)

// canned answers every request with one status, content type and body.
func canned(t *testing.T, code int, kind, body string) *Client {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", kind)
		if code/100 == 3 {
			w.Header().Set("Location", "https://user:pw@login.example/start?token=abc")
		}
		w.WriteHeader(code)
		io.WriteString(w, body)
	}))
	t.Cleanup(s.Close)
	c, err := New(Options{URL: strings.Replace(s.URL, "http://", "http://ann:secret-word@", 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

var minute = series.Grid{Start: base, Step: 60_000, N: 3}

// Answers as they were seen from Prometheus, VictoriaMetrics, Mimir, Thanos, proxies and login pages.
func TestErrorKinds(t *testing.T) {
	t.Parallel()
	const json, html = "application/json", "text/html; charset=utf-8"
	for _, c := range []struct {
		code       int
		kind, body string
		want       Kind
		text       string
	}{
		{400, json, `{"status":"error","errorType":"bad_data","error":"invalid parameter \"query\": 1:5: parse error: unclosed left parenthesis"}`, KindBadQuery, "the query was refused: invalid parameter"},
		{400, json, `{"status":"error","errorType":"bad_data","error":"1:1: parse error: unknown function with name \"timeout\""}`, KindBadQuery, "timeout"},
		{422, json, `{"status":"error","errorType":"execution","error":"found duplicate series for the match group"}`, KindBadQuery, "duplicate series"},
		{422, json, `{"status":"error","errorType":"execution","error":"query processing would load too many samples into memory in query execution"}`, KindTooManySamples, "the query is too large"},
		{400, json, `{"status":"error","errorType":"bad_data","error":"exceeded maximum resolution of 11,000 points per timeseries."}`, KindTooManySamples, "11,000"},
		{503, json, `{"status":"error","errorType":"timeout","error":"query timed out in expression evaluation"}`, KindTimeout, "the query took too long"},
		{503, json, `{"status":"error","errorType":"canceled","error":"query was canceled in expression evaluation"}`, KindUnavailable, "is not available"},
		{503, "text/plain", "Service Unavailable", KindUnavailable, "503"},
		{500, json, `{"status":"error","errorType":"internal","error":"TSDB not ready"}`, KindUnavailable, "not ready"},
		{422, json, `{"status":"error","errorType":"422","error":"error when executing query=\"sum(\": unexpected end"}`, KindBadQuery, "unexpected end"},
		{422, json, `{"status":"error","errorType":"422","error":"error when executing query=\"rate(request_timeout_total\": missing )"}`, KindBadQuery, "missing"},
		{422, json, `{"status":"error","errorType":"422","error":"cannot select more than -search.maxSamplesPerQuery=1000 samples"}`, KindTooManySamples, "maxSamplesPerQuery"},
		{503, json, `{"status":"error","errorType":"503","error":"timeout exceeded during the query"}`, KindTimeout, "timeout exceeded"},
		{422, json, `{"status":"error","errorType":"execution","error":"the query hit the max number of series limit (limit: 100000 series) (err-mimir-max-series-per-query)"}`, KindTooManySamples, "mimir"},
		{429, json, `{"status":"error","errorType":"too_many_requests","error":"too many outstanding requests"}`, KindUnavailable, "outstanding"},
		{401, "text/plain; charset=utf-8", "Unauthorized\n", KindAuth, "401 Unauthorized"},
		{403, html, "<html><title>No\n entry</title>", KindAuth, "check user, password or token"},
		{401, json, `{"message":"invalid API key"}`, KindAuth, "invalid API key"},
		{302, html, "", KindNotPrometheus, "redirects to https://login.example/start:"},
		{200, html, "<!doctype html><HTML><head><title>Sign &amp; in\n</title>", KindNotPrometheus, `a page titled "Sign & in"`},
		{404, html, "<h1>404</h1>", KindNotPrometheus, "check the URL and its path"},
		{404, "text/plain; charset=utf-8", "404 page not found\n", KindNotPrometheus, "404 page not found"},
		{405, "text/plain", "", KindNotPrometheus, "does not allow POST (405): choose the other HTTP method"},
		{413, html, "", KindBadQuery, "too long"},
		{502, html, "<title>502 Bad Gateway</title>", KindUnavailable, "502 Bad Gateway"},
		{504, html, "<title>504 Gateway Time-out</title>", KindTimeout, "did not answer in time"},
		{503, json, `["not","ours"]`, KindUnavailable, "503"},
		{200, json, `{"hello":"world"}`, KindNotPrometheus, `no status "success"`},
		{200, json, `{"status":"success","data":{"resultType":"vector","result":[]}}`, KindNotPrometheus, "not matrix"},
		{200, json, `{"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":[[1,"1"]]}]}}`, KindNotPrometheus, "a sample at 1, which was not asked for"},
		{200, json, `{"status":"success","data":{"resultType":"matrix","result":[{"metric":{"a":"b"},"values":[[1789344000,"1"]]},{"metric":{"a":"b"},"values":[[1789344000,"1"]]}]}}`, KindNotPrometheus, "two series with the same labels"},
		{200, json, `{"status":"success","data":{"resultType":"matrix","result":[{"metric":{"a":"b"},"values":[[1789344000,`, KindUnavailable, "ended in the middle"},
		{200, json, `{"status":"success","data":{"resultType":"matrix","result":[]}} trailing`, KindNotPrometheus, "after the end"},
	} {
		client := canned(t, c.code, c.kind, c.body)
		_, err := client.Range(background, "x{a=\"secret-query\"}", minute)
		var e *Error
		if !errors.As(err, &e) || e.Kind != c.want || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%d %.60s:\n got %v: %v\nwant %v with %q", c.code, c.body, kind(err), err, c.want, c.text)
		}
		if err != nil {
			for _, bad := range []string{"secret-word", "secret-query", "token=abc", "pw@", "\n"} {
				if strings.Contains(err.Error(), bad) {
					t.Errorf("%d %.60s: the error shows %q: %v", c.code, c.body, bad, err)
				}
			}
		}
	}
}

// Nobody at the port, no such host, a server that never answers, a server that echoes the password.
func TestErrorsHoldNoCredentials(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	echo := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		w.Header().Set("Content-Type", "text/plain")
		w.WriteHeader(500)
		fmt.Fprintf(w, "no entry for %s with %s", user, password)
	}))
	defer echo.Close()
	for _, host := range []string{address, "no-such-host.invalid", strings.TrimPrefix(echo.URL, "http://")} {
		c, err := New(Options{URL: "http://ann:secret%2Bword@" + host + "/prefix/"})
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.Range(background, "up", minute)
		if kind(err) != KindUnavailable || !contains(err, "http://"+host+"/prefix") {
			t.Errorf("%s: %v", host, err)
		}
		for ; err != nil; err = errors.Unwrap(err) {
			if contains(err, "secret") && !contains(err, "<secret>") || contains(err, "ann:") {
				t.Errorf("%s: the error shows credentials: %v", host, err)
			}
		}
	}
}

func TestNewChecksOptions(t *testing.T) {
	t.Parallel()
	for _, u := range []string{"", "prometheus:9090", "ftp://x", "http://", "http://u:secret-word@x:port/"} {
		if _, err := New(Options{URL: u}); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("New(%q) = %v", u, err)
		}
	}
	if _, err := New(Options{URL: "http://x", Method: "PUT"}); err == nil || err.Error() != `the HTTP method is "PUT": want POST or GET` {
		t.Errorf("method: %v", err)
	}
	for in, want := range map[string]string{"http://x:1/": "http://x:1", "https://x/a/b/": "https://x/a/b", "http://x/api/v1/": "http://x", " http://u:p@x/p?q=1#f": "http://x/p"} {
		c, err := New(Options{URL: in})
		if err != nil || c.Address() != want {
			t.Errorf("New(%q): %v, %v, want %s", in, c, err, want)
		}
	}
}

// What is sent: form or query, exact times and steps, credentials, headers, and a time limit for the server.
func TestRequest(t *testing.T) {
	t.Parallel()
	type seen struct {
		method, path, auth, tenant string
		form                       url.Values
	}
	got := make(chan seen, 4)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.ParseForm()
		got <- seen{r.Method, r.URL.Path, r.Header.Get("Authorization"), r.Header.Get("X-Scope-Orgid"), r.Form}
		w.Header().Set("Content-Type", "application/json")
		w.Write(matrixJSON(nil, nil))
	}))
	defer s.Close()
	for _, method := range []string{"POST", "GET"} {
		c, err := New(Options{URL: strings.Replace(s.URL, "://", "://ann:word@", 1) + "/prom", Method: method, Header: http.Header{"x-scope-orgid": {"me"}}})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		ctx, cancel := context.WithTimeout(background, time.Hour)
		defer cancel()
		if _, err := c.Range(ctx, "a+b&c", series.Grid{Start: 1001 * 1_000_000, Step: 1001, N: 2}); err != nil {
			t.Fatal(err)
		}
		r := <-got
		timeout := r.form.Get("timeout")
		if d, err := time.ParseDuration(timeout); err != nil || d <= 59*time.Minute || d > time.Hour {
			t.Errorf("timeout %q", timeout)
		}
		r.form.Del("timeout")
		want := seen{method, "/prom/api/v1/query_range", "Basic YW5uOndvcmQ=", "me", url.Values{"query": {"a+b&c"}, "start": {"1001000"}, "end": {"1001001.001"}, "step": {"1001ms"}}}
		if d := cmp.Diff(want, r, cmp.AllowUnexported(seen{})); d != "" {
			t.Error(d)
		}
	}
}

// A connection that breaks before the answer is tried once more, and only once.
func TestOneRetryOnReset(t *testing.T) {
	t.Parallel()
	for _, breaks := range []int32{1, 2} {
		var n atomic.Int32
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if n.Add(1) <= breaks {
				conn, _, _ := http.NewResponseController(w).Hijack()
				conn.(*net.TCPConn).SetLinger(0) // reset
				conn.Close()
				return
			}
			w.Header().Set("Content-Type", "application/json")
			w.Write(matrixJSON(nil, nil))
		}))
		c, err := New(Options{URL: s.URL})
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.Range(background, "x", minute)
		if (err == nil) != (breaks == 1) || n.Load() != 2 || err != nil && kind(err) != KindUnavailable {
			t.Errorf("%d resets: %d requests, %v", breaks, n.Load(), err)
		}
		c.Close()
		s.Close()
	}
	var n atomic.Int32
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { n.Add(1); w.WriteHeader(503) }))
	defer s.Close()
	c, _ := New(Options{URL: s.URL})
	c.Range(background, "x", minute)
	if n.Load() != 1 {
		t.Errorf("a 503 was asked %d times", n.Load())
	}
}

// All calls of a client share its bound on requests at a time.
func TestConcurrencyIsBounded(t *testing.T) {
	t.Parallel()
	var now, most atomic.Int32
	s := newScripted(t, func(string, series.Grid) []series.Series {
		n := now.Add(1)
		defer now.Add(-1)
		for old := most.Load(); n > old && !most.CompareAndSwap(old, n); old = most.Load() {
		}
		time.Sleep(5 * time.Millisecond)
		return nil
	})
	c := s.client(t, Options{Limits: Limits{MaxConcurrent: 3}})
	done := make(chan error, 5)
	for range cap(done) {
		go func() {
			_, err := c.Range(background, "x", series.Grid{Start: base, Step: 60_000, N: 5*maxPoints + 1})
			done <- err
		}()
	}
	for range cap(done) {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if most.Load() != 3 {
		t.Errorf("%d at once, want 3", most.Load())
	}
	if n := len(s.takeAsked()); n != 30 {
		t.Errorf("%d requests, want 30", n)
	}
}

// Cuts keep the same series whatever the order in which they come, over all parts of a long range.
func TestCutsAreDeterministic(t *testing.T) {
	t.Parallel()
	order := []int{7, 3, 9, 1, 0, 8, 2, 6, 4, 5}
	s := newScripted(t, func(_ string, grid series.Grid) []series.Series {
		var out []series.Series
		for _, k := range order {
			if k == 1 && grid.Start == base { // begins later
				continue
			}
			m := series.New(named(k), grid)
			m.Values[0] = float64(k)
			out = append(out, m)
		}
		return out
	})
	grid := series.Grid{Start: base, Step: 60_000, N: maxPoints + 10}
	for _, c := range []struct {
		limits Limits
		kind   NoticeKind
	}{{Limits{MaxSeries: 4}, NoticeSeriesCut}, {Limits{MaxBytes: 4 * memberCost(named(0), grid.N)}, NoticeBytesCut}} {
		client := s.client(t, Options{Limits: c.limits})
		for range 20 {
			got, err := client.Range(background, "x", grid)
			if err != nil {
				t.Fatal(err)
			}
			var names []string
			for _, m := range got.Set.Members {
				names = append(names, m.Labels.Get("s"))
			}
			if !slices.Equal(names, []string{"000", "001", "002", "003"}) || len(got.Notices) != 1 || got.Notices[0].Kind != c.kind || got.Notices[0].Count != 4 || !got.Cut() {
				t.Fatalf("%+v: got %v %+v", c.limits, names, got.Notices)
			}
			slices.Reverse(order)
		}
	}
	if _, err := s.client(t, Options{Limits: Limits{MaxBytes: 1000}}).Range(background, "x", grid); kind(err) != KindTooManySamples {
		t.Errorf("one series too long: %v", err)
	}
	if _, err := s.client(t, Options{Limits: Limits{MaxWire: 100}}).Range(background, "x", grid); kind(err) != KindTooManySamples || !contains(err, "longer than 100 bytes") {
		t.Errorf("wire: %v", err)
	}
	if _, err := s.client(t, Options{}).Range(background, "x", series.Grid{Start: 1, Step: 60_000, N: 1}); kind(err) != KindBadQuery {
		t.Errorf("off the grid: %v", err)
	}
}

func TestRemarks(t *testing.T) {
	t.Parallel()
	c := canned(t, 200, "application/json", `{"data":{"result":[
		{"histograms":[[1789344000,{"count":"1","sum":"2","buckets":[[0,"1","2","1"]]}]],"metric":{"h":"only"}},
		{"values":[ [ 1789344060.000 , "\u0031e3" ],[1.78934412e9,"+Inf"] ],"metric":{"b":"1","a":"\ud83d\ude00\/"},"histograms":[]},
		{"metric":{"n":"nan"},"values":[[1789344000,"NaN"]]}],"resultType":"matrix","stats":{"x":[1,{}]}},
		"isPartial":true,"warnings":["w","w"],"infos":["i"],"status":"success","trace":null}`)
	got, err := c.Range(background, "x", minute)
	if err != nil {
		t.Fatal(err)
	}
	nan := series.New(nil, minute).Values[0]
	want := Answer{
		Set: series.Set{Grid: minute, Members: []series.Series{{
			Labels: series.Labels{{Name: "a", Value: "😀/"}, {Name: "b", Value: "1"}}, Grid: minute, Values: []float64{nan, 1000, inf},
		}}},
		Warnings: []string{"the answer is partial: some of the server's nodes did not answer", "w"}, Infos: []string{"i"},
		Notices: []Notice{{Kind: NoticeHistograms, Count: 1, Text: "native histogram samples of 1 series were left out: apply histogram_quantile, histogram_sum or histogram_count"}},
	}
	if d := cmp.Diff(want, got, setOptions); d != "" {
		t.Error(d)
	}
}

func TestInstantScripted(t *testing.T) {
	t.Parallel()
	c := canned(t, 200, "application/json", `{"status":"success","data":{"resultType":"vector","result":[
		{"metric":{"a":"2"},"value":[1.5,"NaN"]},{"metric":{"a":"1"},"value":[1,"-0.5"]},{"metric":{"h":"1"},"histogram":[1,{}]}]},"warnings":["w"]}`)
	v, err := c.Instant(background, "x", 1500)
	if err != nil || len(v.Samples) != 2 || v.Samples[0].Value != -0.5 || v.Samples[1].Value == v.Samples[1].Value || v.Samples[1].Time != 1500 || len(v.Warnings) != 1 || len(v.Notices) != 1 {
		t.Errorf("got %+v %v", v, err)
	}
	c.limits.MaxSeries = 1
	v, err = c.Instant(background, "x", 1500)
	if err != nil || len(v.Samples) != 1 || v.Samples[0].Value != -0.5 || v.Notices[0].Kind != NoticeSeriesCut {
		t.Errorf("cut: got %+v %v", v, err)
	}
}

func TestMetadataAndRetention(t *testing.T) {
	t.Parallel()
	c := canned(t, 200, "application/json", `{"status":"success","data":{"up":[{"type":"gauge","help":"h","unit":""},{"type":"x"}],"none":[]}}`)
	if got, err := c.Metadata(background, ""); err != nil || !cmp.Equal(got, map[string]Metadata{"up": {Type: "gauge", Help: "h"}}) {
		t.Errorf("got %v %v", got, err)
	}
	for text, want := range map[string]time.Duration{"15d": 360 * time.Hour, "0s": 0, "15d or 10GiB": 360 * time.Hour, "10GiB": 0, "": 0, "1y2w": (365 + 14) * 24 * time.Hour} {
		got, sized := parseRetention(text)
		if got != want || sized != strings.Contains(text, "GiB") {
			t.Errorf("parseRetention(%q) = %v, %v, want %v", text, got, sized, want)
		}
	}
	if got, err := canned(t, 404, "text/html", "").RuntimeInfo(background); err != nil || got.Retention != 0 {
		t.Errorf("without the endpoint: %v %v", got, err)
	}
	if _, err := canned(t, 401, "text/html", "").RuntimeInfo(background); kind(err) != KindAuth {
		t.Errorf("auth: %v", err)
	}
	if _, err := canned(t, 404, "text/html", "").BuildInfo(background); kind(err) != KindNotPrometheus {
		t.Errorf("build: %v", err)
	}
}

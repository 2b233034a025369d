// Package lokitest is a stand-in for Loki, which cannot be had everywhere: a server over lines in memory that answers range and instant queries as the
// documentation of Loki's HTTP API says, and holds clients to its limits.
//
//	server := lokitest.Start(t, lokitest.Options{Tenant: "shop"}, lines...)
//	client, err := loki.New(loki.Options{URL: server.URL, Tenant: "shop"})
//
// With FORESHOCK_LOKI=/path/to/loki the lines are in a Grafana Loki of that program, and it is Loki that answers: so the stand-in is held to it.
//
// Of LogQL it knows a stream selector with = matchers and line filters |= and !=, and of metric queries what Server.instant says. Source: https://grafana.com/docs/loki/latest/reference/loki-http-api/.
package lokitest

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Line is one stored line.
type Line struct {
	At     time.Time
	Labels map[string]string
	Text   string
}

// Options are what a Loki is configured with.
type Options struct {
	Tenant         string // required in X-Scope-OrgID when not empty (auth_enabled)
	User, Password string // asked for by a proxy in front, when not empty
	Token          string // asked for by such a proxy as a bearer token, when not empty
	MaxEntries     int    // limits_config.max_entries_limit_per_query; 0: 5000
	MaxRange       time.Duration
	MaxSeries      int // limits_config.max_query_series; 0: 500
}

// Server is a running stand-in.
type Server struct {
	URL      string
	Requests atomic.Int64
	o        Options
	status   atomic.Int64
	silent   atomic.Bool

	mu    sync.Mutex
	lines []Line

	// Before a real Loki, else nothing; see realEnv.
	tenant string
	store  func([]Line)
	real   http.Handler
}

// Fail makes it answer every question with a status; 0 ends that.
func (s *Server) Fail(status int) { s.status.Store(int64(status)) }

// Silence makes it leave every question open until who asked gives up.
func (s *Server) Silence(on bool) { s.silent.Store(on) }

// Add stores more lines.
func (s *Server) Add(lines ...Line) {
	if s.store != nil && len(lines) > 0 {
		lines = slices.Clone(lines)
		slices.SortStableFunc(lines, func(a, b Line) int { return a.At.Compare(b.At) })
		s.store(lines)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range lines {
		l.Labels = discovered(l)
		s.lines = append(s.lines, l)
	}
	slices.SortStableFunc(s.lines, func(a, b Line) int { return a.At.Compare(b.At) })
}

// Real reports whether a real Loki answers, with its own limits instead of those of the options.
func (s *Server) Real() bool { return s.real != nil }

// discovered are the labels of a line with those that Loki adds from 3.0 on by itself: the name of the service, from the first label of some that names
// one, and the level, from a label or the text.
func discovered(l Line) map[string]string {
	out := maps.Clone(l.Labels)
	if out == nil {
		out = map[string]string{}
	}
	out["service_name"], out["detected_level"] = "unknown_service", "unknown"
	for _, name := range []string{"service", "app", "application", "name", "container", "component", "workload", "job"} {
		if v := l.Labels[name]; v != "" {
			out["service_name"] = v
			break
		}
	}
	if v := l.Labels["level"]; v != "" {
		out["detected_level"] = v
		return out
	}
	text := strings.ToLower(l.Text)
	for _, level := range []string{"trace", "debug", "info", "warn", "error", "critical", "fatal"} {
		if strings.Contains(text, level) {
			out["detected_level"] = level
			break
		}
	}
	return out
}

// Start runs a server until the test ends.
func Start(t testing.TB, o Options, lines ...Line) *Server {
	t.Helper()
	if o.MaxEntries == 0 {
		o.MaxEntries = 5000
	}
	if o.MaxRange == 0 {
		o.MaxRange = 30*24*time.Hour + time.Hour // limits_config.max_query_length
	}
	if o.MaxSeries == 0 {
		o.MaxSeries = 500
	}
	s := &Server{o: o}
	s.behind(t)
	s.Add(lines...)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /loki/api/v1/query_range", s.admit(s.queryRange))
	mux.HandleFunc("GET /loki/api/v1/query", s.admit(s.query))
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	s.URL = server.URL
	return s
}

var (
	selector = regexp.MustCompile(`^\{((?:\s*\w+="[^"]*"\s*,?)+)\}\s*(.*)$`)
	matcher  = regexp.MustCompile(`(\w+)="([^"]*)"`)
	filter   = regexp.MustCompile(`^\s*(\|=|!=)\s*"([^"]*)"`)
)

// query is a parsed LogQL query.
type query struct {
	labels  map[string]string
	filters [][2]string
}

func parse(text string) (query, error) {
	q := query{labels: map[string]string{}}
	m := selector.FindStringSubmatch(strings.TrimSpace(text))
	if m == nil {
		return q, fmt.Errorf("parse error at line 1, col 1: syntax error: unexpected %q", text)
	}
	for _, x := range matcher.FindAllStringSubmatch(m[1], -1) {
		q.labels[x[1]] = x[2]
	}
	for rest := m[2]; strings.TrimSpace(rest) != ""; {
		f := filter.FindStringSubmatch(rest)
		if f == nil {
			return q, fmt.Errorf("parse error at line 1, col %d: syntax error: unexpected %q", len(text)-len(rest), rest)
		}
		q.filters = append(q.filters, [2]string{f[1], f[2]})
		rest = rest[len(f[0]):]
	}
	return q, nil
}

func (q query) matches(l Line) bool {
	for name, value := range q.labels {
		if l.Labels[name] != value {
			return false
		}
	}
	for _, f := range q.filters {
		if strings.Contains(l.Text, f[1]) != (f[0] == "|=") {
			return false
		}
	}
	return true
}

// admit counts, plays trouble, and checks who asks.
func (s *Server) admit(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s.Requests.Add(1)
		user, password, _ := r.BasicAuth()
		token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		switch status := int(s.status.Load()); {
		case s.silent.Load():
			<-r.Context().Done()
		case status != 0:
			http.Error(w, "it is out of order", status)
		case user != s.o.User || password != s.o.Password, s.o.Token != "" && token != s.o.Token:
			http.Error(w, "invalid user or password", http.StatusUnauthorized)
		case r.Header.Get("X-Scope-OrgID") != s.o.Tenant:
			http.Error(w, "no org id", http.StatusUnauthorized)
		case s.real != nil:
			s.real.ServeHTTP(w, r)
		default:
			next(w, r)
		}
	}
}

func (s *Server) queryRange(w http.ResponseWriter, r *http.Request) {
	refuse := func(status int, format string, args ...any) { http.Error(w, fmt.Sprintf(format, args...), status) }
	nanoseconds := func(name string) int64 {
		n, err := strconv.ParseInt(r.FormValue(name), 10, 64)
		if err != nil {
			n = -1
		}
		return n
	}
	from, to := nanoseconds("start"), nanoseconds("end")
	limit, err := strconv.Atoi(r.FormValue("limit"))
	direction := r.FormValue("direction")
	q, bad := parse(r.FormValue("query"))
	switch {
	case bad != nil:
		refuse(http.StatusBadRequest, "%v", bad)
	case err != nil || limit <= 0 || from < 0 || to < 0:
		refuse(http.StatusBadRequest, "limit, start and end must be numbers")
	case limit > s.o.MaxEntries:
		refuse(http.StatusBadRequest, "max entries limit per query exceeded, limit > max_entries_limit_per_query (%d > %d)", limit, s.o.MaxEntries)
	case to < from:
		refuse(http.StatusBadRequest, "end timestamp must not be before or equal to start time")
	case time.Duration(to-from) > s.o.MaxRange:
		refuse(http.StatusBadRequest, "the query time range exceeds the limit (query length: %s, limit: %s)", time.Duration(to-from), s.o.MaxRange)
	case direction != "forward" && direction != "backward":
		refuse(http.StatusBadRequest, "invalid direction: %s", direction)
	default:
		s.answer(w, s.choose(q, from, to, limit, direction))
	}
}

// choose returns the lines in [from, to), those that come first in the direction.
func (s *Server) choose(q query, from, to int64, limit int, direction string) []Line {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []Line
	for _, l := range s.lines {
		if at := l.At.UnixNano(); at >= from && at < to && q.matches(l) {
			out = append(out, l)
		}
	}
	if direction == "backward" {
		slices.Reverse(out)
	}
	return out[:min(limit, len(out))]
}

// answer writes the lines by stream.
func (s *Server) answer(w http.ResponseWriter, lines []Line) {
	type stream struct {
		Stream map[string]string `json:"stream"`
		Values [][2]string       `json:"values"`
	}
	streams := []*stream{}
	at := map[string]*stream{}
	for _, l := range lines {
		key := fmt.Sprint(l.Labels)
		if at[key] == nil {
			at[key] = &stream{Stream: l.Labels}
			streams = append(streams, at[key])
		}
		at[key].Values = append(at[key].Values, [2]string{strconv.FormatInt(l.At.UnixNano(), 10), l.Text})
	}
	write(w, "streams", streams)
}

func write(w http.ResponseWriter, resultType string, result any) {
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	_ = json.NewEncoder(w).Encode(map[string]any{
		"status": "success", "data": map[string]any{"resultType": resultType, "result": result, "stats": map[string]any{}},
	})
}

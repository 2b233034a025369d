package api

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/foreshock/foreshock/webhook/alert"
	"github.com/foreshock/foreshock/webhook/cases"
	"github.com/foreshock/foreshock/webhook/policy"
	"github.com/foreshock/foreshock/webhook/stage"
)

// memory is a store and an intake for tests of the HTTP side alone.
type memory struct {
	mu         sync.Mutex
	err        error
	deliveries []alert.Delivery
	stories    map[string]cases.Story
	commits    []cases.Change
	statistics cases.Statistics
	once       map[string]bool
	asked      []cases.LedgerQuery
	ledger     []cases.LedgerLine
	conflicts  int    // of the next commits
	during     func() // a delivery; may be nil
}

func (m *memory) Deliver(_ context.Context, d alert.Delivery) (stage.Receipt, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.err != nil {
		return stage.Receipt{}, m.err
	}
	if m.during != nil {
		m.during()
	}
	m.deliveries = append(m.deliveries, d)
	return stage.Receipt{DeliveryID: d.ID, Alerts: len(d.Message.Alerts)}, nil
}

func (m *memory) Cases(context.Context, cases.Query) ([]cases.Case, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []cases.Case
	for _, s := range m.stories {
		out = append(out, s.Case)
	}
	return out, m.err
}

func (m *memory) Story(_ context.Context, id string) (cases.Story, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s, ok := m.stories[id]
	if !ok {
		return s, cases.ErrNotFound
	}
	return s, m.err
}

func (m *memory) Ledger(_ context.Context, q cases.LedgerQuery) ([]cases.LedgerLine, error) {
	if q.Before == "bad" {
		return nil, cases.ErrBadCursor
	}
	m.asked = append(m.asked, q)
	return m.ledger, m.err
}

func (m *memory) Deliveries(context.Context, string, int) ([]cases.DeliveryInfo, error) {
	if m.err != nil {
		return nil, m.err
	}
	return []cases.DeliveryInfo{{ID: "D1", Source: alert.Alertmanager, HasRaw: true, GroupKey: `{}:{alertname="<script>alert(1)</script>"}`}}, m.err
}

func (m *memory) Body(_ context.Context, id string) ([]byte, bool, error) {
	if id != "D1" {
		return nil, false, cases.ErrNotFound
	}
	return []byte(`{"x":"<script>alert(1)</script>"}`), true, nil
}

func (m *memory) Counts(context.Context) (cases.Counts, error) {
	return cases.Counts{Cases: map[cases.State]int{}, OpenGrades: map[policy.Grade]int{policy.P1: 2}, Actions: map[cases.ActionState]int{}}, m.err
}

func (m *memory) Commit(_ context.Context, ch cases.Change) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.conflicts > 0 {
		m.conflicts--
		return cases.ErrConflict
	}
	if m.err != nil {
		return m.err
	}
	for _, name := range ch.Once {
		if m.once[name] {
			return cases.ErrRepeated
		}
		if m.once == nil {
			m.once = map[string]bool{}
		}
		m.once[name] = true
	}
	m.commits = append(m.commits, ch)
	for _, e := range ch.Events {
		s := m.stories[e.CaseID]
		s.Events = append(s.Events, e)
		m.stories[e.CaseID] = s
	}
	for _, c := range ch.Cases {
		s := m.stories[c.ID]
		s.Case = c
		m.stories[c.ID] = s
	}
	return nil
}

func (m *memory) Messages(_ context.Context, ids []string) (map[string][]cases.Action, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := map[string][]cases.Action{}
	for _, id := range ids {
		out[id] = m.stories[id].Actions
	}
	return out, m.err
}

func (m *memory) Statistics(context.Context, time.Time, time.Time) (cases.Statistics, error) {
	return m.statistics, m.err
}

func (m *memory) Similar(_ context.Context, c cases.Case, _ int) ([]cases.Case, error) {
	c.ID, c.State, c.ResolvedAt, c.AckedBy = "C0", cases.Closed, c.OpenedAt.Add(time.Hour), c.Title
	return []cases.Case{c}, m.err
}

func (m *memory) Key(context.Context, string) ([]byte, error) {
	return []byte("0123456789abcdef0123456789abcdef"), m.err
}

var clock = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

func settings() Settings {
	return Settings{Cluster: "default", Language: "en", Limits: alert.DefaultLimits(), Raw: 1 << 20, Body: 8 << 20, Rules: policy.DefaultRules("log")}
}

type bench struct {
	*memory
	url     string
	reg     *prometheus.Registry
	handler *Handler
	noise   *noises
	log     *bytes.Buffer
}

// start serves the handler on loopback.
func start(t *testing.T, s Settings) *bench {
	t.Helper()
	b := &bench{noise: &noises{}, memory: &memory{stories: map[string]cases.Story{}}, reg: prometheus.NewRegistry(), log: &bytes.Buffer{}}
	var err error
	b.handler, err = New(Options{
		Intake: b, Store: b, OnCall: duties{}, Noise: b.noise, Settings: func() Settings { return s }, Registerer: b.reg,
		Now: func() time.Time { return clock }, Log: slog.New(slog.NewTextHandler(b.log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(b.handler)
	t.Cleanup(server.Close)
	b.url = server.URL
	return b
}

func (b *bench) post(t *testing.T, path string, body io.Reader, header ...string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, b.url+path, body)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, _ := io.ReadAll(res.Body)
	return res.StatusCode, strings.TrimSpace(string(text))
}

func (b *bench) refusals(reason string) float64 {
	return testutil.ToFloat64(b.handler.metrics.refusedTotal.WithLabelValues(reason))
}

const small = `{"version":"4","status":"firing","alerts":[{"status":"firing","labels":{"alertname":"A"},"startsAt":"2026-11-20T11:50:30Z"}]}`

func zipped(t *testing.T, text string) *bytes.Buffer {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return &b
}

// The recorded deliveries of real Alertmanagers and Grafanas, and older partial ones, are all taken with all of their alerts.
func TestReceivesTheCorpus(t *testing.T) {
	t.Parallel()
	const dir = "../../../shared/data/alertmanager"
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil || len(files) < 10 {
		t.Skipf("the recorded deliveries are not in %s: they lie beside the checkout", dir)
	}
	b := start(t, settings())
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var recorded struct {
			Body   json.RawMessage   `json:"body"`
			Alerts []json.RawMessage `json:"alerts"`
		}
		if err := json.Unmarshal(raw, &recorded); err != nil {
			continue // a reply, not a delivery
		}
		if len(recorded.Body) > 0 && recorded.Body[0] == '{' {
			raw = recorded.Body
			_ = json.Unmarshal(raw, &recorded)
		}
		if code, text := b.post(t, "/api/v1/alerts", bytes.NewReader(raw)); code != http.StatusOK {
			t.Errorf("%s: %d %s", filepath.Base(file), code, text)
			continue
		}
		if got := b.deliveries[len(b.deliveries)-1]; len(got.Message.Alerts) != len(recorded.Alerts) || got.RawSize != int64(len(raw)) {
			t.Errorf("%s: %d alerts of %d bytes, want %d of %d", filepath.Base(file), len(got.Message.Alerts), got.RawSize, len(recorded.Alerts), len(raw))
		}
	}
	if len(b.deliveries) < 10 {
		t.Errorf("only %d deliveries", len(b.deliveries))
	}
}

func TestAnswers(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, path, body string
		header           []string
		store            error
		code             int
		reason           string
	}{
		{"good", "/api/v1/alerts", small, nil, nil, 200, ""},
		{"alias", "/alertmanager", small, nil, nil, 200, ""},
		{"grafana", "/grafana", small, nil, nil, 200, ""},
		{"cluster", "/api/v1/alerts?cluster=eu-1", small, nil, nil, 200, ""},
		{"no type", "/api/v1/alerts", small, []string{"Content-Type", "text/weird"}, nil, 200, ""},
		{"no alerts", "/api/v1/alerts", "{}", nil, nil, 200, ""},
		{"empty", "/api/v1/alerts", "", nil, nil, 400, resultNotJSON},
		{"not JSON", "/api/v1/alerts", "alert!", nil, nil, 400, resultNotJSON},
		{"half", "/api/v1/alerts", small[:40], nil, nil, 400, resultNotJSON},
		{"two", "/api/v1/alerts", small + small, nil, nil, 400, resultNotJSON},
		{"array", "/api/v1/alerts", "[]", nil, nil, 400, resultNotJSON},
		{"not gzip", "/api/v1/alerts", small, []string{"Content-Encoding", "gzip"}, nil, 400, resultNotJSON},
		{"unknown packing", "/api/v1/alerts", small, []string{"Content-Encoding", "br"}, nil, 400, resultNotJSON},
		{"bad cluster", "/api/v1/alerts?cluster=a/b", small, nil, nil, 503, resultAddress},
		{"store down", "/api/v1/alerts", small, nil, errors.New("disk I/O error at /secret/path"), 503, resultStore},
		{"too large", "/api/v1/alerts", `{"x":"` + strings.Repeat("a", 9<<20) + `"}`, nil, nil, 503, resultTooLarge},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := start(t, settings())
			b.err = tt.store
			code, text := b.post(t, tt.path, strings.NewReader(tt.body), tt.header...)
			if code != tt.code {
				t.Errorf("got %d %s, want %d", code, text, tt.code)
			}
			if strings.Contains(text, "/secret/path") {
				t.Errorf("the answer shows the inside: %s", text)
			}
			for _, r := range refusals() {
				want := 0.0
				if r == tt.reason {
					want = 1
				}
				if got := b.refusals(r); got != want {
					t.Errorf("%s counts %v, want %v", r, got, want)
				}
			}
			if tt.code == 200 != (len(b.deliveries) == 1) {
				t.Errorf("%d deliveries after a %d", len(b.deliveries), code)
			}
		})
	}
}

func TestDeliveryIsComplete(t *testing.T) {
	t.Parallel()
	b := start(t, settings())
	if code, text := b.post(t, "/api/v1/alerts?cluster=eu", zipped(t, small), "Content-Encoding", "gzip"); code != 200 {
		t.Fatal(code, text)
	}
	d := b.deliveries[0]
	raw, err := alert.Unpack(d.Raw, 1<<20)
	if err != nil || string(raw) != small || d.RawCut || d.RawSize != int64(len(small)) {
		t.Errorf("kept %q, %v", raw, err)
	}
	if d.Cluster != "eu" || d.Sender != "127.0.0.1" || !d.Received.Equal(clock) || len(d.ID) != 26 {
		t.Errorf("got %+v", d)
	}
}

func sign(key, text string) string {
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(text))
	return hex.EncodeToString(mac.Sum(nil))
}

func TestGrafanaSignature(t *testing.T) {
	t.Parallel()
	const grafana = `{"version":"1","orgId":1,"state":"alerting","alerts":[{"status":"firing","labels":{"alertname":"A"}}]}` + "\n  "
	stamp := fmt.Sprint(clock.Unix())
	for _, tt := range []struct {
		name, path, body, stampHeader string
		header                        []string
		code                          int
	}{
		{"good", "/grafana", grafana, "", []string{"X-Sig", sign("k3y", grafana)}, 200},
		{"upper case", "/api/v1/alerts", grafana, "", []string{"X-Sig", strings.ToUpper(sign("k3y", grafana))}, 200},
		{"missing", "/api/v1/alerts", grafana, "", nil, 401},
		{"other key", "/api/v1/alerts", grafana, "", []string{"X-Sig", sign("other", grafana)}, 401},
		{"other body", "/grafana", grafana, "", []string{"X-Sig", sign("k3y", grafana+" ")}, 401},
		{"not hexadecimal", "/grafana", grafana, "", []string{"X-Sig", "zz"}, 401},
		{"cut", "/grafana", grafana, "", []string{"X-Sig", sign("k3y", grafana)[:32]}, 401},
		{"Alertmanager does not sign", "/api/v1/alerts", small, "", nil, 200},
		{"but not here", "/grafana", small, "", nil, 401},
		{"stamped", "/grafana", grafana, "X-Ts", []string{"X-Sig", sign("k3y", stamp+":"+grafana), "X-Ts", stamp}, 200},
		{"not stamped", "/grafana", grafana, "X-Ts", []string{"X-Sig", sign("k3y", grafana)}, 401},
		{"restamped", "/grafana", grafana, "X-Ts", []string{"X-Sig", sign("k3y", "1:"+grafana), "X-Ts", stamp}, 401},
		{"replayed", "/grafana", grafana, "X-Ts", []string{"X-Sig", sign("k3y", fmt.Sprint(clock.Unix()-301)+":"+grafana), "X-Ts", fmt.Sprint(clock.Unix() - 301)}, 401},
		{"from the future", "/grafana", grafana, "X-Ts", []string{"X-Sig", sign("k3y", fmt.Sprint(clock.Unix()+301)+":"+grafana), "X-Ts", fmt.Sprint(clock.Unix() + 301)}, 401},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := settings()
			s.Grafana = Signature{Key: []byte("k3y"), Header: "X-Sig", TimestampHeader: tt.stampHeader, MaxAge: 5 * time.Minute}
			b := start(t, s)
			code, text := b.post(t, tt.path, strings.NewReader(tt.body), tt.header...)
			if code != tt.code || (code == 401) != (b.refusals(resultSignature) == 1) {
				t.Errorf("got %d %s, want %d", code, text, tt.code)
			}
			if strings.Contains(text, "k3y") || strings.Contains(b.log.String(), "k3y") {
				t.Errorf("the key is shown: %s", text)
			}
		})
	}
}

// A body of which only annotations are long is taken whole, as a stream; a bomb is not, and is not dropped by its sender either.
func TestLargeBodies(t *testing.T) {
	t.Parallel()
	s := settings()
	s.Body = 12 << 20
	b := start(t, s)
	slots := 0
	b.during = func() { slots = len(b.handler.heavy) }
	long := `{"alerts":[{"status":"firing","labels":{"alertname":"A","x":"` + strings.Repeat("l", 100_000) + `"},"annotations":{"a":"` + strings.Repeat("a", 10<<20) + `"}}]}`
	if code, text := b.post(t, "/api/v1/alerts", zipped(t, long), "Content-Encoding", "gzip"); code != 200 {
		t.Fatal(code, text)
	}
	if slots != 1 {
		t.Errorf("%d slots are held while a large delivery is stored, want 1: its memory is not free yet", slots)
	}
	a := b.deliveries[0].Message.Alerts[0]
	if len(a.Labels["x"]) != 100_000 || len(a.Annotations["a"]) > 64<<10 || len(a.Cut) != 1 || a.Cut[0].Bytes != 10<<20 {
		t.Errorf("labels %d, annotation %d, cut %+v", len(a.Labels["x"]), len(a.Annotations["a"]), a.Cut)
	}
	if !b.deliveries[0].RawCut || b.deliveries[0].RawSize != int64(len(long)) {
		t.Errorf("raw: %d bytes, cut %v", b.deliveries[0].RawSize, b.deliveries[0].RawCut)
	}
	bomb := `{"alerts":[{"labels":{"a":"` + strings.Repeat("a", 13<<20) + `"}}]}`
	if code, text := b.post(t, "/api/v1/alerts", zipped(t, bomb), "Content-Encoding", "gzip"); code != 503 {
		t.Errorf("the bomb: %d %s", code, text)
	}
	if got := testutil.ToFloat64(b.handler.metrics.cut); got != 1 {
		t.Errorf("%v texts are counted as cut, want 1", got)
	}
	if len(b.handler.heavy) != 0 {
		t.Error("a slot for large bodies is still held")
	}
}

// What a sender leaves off is never seen here: it is counted and logged.
func TestLeftOff(t *testing.T) {
	t.Parallel()
	b := start(t, settings())
	if code, text := b.post(t, "/api/v1/alerts", strings.NewReader(`{"truncatedAlerts":7,"alerts":[{"status":"firing","labels":{"alertname":"A"}}]}`)); code != 200 {
		t.Fatal(code, text)
	}
	if got := testutil.ToFloat64(b.handler.metrics.leftOff); got != 7 || !strings.Contains(b.log.String(), "alerts=7") {
		t.Errorf("%v alerts are counted as left off, want 7; the log: %s", got, b.log.String())
	}
}

// While clients that trickle hold every slot for large bodies, ordinary deliveries go through.
func TestSlowClientsDoNotBlock(t *testing.T) {
	t.Parallel()
	b := start(t, settings())
	var open []*io.PipeWriter
	var wg sync.WaitGroup
	for range 50 {
		r, w := io.Pipe()
		open = append(open, w)
		wg.Go(func() {
			req, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, b.url+"/api/v1/alerts", r)
			if res, err := http.DefaultClient.Do(req); err == nil {
				res.Body.Close()
			}
		})
	}
	for _, w := range open {
		if _, err := io.WriteString(w, `{"x":"`+strings.Repeat("a", 2<<20)); err != nil {
			break // those without a slot do not read on
		}
		if len(b.handler.heavy) == heavySlots {
			break
		}
	}
	for range 20 {
		if code, text := b.post(t, "/api/v1/alerts", strings.NewReader(small)); code != 200 {
			t.Fatal(code, text)
		}
	}
	if got := len(b.handler.heavy); got != heavySlots {
		t.Errorf("%d slots are held, want %d: the test proves nothing", got, heavySlots)
	}
	for _, w := range open {
		w.CloseWithError(errors.New("gone"))
	}
	wg.Wait()
}

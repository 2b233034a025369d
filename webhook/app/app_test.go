package app

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"github.com/foreshock/foreshock/webhook/action"
	"github.com/foreshock/foreshock/webhook/cases"
	"github.com/foreshock/foreshock/webhook/notify"
	"github.com/foreshock/foreshock/webhook/policy"
	"github.com/foreshock/foreshock/webhook/store"
)

// receiver takes messages of the webhook channel and tells of each.
type receiver struct {
	*httptest.Server
	got    chan notify.WebhookBody
	answer atomic.Int32 // status; 0 is 200
}

func newReceiver(t *testing.T) *receiver {
	t.Helper()
	r := &receiver{got: make(chan notify.WebhookBody, 1000)}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if code := r.answer.Load(); code != 0 {
			w.WriteHeader(int(code))
			return
		}
		var b notify.WebhookBody
		if err := json.NewDecoder(req.Body).Decode(&b); err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		r.got <- b
	}))
	t.Cleanup(r.Close)
	return r
}

// next waits for the next message.
func (r *receiver) next(t *testing.T) notify.WebhookBody {
	t.Helper()
	select {
	case b := <-r.got:
		return b
	case <-time.After(30 * time.Second):
		t.Fatal("no message came within 30 s")
	}
	return notify.WebhookBody{}
}

// none makes sure that nothing else was sent; the executor has no more work when it is called.
func (r *receiver) none(t *testing.T) {
	t.Helper()
	select {
	case b := <-r.got:
		t.Errorf("an unexpected message: %s %s", b.What, b.Key)
	default:
	}
}

type house struct {
	*App
	t    *testing.T
	file string
	url  string
	log  *safeBuffer
}

type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}
func (s *safeBuffer) String() string { s.mu.Lock(); defer s.mu.Unlock(); return s.b.String() }

// open starts a webhook on loopback with the configuration; a store in dir/w.db.
func open(t *testing.T, dir, text string, change func(*Options)) *house {
	t.Helper()
	h := &house{t: t, file: filepath.Join(dir, "foreshock-webhook.yml"), log: &safeBuffer{}}
	h.write(text)
	o := Options{ConfigFile: h.file, Listen: []string{"127.0.0.1:0"}, Log: slog.New(slog.NewTextHandler(h.log, nil)), Registry: prometheus.NewRegistry()}
	o.Executor = func(a *action.Options) { a.Poll = 100 * time.Millisecond }
	if change != nil {
		change(&o)
	}
	var err error
	if h.App, err = New(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	if err := h.Start(); err != nil {
		t.Fatal(err)
	}
	h.url = "http://" + h.Addr()
	t.Cleanup(func() {
		if err := h.Stop(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Log(h.log.String())
		}
	})
	return h
}

func (h *house) write(text string) {
	h.t.Helper()
	if err := os.WriteFile(h.file, []byte(text), 0o600); err != nil {
		h.t.Fatal(err)
	}
}

func hookConfig(r *receiver) string {
	return fmt.Sprintf("store: {sqlite: w.db}\nexternal_url: http://here.example/x\nretry: {base: 20ms, max: 100ms, max_attempts: 1000, max_age: 1h}\nchannels: {hook: {type: webhook, url: %q}}\n", r.URL)
}

func (h *house) post(path, body string) (int, string) {
	h.t.Helper()
	res, err := http.Post(h.url+path, "application/json", strings.NewReader(body))
	if err != nil {
		h.t.Fatal(err)
	}
	defer res.Body.Close()
	text, _ := io.ReadAll(res.Body)
	return res.StatusCode, strings.TrimSpace(string(text))
}

func (h *house) get(path string) (int, string) {
	h.t.Helper()
	res, err := http.Get(h.url + path)
	if err != nil {
		h.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	return res.StatusCode, string(text)
}

// deliver posts and wants 200.
func (h *house) deliver(body string) {
	h.t.Helper()
	if code, text := h.post("/api/v1/alerts", body); code != http.StatusOK {
		h.t.Fatalf("the delivery was answered %d %s", code, text)
	}
}

// alertJSON is a delivery of one alert.
func alertJSON(status, name, starts, ends string) string {
	return fmt.Sprintf(`{"version":"4","groupKey":"{}:{}","receiver":"foreshock","status":%q,"externalURL":"http://am","alerts":[{"status":%q,"labels":{"alertname":%q,"severity":"critical","service":"checkout"},"annotations":{"summary":"it is bad"},"startsAt":%q,"endsAt":%q,"generatorURL":"http://prom/graph"}]}`,
		status, status, name, starts, ends)
}

const (
	t0   = "2026-11-20T11:00:00Z"
	t1   = "2026-11-20T11:05:00Z"
	t2   = "2026-11-20T11:10:00Z"
	none = "0001-01-01T00:00:00Z"
)

// The whole life of a case, over real HTTP: fire, repeat, resolve, repeat, fire again; one message each, nothing for repetitions.
func TestLifeOfACase(t *testing.T) {
	t.Parallel()
	r := newReceiver(t)
	h := open(t, t.TempDir(), hookConfig(r), nil)
	h.deliver(alertJSON("firing", "Down", t0, none))
	first := r.next(t)
	if first.What != cases.WhatOpened || first.Case.Grade != policy.P0 || first.Link != "http://here.example/x/cases/"+first.Case.ID || first.Alerts[0].Labels["service"] != "checkout" {
		t.Errorf("the first message is %+v", first)
	}
	h.deliver(alertJSON("firing", "Down", t0, none))
	h.deliver(alertJSON("resolved", "Down", t0, t1))
	second := r.next(t)
	if second.What != cases.WhatResolved || second.Case.ID != first.Case.ID || second.Key == first.Key {
		t.Errorf("the second message is %+v", second)
	}
	h.deliver(alertJSON("resolved", "Down", t0, t1))
	h.deliver(alertJSON("firing", "Down", t2, none))
	third := r.next(t)
	if third.What != cases.WhatReopened || third.Case.ID != first.Case.ID || third.Case.Epoch != 2 {
		t.Errorf("the third message is %+v", third)
	}
	if code, text := h.post("/api/v1/cases/"+first.Case.ID+"/resolve", `{"by": "ann", "note": "restarted it"}`); code != http.StatusOK {
		t.Fatal(code, text)
	}
	if fourth := r.next(t); fourth.What != cases.WhatResolved || !strings.Contains(fourth.Note, "restarted it") {
		t.Errorf("the fourth message is %+v", fourth)
	}
	r.none(t)
	code, page := h.get("/cases/" + first.Case.ID)
	for _, want := range []string{"Down", "checkout", "restarted it", "Resolved", "it is bad"} {
		if code != 200 || !strings.Contains(page, want) {
			t.Errorf("the case page (%d) does not hold %q", code, want)
		}
	}
	if code, page := h.get("/cases?state=all"); code != 200 || !strings.Contains(page, "Down") || !strings.Contains(page, "hook") {
		t.Errorf("the list (%d) lacks the case: %s", code, page)
	}
	var deliveries struct{ Deliveries []cases.DeliveryInfo }
	if _, text := h.get("/api/v1/deliveries"); json.Unmarshal([]byte(text), &deliveries) != nil || len(deliveries.Deliveries) != 5 {
		t.Errorf("deliveries: %s", text)
	}
	if _, text := h.get("/api/v1/deliveries/" + deliveries.Deliveries[4].ID); text != alertJSON("firing", "Down", t0, none) {
		t.Errorf("the raw delivery is %s", text)
	}
}

// What was acknowledged is sent after a restart, although the receiver was down before it.
func TestWaitingMessagesSurviveARestart(t *testing.T) {
	t.Parallel()
	r := newReceiver(t)
	r.answer.Store(503)
	dir := t.TempDir()
	h := open(t, dir, hookConfig(r), nil)
	h.deliver(alertJSON("firing", "Down", t0, none))
	if err := h.Stop(); err != nil {
		t.Fatal(err)
	}
	r.answer.Store(0)
	open(t, dir, hookConfig(r), nil)
	if b := r.next(t); b.What != cases.WhatOpened {
		t.Errorf("got %+v", b)
	}
}

// broken is a store that fails while it is told to.
type broken struct {
	store.Store
	down atomic.Bool
}

var errDisk = errors.New("disk I/O error")

func (b *broken) Commit(ctx context.Context, ch cases.Change) error {
	if b.down.Load() {
		return errDisk
	}
	return b.Store.Commit(ctx, ch)
}

func (b *broken) Ready(ctx context.Context) error {
	if b.down.Load() {
		return errDisk
	}
	return b.Store.Ready(ctx)
}

// While the store fails, deliveries are answered 503 and nothing is sent; when it works again, the sender's next try is taken.
func TestStoreTroubleIs503(t *testing.T) {
	t.Parallel()
	r := newReceiver(t)
	var b *broken
	h := open(t, t.TempDir(), hookConfig(r), func(o *Options) {
		o.Wrap = func(s store.Store) Store { b = &broken{Store: s}; return b }
	})
	b.down.Store(true)
	for range 3 {
		if code, text := h.post("/api/v1/alerts", alertJSON("firing", "Down", t0, none)); code != 503 || strings.Contains(text, "disk") {
			t.Errorf("got %d %s, want 503", code, text)
		}
	}
	if code, text := h.get("/-/ready"); code != 503 || !strings.Contains(text, "disk I/O error") {
		t.Errorf("ready: %d %s", code, text)
	}
	if code, _ := h.get("/-/healthy"); code != 200 {
		t.Errorf("healthy: %d", code)
	}
	r.none(t)
	b.down.Store(false)
	h.deliver(alertJSON("firing", "Down", t0, none))
	if m := r.next(t); m.What != cases.WhatOpened {
		t.Errorf("got %+v", m)
	}
	if code, _ := h.get("/-/ready"); code != 200 {
		t.Errorf("ready again: %d", code)
	}
}

// A good reload takes effect for what comes next; a broken one changes nothing, says why, and sets the metric.
func TestReload(t *testing.T) {
	t.Parallel()
	one, two := newReceiver(t), newReceiver(t)
	h := open(t, t.TempDir(), hookConfig(one), nil)
	h.write("channels: {hook: {type: slack}}\n")
	code, text := h.post("/-/reload", "")
	if code != 400 || !strings.Contains(text, "line 1: channels.hook: channel slack: credentials are missing") {
		t.Errorf("a broken reload: %d %s", code, text)
	}
	if _, metrics := h.get("/metrics"); !strings.Contains(metrics, "foreshock_config_last_reload_successful 0") {
		t.Error("the metric does not say that the reload failed")
	}
	h.deliver(alertJSON("firing", "A", t0, none))
	one.next(t)
	h.write(hookConfig(two))
	if code, text := h.post("/-/reload", ""); code != 200 {
		t.Fatalf("a good reload: %d %s", code, text)
	}
	h.deliver(alertJSON("firing", "B", t0, none))
	if m := two.next(t); m.Alerts[0].Labels["alertname"] != "B" {
		t.Errorf("got %+v", m)
	}
	one.none(t)
}

// Mistakes are found before anything listens, and nothing is left open.
func TestNewFails(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for _, tt := range []struct{ text, listen, want string }{
		{"channels: {x: {type: slack}}", "127.0.0.1:0", "channels.x: channel slack: credentials are missing"},
		{"nonsense: 1", "127.0.0.1:0", `unknown field "nonsense"`},
		{"store: {sqlite: c.yml/w.db}\nchannels: {l: {type: log}}", "127.0.0.1:0", "store"},
		{"store: {postgres_url: 'postgres://u:s3cr3t@127.0.0.1:1/x?connect_timeout=2'}\nchannels: {l: {type: log}}", "127.0.0.1:0", "postgres"},
		{"store: {sqlite: w.db}\nchannels: {l: {type: log}}", l.Addr().String(), "cannot listen on"},
		{"store: {sqlite: w.db}\nweb: {config_file: none.yml}\nchannels: {l: {type: log}}", "127.0.0.1:0", "none.yml"},
	} {
		file := filepath.Join(dir, "c.yml")
		if err := os.WriteFile(file, []byte(tt.text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := New(t.Context(), Options{ConfigFile: file, Listen: []string{tt.listen}})
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("%q: %v, want %s", tt.text, err, tt.want)
		}
	}
	if left, _ := filepath.Glob("*.db*"); len(left) > 0 {
		t.Errorf("%v were left in the working directory", left)
	}
}

// A question to Alertmanager is counted.
func TestAuthorityIsCounted(t *testing.T) {
	t.Parallel()
	r := newReceiver(t)
	h := open(t, t.TempDir(), hookConfig(r)+"alertmanagers: {default: ['http://127.0.0.1:1']}\n", nil)
	h.deliver(alertJSON("resolved", "Down", t0, t1))
	h.deliver(alertJSON("firing", "Down", t0, none))
	if _, text := h.get("/metrics"); !strings.Contains(text, `foreshock_webhook_authority_asks_total{answer="none"} 1`) {
		t.Error("the question is not counted")
	}
}

func TestMetricsAreGood(t *testing.T) {
	t.Parallel()
	r := newReceiver(t)
	h := open(t, t.TempDir(), hookConfig(r), nil)
	h.deliver(alertJSON("firing", "Down", t0, none))
	r.next(t)
	_, text := h.get("/metrics")
	problems, err := promlint.New(strings.NewReader(text)).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
	manual, err := os.ReadFile("../../docs/webhook.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`(?m)^# TYPE (foreshock_\w+) `).FindAllStringSubmatch(text, -1) {
		if !strings.Contains(string(manual), "`"+m[1]+"`") {
			t.Errorf("docs/webhook.md does not describe the metric %s", m[1])
		}
	}
	for _, m := range regexp.MustCompile("`(foreshock_\\w+)`").FindAllStringSubmatch(string(manual), -1) {
		if !strings.Contains(text, "# TYPE "+m[1]+" ") {
			t.Errorf("docs/webhook.md describes the metric %s, which does not exist", m[1])
		}
	}
	for _, want := range []string{
		`foreshock_webhook_store_up 1`, `foreshock_webhook_cases{state="new"} 1`, `foreshock_webhook_open_cases{grade="P0"} 1`,
		`foreshock_webhook_deliveries_taken_total{source="alertmanager"} 1`, `foreshock_webhook_deliveries_refused_total{reason="store_failed"} 0`,
		`foreshock_webhook_commands_total{command="resolve"} 0`, "foreshock_webhook_oldest_due_age_seconds 0",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("/metrics lacks %s", want)
		}
	}
}

// A case that stays resolved is closed, and an alert after that opens another one.
func TestResolvedCasesClose(t *testing.T) {
	t.Parallel()
	r := newReceiver(t)
	h := open(t, t.TempDir(), hookConfig(r)+"close_after: 50ms\n", nil)
	h.deliver(alertJSON("firing", "Down", t0, none))
	first := r.next(t)
	h.deliver(alertJSON("resolved", "Down", t0, t1))
	r.next(t)
	for deadline := time.Now().Add(20 * time.Second); ; {
		var list struct{ Cases []cases.Case }
		if _, text := h.get("/api/v1/cases?state=closed"); json.Unmarshal([]byte(text), &list) == nil && len(list.Cases) == 1 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the case was not closed")
		}
		time.Sleep(20 * time.Millisecond) // the store is asked again: there is no event to await over HTTP
	}
	h.deliver(alertJSON("firing", "Down", t2, none))
	if m := r.next(t); m.What != cases.WhatOpened || m.Case.ID == first.Case.ID {
		t.Errorf("got %+v", m)
	}
}

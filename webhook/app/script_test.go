package app

import (
	"context"
	"encoding/json"
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
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/foreshock/foreshock/webhook/action"
	"github.com/foreshock/foreshock/webhook/cases"
	"github.com/foreshock/foreshock/webhook/notify"
)

// script is a whole webhook on virtual time: the real store, chain, executor and API; only the other sides of channels are played. A line is
//
//	at 5m fire NAME label=value …      a delivery of one alert, from Alertmanager
//	at 5m resolve NAME label=value …
//	at 5m COMMAND NAME {json}          a command on the case of that alert, over the API
//	at 5m post PATH {json}             any other request
//	at 5m unmute                       every mute by command is ended
//	at 5m jump 1h                      the wall clock jumps (the time that passes does not)
//	at 5m crash                        the process vanishes, and another one starts
//	at 5m expect CHANNEL WHAT          a message that came within the last seconds
//	at 5m expect nothing               no message is left that was not expected
//
// Every message must be expected, within lag of its time.
type script struct {
	t      *testing.T
	config string
	dir    string
	date   time.Time // at 0
	begin  time.Time // of the bubble
	lag    time.Duration
	poll   time.Duration // of the executor; long ones make long scripts quick

	mu   sync.Mutex
	skew time.Duration
	sent []said
	down map[string]bool // channels whose other side answers 503

	app  *App
	stop context.CancelFunc
	log  safeBuffer
}

type said struct {
	at            time.Duration
	channel, what string
	body          notify.WebhookBody
}

func (s said) String() string { return fmt.Sprintf("%s %s %s", s.at, s.channel, s.what) }

// RoundTrip is the other side of all channels: the host is the channel's name.
func (s *script) RoundTrip(r *http.Request) (*http.Response, error) {
	var b notify.WebhookBody
	if err := json.NewDecoder(r.Body).Decode(&b); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	code := http.StatusOK
	if s.down[r.URL.Host] {
		code = http.StatusServiceUnavailable
	} else {
		s.sent = append(s.sent, said{time.Since(s.begin).Round(time.Second), r.URL.Host, string(b.What), b})
	}
	return &http.Response{StatusCode: code, Header: http.Header{}, Body: io.NopCloser(strings.NewReader("{}")), Request: r}, nil
}

func (s *script) now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.date.Add(time.Since(s.begin) + s.skew)
}

func (s *script) start() {
	s.t.Helper()
	var err error
	s.app, err = New(context.Background(), Options{
		ConfigFile: filepath.Join(s.dir, "c.yml"), Listen: []string{"127.0.0.1:0"}, Log: slog.New(slog.NewTextHandler(&s.log, nil)),
		Registry: prometheus.NewRegistry(), Now: s.now, Transport: s,
		Executor: func(o *action.Options) { o.Poll, o.Sweep, o.Lease = s.poll, s.poll, 4*s.poll },
	})
	if err != nil {
		s.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	s.stop = cancel
	s.app.work(ctx)
}

func (s *script) end() {
	s.stop()
	s.app.wg.Wait()
	if err := s.app.store.Close(); err != nil {
		s.t.Error(err)
	}
}

func (s *script) request(method, path, body string) string {
	s.t.Helper()
	w := httptest.NewRecorder()
	r := httptest.NewRequestWithContext(context.Background(), method, path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	s.app.handler.ServeHTTP(w, r)
	if w.Code != http.StatusOK {
		s.t.Fatalf("%s %s: %d %s", method, path, w.Code, w.Body)
	}
	return w.Body.String()
}

// deliver sends one alert as Alertmanager would; it began when it was first fired.
func (s *script) deliver(status string, args []string, began map[string]time.Time) {
	labels := map[string]string{"alertname": args[0]}
	for _, a := range args[1:] {
		k, v, _ := strings.Cut(a, "=")
		labels[k] = v
	}
	a := map[string]any{"status": status, "labels": labels, "annotations": map[string]string{}, "startsAt": s.now(), "endsAt": time.Time{}}
	if status == "firing" {
		began[args[0]] = s.now()
	} else {
		a["startsAt"], a["endsAt"] = began[args[0]], s.now()
	}
	body, err := json.Marshal(map[string]any{"version": "4", "status": status, "receiver": "foreshock", "groupKey": "{}", "alerts": []any{a}})
	if err != nil {
		s.t.Fatal(err)
	}
	s.request(http.MethodPost, "/api/v1/alerts", string(body))
}

func (s *script) caseOf(name string) cases.Case {
	s.t.Helper()
	var list struct{ Cases []cases.Case }
	if err := json.Unmarshal([]byte(s.request(http.MethodGet, "/api/v1/cases?state=all&limit=1000", "")), &list); err != nil {
		s.t.Fatal(err)
	}
	for _, c := range list.Cases {
		if c.Labels["alertname"] == name {
			return c
		}
	}
	s.t.Fatalf("no case of %s", name)
	return cases.Case{}
}

// expect takes a message out of those that came, or complains.
func (s *script) expect(line string, at time.Duration, args []string) {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if args[0] == "nothing" {
		for _, m := range s.sent {
			s.t.Errorf("%s: but there is %s: %s", line, m, m.body.Note)
		}
		s.sent = nil
		return
	}
	for i, m := range s.sent {
		if m.channel == args[0] && m.what == args[1] && (m.at-at).Abs() <= s.lag {
			if want := strings.Join(args[2:], " "); !strings.Contains(m.body.Note, want) {
				s.t.Errorf("%s: its note is %q", line, m.body.Note)
			}
			s.sent = append(s.sent[:i:i], s.sent[i+1:]...)
			return
		}
	}
	s.t.Errorf("%s: not among %v", line, s.sent)
}

// play runs the script in a bubble of virtual time.
func play(t *testing.T, s *script, text string) {
	t.Helper()
	s.t, s.dir = t, t.TempDir()
	if s.date.IsZero() {
		s.date = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	}
	if s.poll == 0 {
		s.poll = time.Hour
	}
	if s.lag == 0 {
		s.lag = time.Second
	}
	head := "store: {sqlite: w.db}\nchannels:\n"
	for _, c := range []string{"chat", "pager", "ann", "bob", "boss"} {
		head += fmt.Sprintf("  %s: {type: webhook, url: 'http://%s/'}\n", c, c)
	}
	if err := os.WriteFile(filepath.Join(s.dir, "c.yml"), []byte(head+s.config), 0o600); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		s.t = t
		s.begin = time.Now()
		s.start()
		defer s.end()
		began := map[string]time.Time{}
		for line := range strings.Lines(text) {
			line = strings.TrimSpace(line)
			words := strings.Fields(line)
			if len(words) < 3 {
				continue
			}
			at, err := time.ParseDuration(words[1])
			if err != nil {
				t.Fatalf("%s: %v", line, err)
			}
			time.Sleep(at - time.Since(s.begin))
			synctest.Wait()
			s.line(line, at, words[2], words[3:], began)
			synctest.Wait()
		}
		if t.Failed() {
			t.Log(s.log.String())
		}
	})
}

func (s *script) line(line string, at time.Duration, verb string, args []string, began map[string]time.Time) {
	s.t.Helper()
	switch verb {
	case "fire":
		s.deliver("firing", args, began)
	case "resolve":
		s.deliver("resolved", args, began)
	case "expect":
		s.expect(line, at, args)
	case "post":
		s.request(http.MethodPost, args[0], strings.Join(args[1:], " "))
	case "unmute":
		var list struct{ Mutes []cases.MuteOrder }
		if err := json.Unmarshal([]byte(s.request(http.MethodGet, "/api/v1/mutes", "")), &list); err != nil || len(list.Mutes) == 0 {
			s.t.Fatalf("%s: %d mutes, %v", line, len(list.Mutes), err)
		}
		for _, m := range list.Mutes {
			s.request(http.MethodPost, "/api/v1/mutes/"+m.ID+"/end", `{"by": "carol"}`)
		}
	case "jump":
		d, err := time.ParseDuration(args[0])
		if err != nil {
			s.t.Fatalf("%s: %v", line, err)
		}
		s.mu.Lock()
		s.skew += d
		s.mu.Unlock()
	case "crash":
		s.end()
		s.start()
	case "state":
		if c := s.caseOf(args[0]); string(c.State) != args[1] {
			s.t.Errorf("%s: it is %s", line, c.State)
		}
	case "down", "up":
		s.mu.Lock()
		s.down = map[string]bool{args[0]: verb == "down"}
		s.mu.Unlock()
	default:
		s.request(http.MethodPost, "/api/v1/cases/"+s.caseOf(args[0]).ID+"/"+verb, strings.Join(args[1:], " "))
	}
}

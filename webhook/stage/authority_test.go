package stage_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/foreshock/foreshock/webhook/alert"
	"github.com/foreshock/foreshock/webhook/stage"
)

// A real Alertmanager, of the oldest supported version.
func TestAuthorityRealAlertmanager(t *testing.T) {
	t.Parallel()
	bin, err := exec.LookPath("prometheus-alertmanager")
	if err != nil {
		const missing = "prometheus-alertmanager is not installed (Debian: apt-get install prometheus-alertmanager)"
		if os.Getenv("FORESHOCK_TEST_OPTIONAL") == "1" {
			t.Skip(missing)
		}
		t.Fatal(missing)
	}
	dir := t.TempDir()
	config := filepath.Join(dir, "am.yml")
	if err := os.WriteFile(config, []byte("route: {receiver: none}\nreceivers: [{name: none}]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	_ = l.Close()
	cmd := exec.Command(bin, "--config.file="+config, "--storage.path="+dir, "--web.listen-address="+addr, "--cluster.listen-address=", "--web.external-url=http://"+addr)
	var log bytes.Buffer
	cmd.Stderr = &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	base := "http://" + addr
	for i := 0; ; i++ {
		if r, err := http.Get(base + "/-/ready"); err == nil {
			_ = r.Body.Close()
			if r.StatusCode == http.StatusOK {
				break
			}
		}
		if i > 300 {
			t.Fatalf("Alertmanager does not answer: %s", log.String())
		}
		time.Sleep(50 * time.Millisecond) // there is nothing to wait on but the port
	}
	now := time.Now()
	quote := alert.Labels{"alertname": "quo\"ted\\", "x": "日本,{}"}
	odd := alert.Labels{"alertname": "odd", "bell": "a\ab", "tab": "a\tb", "hidden": "a\u202eb", "line": "a\nb"}
	post := []map[string]any{
		{"labels": odd, "startsAt": now.Add(-time.Hour)},
		{"labels": quote, "startsAt": now.Add(-time.Hour), "endsAt": now.Add(time.Hour)},
		{"labels": alert.Labels{"alertname": "over"}, "startsAt": now.Add(-time.Hour), "endsAt": now.Add(-time.Minute)},
		{"labels": alert.Labels{"alertname": "fires"}, "startsAt": now.Add(-time.Hour)},
	}
	body, err := json.Marshal(post)
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.Post(base+"/api/v2/alerts", "application/json", bytes.NewReader(body))
	if err != nil || r.StatusCode != http.StatusOK {
		t.Fatal(r, err)
	}
	_ = r.Body.Close()
	ask := func(ls ...alert.Labels) (out []alert.Alert) {
		for _, l := range ls {
			out = append(out, alert.Alert{Labels: l, Fingerprint: l.Fingerprint()})
		}
		return out
	}
	alerts := ask(quote, alert.Labels{"alertname": "over"}, alert.Labels{"alertname": "fires"}, alert.Labels{"alertname": "unknown"})
	if got, err := (stage.Alertmanagers{URLs: map[string][]string{"prod": {base}}}).Firing(context.Background(), "prod", ask(odd)); err != nil || !slices.Equal(got, []bool{true}) {
		t.Errorf("labels with escapes: %v, %v", got, err)
	}
	m := stage.Alertmanagers{URLs: map[string][]string{"prod": {base + "/"}}}
	got, err := m.Firing(context.Background(), "prod", alerts)
	if err != nil || !slices.Equal(got, []bool{true, false, true, false}) {
		t.Errorf("one by one: %v, %v", got, err)
	}
	got, err = m.Firing(context.Background(), "prod", slices.Concat(alerts, alerts))
	if err != nil || !slices.Equal(got, []bool{true, false, true, false, true, false, true, false}) {
		t.Errorf("all at once: %v, %v", got, err)
	}
}

// One of them may be cut off from Prometheus, and then says that nothing fires.
func TestAuthorityAsksAll(t *testing.T) {
	t.Parallel()
	a, b := firing("a", 0), firing("b", 0)
	serve := func(body string) string {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(body)) }))
		t.Cleanup(s.Close)
		return s.URL
	}
	cutOff, whole, down := serve("[]"), serve(`[{"fingerprint": "`+a.Fingerprint+`"}]`), "http://127.0.0.1:1"
	for _, tt := range []struct {
		urls []string
		want []bool
		err  string
	}{
		{[]string{cutOff, whole}, []bool{true, false}, ""},
		{[]string{whole, cutOff}, []bool{true, false}, ""},
		{[]string{cutOff, cutOff}, []bool{false, false}, ""},
		{[]string{cutOff, down}, []bool{false, false}, "ask Alertmanager 2 of prod"},
		{[]string{down, whole}, []bool{true, false}, "ask Alertmanager 1 of prod"}, // of b nobody knows
	} {
		got, err := stage.Alertmanagers{URLs: map[string][]string{"prod": tt.urls}}.Firing(context.Background(), "prod", []alert.Alert{a, b})
		if !slices.Equal(got, tt.want) || (err == nil) != (tt.err == "") || (err != nil && !strings.Contains(err.Error(), tt.err)) {
			t.Errorf("%v: %v, %v, want %v, %q", tt.urls, got, err, tt.want, tt.err)
		}
	}
}

// What one Alertmanager says is believed although another gives no answer, but
// only where it says firing.
func TestDedupHalfAnAnswer(t *testing.T) {
	t.Parallel()
	m, o := newMemory(), &oracle{firing: map[string]bool{"a": true}, err: errors.New("one is down")}
	in := intake(m, o)
	deliver(t, in, 1, resolved("a", 0, 1), resolved("b", 0, 1))
	deliver(t, in, 2, firing("a", 0), firing("b", 0))
	notes := map[string]string{}
	for _, s := range m.seen[2:] {
		notes[s.Identity.Fingerprint] = s.Reason + " " + s.Note
	}
	if got := notes[firing("a", 0).Fingerprint]; !strings.HasPrefix(got, "believed") || !strings.Contains(got, "says that it fires") {
		t.Errorf("a: %s", got)
	}
	if got := notes[firing("b", 0).Fingerprint]; !strings.HasPrefix(got, "believed") || !strings.Contains(got, "one is down") {
		t.Errorf("b: %s", got)
	}
}

func TestAuthorityErrors(t *testing.T) {
	t.Parallel()
	bad := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/html") {
			_, _ = w.Write([]byte("<html>"))
			return
		}
		http.Error(w, "no", http.StatusInternalServerError)
	}))
	t.Cleanup(bad.Close)
	one := []alert.Alert{firing("a", 0)}
	host := strings.TrimPrefix(bad.URL, "http://")
	for url, want := range map[string]string{
		"http://user:secret@" + host:           "500",
		"http://user:secret@" + host + "/html": "cannot be read",
		"http://user:secret@127.0.0.1:1":       "refused",
		"http://user:secret@[::1":              "not valid",
	} {
		_, err := stage.Alertmanagers{URLs: map[string][]string{"prod": {url}}}.Firing(context.Background(), "prod", one)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v, want ... %s", url, err, want)
		}
	}
	if _, err := (stage.Alertmanagers{}).Firing(context.Background(), "prod", one); err == nil {
		t.Error("an unknown cluster answers")
	}
}

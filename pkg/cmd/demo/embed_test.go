package main

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime/pprof"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/alertmanager/notify/webhook"
)

// The pair carries an alert from a rule to a webhook, answers its APIs meanwhile, and is wholly gone after Stop. Not parallel: it counts goroutines.
func TestEmbeddedPairCarriesAnAlertAndLeavesNothing(t *testing.T) {
	before := ourGoroutines()
	got := make(chan webhook.Message, 10)
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var m webhook.Message
		if err := json.NewDecoder(r.Body).Decode(&m); err != nil {
			t.Errorf("body: %v", err)
		}
		got <- m
	}))
	defer hook.Close()

	am, err := startEmbeddedAlertmanager(fmt.Sprintf(`
route: {receiver: hook, group_wait: 100ms, group_interval: 1s, group_by: [alertname]}
receivers: [{name: hook, webhook_configs: [{url: '%s'}]}]
`, hook.URL), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write(t, filepath.Join(dir, "rules.yml"), "groups: [{name: g, rules: [{alert: AlwaysUp, expr: vector(1) == 1, labels: {severity: page}}]}]")
	write(t, filepath.Join(dir, "prometheus.yml"), fmt.Sprintf(`
global: {scrape_interval: 1s, evaluation_interval: 1s}
alerting: {alertmanagers: [{static_configs: [{targets: ['%s']}]}]}
scrape_configs: [{job_name: alertmanager, static_configs: [{targets: ['%s']}]}]
rule_files: ['%s']
`, strings.TrimPrefix(am.URL(), "http://"), strings.TrimPrefix(am.URL(), "http://"), filepath.Join(dir, "rule*.yml")))
	prom, err := startEmbeddedPrometheus(dir, slog.New(slog.DiscardHandler))
	if err != nil {
		am.Stop()
		t.Fatal(err)
	}

	select {
	case m := <-got:
		if m.Status != "firing" || m.Alerts[0].Labels["alertname"] != "AlwaysUp" || !strings.HasPrefix(m.ExternalURL, am.URL()) {
			t.Errorf("message: %+v", m)
		}
	case <-time.After(30 * time.Second):
		t.Error("no alert at the webhook within 30 s")
	}
	for path, want := range map[string]string{
		prom.URL() + "/api/v1/query?query=vector(1)": `"status":"success"`,
		prom.URL() + "/api/v1/alerts":                `"state":"firing"`,
		prom.URL() + "/api/v1/status/buildinfo":      `"version":"3.`,
		prom.URL() + "/api/v1/status/runtimeinfo":    `"storageRetention":"30d"`,
		prom.URL() + "/-/ready":                      "Ready",
		prom.URL() + "/metrics":                      "go_goroutines",
		am.URL() + "/api/v2/alerts":                  `"alertname":"AlwaysUp"`,
		am.URL() + "/api/v2/alerts/groups":           `"receiver":{"name":"hook"}`,
		am.URL() + "/api/v2/status":                  `"uptime"`,
	} {
		if body := get(t, path); !strings.Contains(body, want) {
			t.Errorf("%s: no %s in %.400s", path, want, body)
		}
	}
	prom.Stop()
	am.Stop()
	http.DefaultClient.CloseIdleConnections()
	hook.Close()
	await(t, "the goroutines of the pair to end", func() bool { return ourGoroutines() <= before })
	if t.Failed() {
		pprof.Lookup("goroutine").WriteTo(os.Stderr, 1)
	}
	for _, url := range []string{prom.URL(), am.URL()} {
		if resp, err := http.Get(url); err == nil {
			resp.Body.Close()
			t.Errorf("%s still answers after Stop", url)
		}
	}
}

func TestEmbeddedPairRefusesWhatItCannotRead(t *testing.T) {
	t.Parallel()
	if _, err := startEmbeddedAlertmanager("route: {receiver: nobody}", slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "nobody") {
		t.Errorf("Alertmanager: %v", err)
	}
	dir := t.TempDir()
	if _, err := startEmbeddedPrometheus(dir, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "prometheus.yml") {
		t.Errorf("no file: %v", err)
	}
	write(t, filepath.Join(dir, "rules.yml"), "groups: [{name: g, rules: [{alert: A, expr: 'rate('}]}]")
	write(t, filepath.Join(dir, "prometheus.yml"), "rule_files: ['"+filepath.Join(dir, "rules.yml")+"']")
	if _, err := startEmbeddedPrometheus(dir, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "rules.yml") {
		t.Errorf("a rule file with a syntax error: %v", err)
	}
}

func TestModuleVersion(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{"v0.315.0": "3.15.0", "v0.305.1": "3.5.1", "(devel)": "embedded"} {
		if got := moduleVersion(in); got != want {
			t.Errorf("%s: got %s, want %s", in, got, want)
		}
	}
}

// ourGoroutines counts those that run code of Prometheus or Alertmanager.
func ourGoroutines() int {
	var b strings.Builder
	pprof.Lookup("goroutine").WriteTo(&b, 2)
	n := 0
	for _, stack := range strings.Split(b.String(), "\n\n") {
		if strings.Contains(stack, "github.com/prometheus/prometheus/") || strings.Contains(stack, "github.com/prometheus/alertmanager/") {
			n++
		}
	}
	return n
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func get(t *testing.T, url string) string {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Errorf("%s: %v", url, err)
		return ""
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Errorf("%s: %v", url, err)
	}
	return string(body)
}

// await polls for what has no event of its own.
func await(t *testing.T, what string, done func() bool) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for !done() {
		if time.Now().After(deadline) {
			t.Fatalf("waited 30 s for %s", what)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

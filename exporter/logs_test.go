package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestLogs: the real program follows a file through a rotation, publishes, answers /api/v1, and goes on where it was after a restart.
func TestLogs(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	log, config := filepath.Join(dir, "app.log"), filepath.Join(dir, "logs.yml")
	write := func(from, to int) {
		t.Helper()
		f, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		for i := from; i < to; i++ {
			fmt.Fprintf(f, "2026-01-02 12:00:00 INFO order=%d accepted from 10.0.0.%d password=hunter%d\n2026-01-02 12:00:00 INFO order=%d closed\n", i, i%256, i, i)
		}
	}
	text := fmt.Sprintf("state: %s/state\npoll: 20ms\ncommit: 20ms\ncpu_share: 1\nsources:\n- name: app\n  files: [%s]\n  from: beginning\n"+
		"  multiline: {mode: \"off\"}\n  sequences: {key: 'order=(\\d+)', end: closed, train: 20}\n", dir, log)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{"--collector.disable-defaults", "--collector.logs", "--collector.logs.config=" + config}
	until := func(p program, want string) string {
		t.Helper()
		var body string
		for begin := time.Now(); time.Since(begin) < 30*time.Second; time.Sleep(20 * time.Millisecond) {
			if _, body = get(t, http.DefaultClient, "http://"+p.address+"/metrics"); strings.Contains(body, want) {
				return body
			}
		}
		t.Fatalf("no %s in\n%s", want, body)
		return ""
	}
	api := func(p program, path string, to any) int {
		t.Helper()
		status, body := get(t, http.DefaultClient, "http://"+p.address+"/api/v1/"+path)
		if err := json.Unmarshal([]byte(body), to); err != nil {
			t.Fatalf("%s: %v\n%s", path, err, body)
		}
		return status
	}

	write(0, 100)
	p := start(t, args...)
	until(p, `foreshock_log_lines_total{source="app"} 200`)
	if err := os.Rename(log, log+".1"); err != nil {
		t.Fatal(err)
	}
	write(100, 150)
	until(p, `foreshock_log_lines_total{source="app"} 300`)
	p.stop()
	write(150, 200)
	p = start(t, args...)
	body := until(p, `foreshock_log_lines_total{source="app"} 400`)
	for _, want := range []string{
		`foreshock_log_messages_total{level="info",source="app"} 400`, `foreshock_log_sequences_total{source="app",verdict="normal"} 180`,
		`foreshock_log_sequences_total{source="app",verdict="abnormal"} 0`,
	} {
		if !strings.Contains(body, want) {
			t.Errorf("no %s in\n%s", want, body)
		}
	}

	var templates struct {
		Data []struct {
			Source, ID, Template, Example string
			Count                         uint64
			Evolution                     []struct{ Template string }
		}
	}
	if status := api(p, "templates?source=app&sort=count", &templates); status != 200 || len(templates.Data) != 2 {
		t.Fatalf("%d: %+v", status, templates)
	}
	for _, x := range templates.Data {
		if x.Count != 200 || len(x.ID) != 16 || strings.Contains(x.Example, "hunter") || len(x.Evolution) == 0 {
			t.Errorf("%+v", x)
		}
	}
	var flow struct {
		Data []struct {
			Nodes []struct{ ID, Template string }
			Edges []struct {
				From, To string
				Share    float64
			}
		}
	}
	if api(p, "flow", &flow); len(flow.Data) != 1 || len(flow.Data[0].Nodes) != 4 || len(flow.Data[0].Edges) != 3 || flow.Data[0].Edges[0].Share != 1 {
		t.Errorf("%+v", flow)
	}
	var sequences struct{ Data []any }
	if status := api(p, "sequences", &sequences); status != 200 || sequences.Data == nil || len(sequences.Data) != 0 {
		t.Errorf("%d %+v", status, sequences)
	}
	for path, want := range map[string]string{
		"templates?sort=x":    `parameter "sort": got "x", want count, rarity, first_seen or last_seen`,
		"templates?limit=0":   `parameter "limit": got "0", want a number from 1 to 100000`,
		"flow?source=other":   `parameter "source": got "other", want one of app`,
		"sequences?sources=a": `parameter "sources": want one of source`,
	} {
		var answer struct{ Error string }
		if status := api(p, path, &answer); status != 400 || answer.Error != want {
			t.Errorf("%s: %d %s", path, status, answer.Error)
		}
	}
}

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A running service can be asked about an alert over HTTP and beside it, in its store; and its deliveries can be replayed under other rules.
func TestExplainAndReplay(t *testing.T) {
	t.Parallel()
	addr := freePort(t)
	path := writeConfig(t, logConfig)
	launch(t, addr, path)
	for i := range 3 {
		body := fmt.Sprintf(`{"alerts":[{"status":"firing","labels":{"alertname":"Full","severity":"critical","pod":"db-%d"},"annotations":{"summary":"disk full"},"startsAt":%q}]}`,
			i, time.Now().UTC().Format(time.RFC3339))
		res, err := http.Post("http://"+addr+"/api/v1/alerts", "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != http.StatusOK {
			t.Fatalf("delivery %d: %s", i, res.Status)
		}
	}
	ask := func(want int, args ...string) string {
		t.Helper()
		var out, errs bytes.Buffer
		if code := run(t.Context(), args, &out, &errs); code != want {
			t.Fatalf("%v: exit code %d, want %d\n%s%s", args, code, want, &out, &errs)
		}
		return out.String() + errs.String()
	}
	for _, where := range [][]string{{"--url", "http://" + addr}, {"--config.file", path}} {
		text := ask(exitOK, append([]string{"explain", `alertname="Full",pod="db-1"`}, where...)...)
		for _, want := range []string{"merged", "similar", "came in as similar", `pod="db-1"`, "opened"} {
			if !strings.Contains(text, want) {
				t.Errorf("%v: the story lacks %q:\n%s", where, want, text)
			}
		}
		ask(exitError, append([]string{"explain", "none"}, where...)...)
	}
	ask(exitUsage, "explain", "a=~(", "--config.file", path)

	other := filepath.Join(t.TempDir(), "other.yml")
	if err := os.WriteFile(other, []byte("noise: {similar: {enabled: false}}\nchannels: {chat: {type: log}}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]int{path: 1, other: 3} {
		var got struct {
			Deliveries int
			Messages   []struct{ Channel string }
		}
		if err := json.Unmarshal([]byte(ask(exitOK, "replay-alerts", "--config.file", file, "--stored-by", path, "--since", "1h", "--json")), &got); err != nil {
			t.Fatal(err)
		}
		told := 0
		for _, m := range got.Messages {
			if m.Channel != "" {
				told++
			}
		}
		if got.Deliveries != 3 || told < want {
			t.Errorf("%s: %d deliveries and %d messages, want 3 and at least %d", filepath.Base(file), got.Deliveries, told, want)
		}
	}
	if text := ask(exitOK, "replay-alerts", "--config.file", path, "--since", "1h"); !strings.Contains(text, "3 deliveries with 3 alerts") || !strings.Contains(text, "opened") {
		t.Errorf("the table says:\n%s", text)
	}
}

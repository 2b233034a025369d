package main

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// weeksFile writes days of a daily shape, a row every five minutes, with an outage of half an hour that is labelled and one that is not.
func weeksFile(t *testing.T, days int) string {
	t.Helper()
	var b strings.Builder
	b.WriteString("timestamp,value,label\n")
	n := days * 288
	for i := range n {
		x, label := 100+30*math.Sin(2*math.Pi*float64(i%288)/288)+float64(i*7919%13)/4, 0
		switch {
		case i >= n-1000 && i < n-994:
			x, label = 10, 1
		case i >= n-500 && i < n-494:
			x = 300
		}
		fmt.Fprintf(&b, "%d,%.3f,%d\n", 1_772_409_600+i*300, x, label)
	}
	file := filepath.Join(t.TempDir(), "weeks.csv")
	if err := os.WriteFile(file, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestReplayOfAFile(t *testing.T) {
	t.Parallel()
	file := weeksFile(t, 20)
	charts := filepath.Join(t.TempDir(), "charts")
	got := foreshock(t, "", "replay", file, "--last", "5d", "--label", "label", "--format", "json", "--plot", charts)
	if got.code != 0 {
		t.Fatal(got.errors)
	}
	var one struct {
		Weeks     float64 `json:"weeks_judged"`
		Episodes  []struct{ Right, Reason string }
		Incidents []struct {
			Hit   bool
			Delay float64 `json:"delay_seconds"`
		}
	}
	if err := json.Unmarshal([]byte(got.out), &one); err != nil {
		t.Fatalf("%v in %s", err, got.out)
	}
	if len(one.Episodes) != 2 || one.Episodes[0].Right != "hit" || one.Episodes[1].Right != "false" || len(one.Incidents) != 1 || !one.Incidents[0].Hit || one.Incidents[0].Delay != 600 {
		t.Errorf("%s", got.out)
	}
	if math.Abs(one.Weeks-5.0/7) > 1e-9 {
		t.Errorf("judged %v weeks", one.Weeks)
	}
	if drawn, err := os.ReadFile(filepath.Join(charts, "001-weeks.png")); err != nil || !strings.HasPrefix(string(drawn), "\x89PNG") {
		t.Errorf("chart: %v", err)
	}
	table := foreshock(t, "", "replay", file, "--last", "5d", "--label", "label").out
	rows := foreshock(t, "", "replay", file, "--last", "5d", "--label", "label", "--format", "csv").out
	if !strings.Contains(table, "1.40") || strings.Count(rows, "\n") != 3 || strings.Contains(table, "cli.") {
		t.Errorf("%s\n%s", table, rows)
	}
}

// The search prints a rule and a query that keep to the wanted rate, in both languages.
func TestReplaySearch(t *testing.T) {
	t.Parallel()
	for _, lang := range []string{"en", "zh-Hans"} {
		got := foreshock(t, "", "--lang", lang, "replay", weeksFile(t, 20), "--last", "10d", "--budget", "2/week")
		if got.code != 0 || !strings.Contains(got.out, "rules:\n  - name: \"replayed\"") || !strings.Contains(got.out, `{"expr":"my_metric","detector":`) || strings.Contains(got.out, "cli.") {
			t.Errorf("%+v", got)
		}
	}
}

func TestReplayRefuses(t *testing.T) {
	t.Parallel()
	file := weeksFile(t, 3)
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{file, "--last", "soon"}, `--last: got "soon", want a duration`},
		{[]string{file, "--budget", "often"}, `--budget: got "often", want a number of episodes like 2/week`},
		{[]string{file, "--label", "bad"}, `no column "bad", want one of timestamp, value, label`},
		{[]string{file, "--incidents.query", "up"}, `--incidents.query: got "up" without --query`},
		{[]string{file, "--fit", "all"}, `--fit: got "all", want anchored`},
		{[]string{file, "--last", "1d", "--min-train", "6d", "--budget", "1"}, `no sample could be judged`},
		{[]string{}, `got no input`},
	} {
		got := foreshock(t, "", append([]string{"replay"}, tt.args...)...)
		if got.code != 2 || !strings.Contains(got.errors, tt.want) {
			t.Errorf("%v: %d %s", tt.args, got.code, got.errors)
		}
	}
}

// Past cases of the webhook are labels, too: what would have been raised against what really was.
func TestReplayAgainstCases(t *testing.T) {
	t.Parallel()
	file := weeksFile(t, 20)
	from := time.Unix(1_772_409_600+(20*288-1000)*300, 0).UTC() // the first outage of weeksFile
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer a-token" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		fmt.Fprintf(w, `{"cases": [{"id": "C1", "startedAt": %q, "resolvedAt": %q, "labels": {"service": "shop"}}, {"id": "C2", "startedAt": %q, "labels": {"service": "other"}}]}`,
			from.Add(5*time.Minute).Format(time.RFC3339), from.Add(time.Hour).Format(time.RFC3339), from.Add(24*time.Hour).Format(time.RFC3339))
	}))
	t.Cleanup(server.Close)
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("a-token\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{"replay", file, "--last", "5d", "--format", "json", "-q", "--cases.url", server.URL, "--cases", `{service="shop"}`}
	got := foreshock(t, "", append(args, "--cases.token-file", token)...)
	var one struct {
		Episodes  []struct{ Right string }
		Incidents []struct {
			Hit   bool
			Delay float64 `json:"delay_seconds"`
		}
	}
	if err := json.Unmarshal([]byte(got.out), &one); err != nil {
		t.Fatalf("%v in %s%s", err, got.out, got.errors)
	}
	if len(one.Episodes) != 2 || one.Episodes[0].Right != "hit" || one.Episodes[1].Right != "false" || len(one.Incidents) != 1 || !one.Incidents[0].Hit || one.Incidents[0].Delay != 300 {
		t.Errorf("%s", got.out)
	}
	for _, c := range []struct {
		args []string
		want string
	}{
		{args, "the webhook answers 401"},
		{[]string{"replay", file, "--cases", `{a="b"}`}, "without --cases.url"},
		{[]string{"replay", file, "--cases.url", server.URL, "--cases", "service"}, "--cases: got \"service\""},
		{[]string{"replay", file, "--cases.url", "nowhere"}, "--cases.url: "},
	} {
		if got := foreshock(t, "", c.args...); got.code == 0 || !strings.Contains(got.errors, c.want) {
			t.Errorf("%v: exit code %d, %s, want %s", c.args, got.code, got.errors, c.want)
		}
	}
}

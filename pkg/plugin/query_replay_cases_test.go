package plugin

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/foreshock/foreshock/pkg/casesapi"
)

// Past cases of the webhook are incidents: the outage that was one is a hit, and what nobody opened a case for is false.
func TestReplayAgainstCases(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 30, 0, time.UTC)
	src, outage, surprise := fortnights(now)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, `{"cases": [
			{"id": "C1", "state": "closed", "startedAt": %q, "resolvedAt": %q, "labels": {"service": "api", "alertname": "Down"}},
			{"id": "C2", "state": "closed", "startedAt": %q, "resolvedAt": %q, "labels": {"service": "db", "alertname": "Slow"}}]}`,
			date(outage+5*minute).UTC().Format(time.RFC3339), date(outage+40*minute).UTC().Format(time.RFC3339),
			date(outage-50*60*minute).UTC().Format(time.RFC3339), date(outage-49*60*minute).UTC().Format(time.RFC3339))
	}))
	t.Cleanup(server.Close)
	client, err := casesapi.New(casesapi.Options{URL: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	d := over(t, src, now)
	d.cases = client
	answer := ask(t, d, query(now.Add(-time.Hour), now, replayQueryOf(map[string]any{"output": "summary", "cases": `{}`})))
	if answer.Error != nil {
		t.Fatal(answer.Error)
	}
	f := answer.Frames[0]
	for i, want := range []struct{ hits, missed int64 }{{1, 0}, {0, 1}} { // api, db
		if field(t, f, "hits").At(i) != want.hits || field(t, f, "missed").At(i) != want.missed {
			t.Errorf("series %d: %v hits, %v missed, want %+v", i, field(t, f, "hits").At(i), field(t, f, "missed").At(i), want)
		}
	}
	if delay := *field(t, f, "delay").At(0).(*float64); delay != 300 { // confirmed ten minutes after the outage began, five after the case
		t.Errorf("delay %v s, want 300", delay)
	}
	answer = ask(t, d, query(now.Add(-time.Hour), now, replayQueryOf(map[string]any{"output": "intervals", "cases": `{alertname="Down"}`})))
	right := map[int64]string{}
	for i := range answer.Frames[0].Rows() {
		right[field(t, answer.Frames[0], "start").At(i).(time.Time).UnixMilli()] = field(t, answer.Frames[0], "right").At(i).(string)
	}
	if right[outage] != "hit" || right[surprise] != "false" {
		t.Errorf("%v, want a hit at %d and a false one at %d", right, outage, surprise)
	}
	if answer := ask(t, over(t, src, now), query(now.Add(-time.Hour), now, replayQueryOf(map[string]any{"cases": "{}"}))); answer.Error == nil || !strings.Contains(answer.Error.Error(), "no address of the webhook") {
		t.Errorf("without a webhook: %v", answer.Error)
	}
	if answer := ask(t, d, query(now.Add(-time.Hour), now, replayQueryOf(map[string]any{"cases": "{service"}))); answer.Error == nil || !strings.Contains(answer.Error.Error(), `parameter "cases": got "{service"`) {
		t.Errorf("broken matchers: %v", answer.Error)
	}
	server.Close()
	if answer := ask(t, d, query(now.Add(-time.Hour), now, replayQueryOf(map[string]any{"cases": "{}"}))); answer.Error == nil || !strings.Contains(answer.Error.Error(), "webhook cannot be reached") {
		t.Errorf("a webhook that is away: %v", answer.Error)
	}
}

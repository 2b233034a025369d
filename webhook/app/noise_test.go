package app

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/foreshock/foreshock/webhook/stage"
)

// ask sends a request and reads its JSON.
func ask(t *testing.T, h *house, method, path, body string, want int, into any) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, h.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if res.StatusCode != want {
		t.Fatalf("%s %s: %d %s, want %d", method, path, res.StatusCode, text, want)
	}
	if into != nil {
		if err := json.Unmarshal(text, into); err != nil {
			t.Fatalf("%s %s: %v in %s", method, path, err, text)
		}
	}
	return string(text)
}

func oneAlert(name, pod string) string {
	return fmt.Sprintf(`{"alerts":[{"status":"firing","labels":{"alertname":%q,"severity":"critical","pod":%q},"annotations":{"summary":"it is bad"},"startsAt":%q}]}`,
		name, pod, time.Now().UTC().Format(time.RFC3339))
}

type mutesAnswer struct {
	Mutes []struct {
		ID, Kind, Name, Owner, EndedBy string
		Active                         bool
	}
}

// A mute by command holds back even P0, is listed, and what it held back is told when somebody ends it; silences of Alertmanager are
// shown and respected.
func TestMutesOverTheAPI(t *testing.T) {
	t.Parallel()
	manager := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/api/v2/silences" {
			http.NotFound(w, r)
			return
		}
		fmt.Fprintf(w, `[{"id":"s1","createdBy":"carol","comment":"known","startsAt":"2020-01-01T00:00:00Z","endsAt":"2099-01-01T00:00:00Z","status":{"state":"active"},
			"matchers":[{"name":"alertname","value":"Silenced","isRegex":false,"isEqual":true}]},
			{"id":"s2","createdBy":"carol","startsAt":"2020-01-01T00:00:00Z","endsAt":"2020-01-02T00:00:00Z","status":{"state":"expired"},"matchers":[{"name":"a","value":"b"}]}]`)
	}))
	t.Cleanup(manager.Close)
	r := newReceiver(t)
	h := open(t, t.TempDir(), hookConfig(r)+fmt.Sprintf("noise: {review: 1s}\nalertmanagers: {default: [%q]}\n", manager.URL), nil)
	var one struct{ ID string }
	ask(t, h, "POST", "/api/v1/mutes", `{"name": "upgrade", "owner": "ann", "match": ["alertname=\"Muted\""], "for": "1h", "by": "ann"}`, 200, &one)
	for body, want := range map[string]string{
		`{"name": "x", "match": ["a=b"], "for": "1h"}`:                                  "owner: is empty",
		`{"name": "x", "owner": "y", "match": ["a=b"]}`:                                 "ends: is missing",
		`{"name": "x", "owner": "y", "for": "1h"}`:                                      "match: is empty",
		`{"name": "x", "owner": "y", "match": ["a"], "for": "1h"}`:                      "matcher",
		`{"name": "x", "owner": "y", "match": ["a=b"], "ends": "2020-01-01T00:00:00Z"}`: "ends: is over",
		`{"name": "x", "owner": "y", "match": ["a=b"], "ends": "9999-12-31T00:00:00Z"}`: "ends: 9999-12-31T00:00:00Z is too far: want at most 90d from now",
		`{"name": "x", "owner": "y", "match": ["a=b"], "for": "91d"}`:                   "too far: want at most 90d",
		`{"mane": "x"}`: "unknown field",
	} {
		if text := ask(t, h, "POST", "/api/v1/mutes", body, 400, nil); !strings.Contains(text, want) {
			t.Errorf("%s: %s, want %q", body, text, want)
		}
	}
	var all mutesAnswer
	for deadline := time.Now().Add(20 * time.Second); len(all.Mutes) < 2 && time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		ask(t, h, "GET", "/api/v1/mutes", "", 200, &all)
	}
	if len(all.Mutes) != 2 || all.Mutes[0].Kind != "command" || !all.Mutes[0].Active || all.Mutes[1].Kind != "silence" || all.Mutes[1].Owner != "carol" {
		t.Fatalf("mutes %+v", all)
	}
	ask(t, h, "POST", "/api/v1/alerts", oneAlert("Muted", "a"), 200, nil)
	ask(t, h, "POST", "/api/v1/alerts", oneAlert("Silenced", "b"), 200, nil)
	ask(t, h, "POST", "/api/v1/alerts", oneAlert("Heard", "c"), 200, nil)
	if got := r.next(t); !strings.Contains(got.Case.Title, "Heard") {
		t.Errorf("told of %s", got.Case.Title)
	}
	r.none(t)
	metrics := ask(t, h, "GET", "/metrics", "", 200, nil)
	for _, want := range []string{`foreshock_alerts_total{decision="muted",reason="command"} 1`, `foreshock_alerts_total{decision="muted",reason="silence"} 1`} {
		if !strings.Contains(metrics, want) {
			t.Errorf("the metrics lack %s", want)
		}
	}
	ask(t, h, "POST", "/api/v1/mutes/"+one.ID+"/end", `{"by": "bob"}`, 200, nil)
	if got := r.next(t); !strings.Contains(got.Case.Title, "Muted") || got.What != "opened" {
		t.Errorf("after the end: %s %s", got.What, got.Case.Title)
	}
	ask(t, h, "POST", "/api/v1/mutes/none/end", `{}`, 404, nil)
	var log struct {
		Audit []struct{ Kind, Actor, Via, To, From string }
	}
	ask(t, h, "GET", "/api/v1/audit", "", 200, &log)
	log.Audit = slices.DeleteFunc(log.Audit, func(e struct{ Kind, Actor, Via, To, From string }) bool { return e.Via == "" })
	if want := []struct{ Kind, Actor, Via, To, From string }{{"mute_ended", "bob", "api", "", one.ID}, {"mute_given", "ann", "api", one.ID, ""}}; !slices.Equal(log.Audit, want) {
		t.Errorf("the audit log has %+v, want %+v", log.Audit, want)
	}
}

// What was merged can be explained and split over the API.
func TestExplainAndSplitOverTheAPI(t *testing.T) {
	t.Parallel()
	r := newReceiver(t)
	h := open(t, t.TempDir(), hookConfig(r), nil)
	ask(t, h, "POST", "/api/v1/alerts", oneAlert("Full", "db-1"), 200, nil)
	ask(t, h, "POST", "/api/v1/alerts", oneAlert("Full", "db-2"), 200, nil)
	var got struct{ Explanations []stage.Explanation }
	ask(t, h, "GET", `/api/v1/explain?alert=alertname%3D%22Full%22,pod%3D%22db-2%22`, "", 200, &got)
	if len(got.Explanations) != 1 {
		t.Fatalf("%d explanations", len(got.Explanations))
	}
	e := got.Explanations[0]
	if e.Alert.Joined.How != "similar" || e.Observations[0].Decision != "merged" || e.Case == nil || e.Case.Total != 2 || len(e.Events) == 0 || len(e.Messages) == 0 {
		t.Errorf("explained as %+v", e)
	}
	for _, want := range []string{"merged", "similar", "came in as similar", e.Case.ID} {
		if !strings.Contains(e.Text(), want) {
			t.Errorf("the text lacks %q:\n%s", want, e.Text())
		}
	}
	var split struct{ Case string }
	body := fmt.Sprintf(`{"case": %q, "alerts": [%q], "by": "ann", "note": "another disk"}`, e.Case.ID, e.Alert.Identity)
	ask(t, h, "POST", "/api/v1/splits", body, 200, &split)
	got.Explanations = nil
	ask(t, h, "GET", "/api/v1/explain?alert="+split.Case, "", 200, &got)
	if len(got.Explanations) != 1 || got.Explanations[0].Alert.Joined.How != "split" || got.Explanations[0].Case.Total != 1 {
		t.Errorf("after the split: %+v", got)
	}
	ask(t, h, "POST", "/api/v1/splits", body, 400, nil) // it is not in that case any more
	ask(t, h, "POST", "/api/v1/splits", `{"case": "none", "alerts": ["a/b"]}`, 404, nil)
	ask(t, h, "GET", "/api/v1/explain", "", 400, nil)
	ask(t, h, "GET", "/api/v1/explain?alert=a%3D~%22(%22", "", 400, nil)
	if text := ask(t, h, "GET", "/api/v1/explain?alert=none", "", 200, nil); !strings.Contains(text, `"explanations":[]`) {
		t.Errorf("of nothing: %s", text)
	}
}

package plugin

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/grafana/grafana-plugin-sdk-go/data"
)

// webhook is a webhook as the plugin sees one: it wants the token, and remembers commands.
type webhook struct {
	*httptest.Server
	commands []string
}

const webhookToken = "grafana-token-0123456789"

func newWebhook(t *testing.T) *webhook {
	t.Helper()
	h := &webhook{}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/v1/cases", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, `{"cases": [
			{"id": "C2", "cluster": "eu", "title": "Disk full\u202e", "state": "new", "grade": "P1", "gradeReason": "severity", "firing": 2, "total": 3, "openedAt": "2026-11-20T11:30:00Z"},
			{"id": "C1", "cluster": "eu", "title": "Down", "state": "resolved", "grade": "P0", "openedAt": "2026-11-20T11:00:00Z", "resolvedAt": "2026-11-20T11:10:00Z", "ackedBy": "ann"}]}`)
	})
	mux.HandleFunc("GET /api/v1/counts", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"openGrades": {"P0": 0, "P1": 1, "P2": 0, "P3": 7}}`)
	})
	mux.HandleFunc("GET /api/v1/statistics", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, `{"stepSeconds": %s, "buckets": [
			{"at": "2026-11-20T11:00:00Z", "alerts": 10, "news": 4, "storm": 2, "opened": {"P0": 1, "P1": 1}, "messages": 3, "failures": 1, "mtta": {"n": 1, "mean": 60}, "mttr": {"n": 1, "mean": 600}, "latency": {"slack": 0.25}},
			{"at": "2026-11-20T12:00:00Z"}],
			"total": {"alerts": 10, "news": 4, "messages": 3, "opened": {"P0": 1, "P1": 1}}, "dedupRatio": 0.6, "compressionRatio": 0.7, "mtta": {"n": 1, "mean": 60}, "mttr": {"n": 0},
			"channels": [{"name": "slack", "sent": 3, "failed": 1, "latency": {"n": 4, "mean": 0.25, "p90": 0.5}, "lastGood": "2026-11-20T11:20:00Z"}], "cut": true}`, r.URL.Query().Get("step"))
	})
	mux.HandleFunc("POST /api/v1/cases/{id}/{command}", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		h.commands = append(h.commands, r.PathValue("id")+" "+r.PathValue("command")+" "+string(body))
		if r.PathValue("id") == "gone" {
			w.WriteHeader(http.StatusNotFound)
			fmt.Fprint(w, `{"error": "there is nothing of that ID"}`)
			return
		}
		fmt.Fprint(w, `{"id": "C2", "state": "triage"}`)
	})
	h.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+webhookToken {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(h.Close)
	return h
}

// withWebhook is a data source that knows a webhook; prometheus is never asked.
func withWebhook(t *testing.T, address, token string) *Datasource {
	t.Helper()
	settings, err := json.Marshal(map[string]any{"webhookURL": address})
	if err != nil {
		t.Fatal(err)
	}
	made, err := NewDatasource(t.Context(), backend.DataSourceInstanceSettings{
		URL: "http://127.0.0.1:1", JSONData: settings, DecryptedSecureJSONData: map[string]string{"webhookToken": token},
	})
	if err != nil {
		t.Fatal(err)
	}
	d := made.(*Datasource)
	t.Cleanup(d.Dispose)
	return d
}

func askCases(t *testing.T, d *Datasource, query string) backend.DataResponse {
	t.Helper()
	from := time.Date(2026, 11, 20, 11, 0, 0, 0, time.UTC)
	resp, err := d.QueryData(t.Context(), &backend.QueryDataRequest{Queries: []backend.DataQuery{{
		RefID: "A", JSON: json.RawMessage(query), TimeRange: backend.TimeRange{From: from, To: from.Add(2 * time.Hour)}, MaxDataPoints: 800,
	}}})
	if err != nil {
		t.Fatal(err)
	}
	return resp.Responses["A"]
}

// column finds a field by name over all frames, and its values as JSON.
func columnOf(t *testing.T, frames data.Frames, name string) string {
	t.Helper()
	for _, f := range frames {
		for _, field := range f.Fields {
			if field.Name != name && (field.Config == nil || field.Config.DisplayNameFromDS != name) {
				continue
			}
			var all []any
			for i := range field.Len() {
				v, _ := field.ConcreteAt(i)
				if field.Nullable() && field.NilAt(i) {
					v = nil
				}
				all = append(all, v)
			}
			b, _ := json.Marshal(all)
			return string(b)
		}
	}
	return "no such column"
}

func TestCasesOutputs(t *testing.T) {
	t.Parallel()
	d := withWebhook(t, newWebhook(t).URL, webhookToken)
	for _, tt := range []struct {
		output, column, want string
	}{
		{"table", "grade", `["P1","P0"]`},
		{"table", "title", `["Disk full\\u202e","Down"]`},
		{"table", "seconds", `[null,600]`},
		{"table", "acknowledged", `["","ann"]`},
		{"annotations", "title", `["[P1] Disk full\\u202e","[P0] Down"]`},
		{"annotations", "timeEnd", `["2026-11-20T13:00:00Z","2026-11-20T11:10:00Z"]`},
		{"annotations", "tags", `["case,P1,new,eu","case,P0,resolved,eu"]`},
		{"counts", "Opened P0", `[1,0]`},
		{"counts", "Alerts", `[10,0]`},
		{"counts", "Messages", `[3,0]`},
		{"times", "Time to acknowledge", `[60,null]`},
		{"times", "Time to resolve", `[600,null]`},
		{"ratios", "Repeats folded away", `[0.6,null]`},
		{"ratios", "Alerts without a message", `[0.7,null]`},
		{"ratios", "Part of storms", `[0.5,null]`},
		{"latency", "slack", `[0.25,null]`},
		{"channels", "worked", `[0.75]`},
		{"open", "P3", `[7]`},
		{"totals", "dedup", `[0.6]`},
		{"totals", "mttr", `[null]`},
	} {
		resp := askCases(t, d, `{"kind": "cases", "output": "`+tt.output+`", "state": "all", "every": "1h"}`)
		if resp.Error != nil {
			t.Errorf("%s: %v", tt.output, resp.Error)
			continue
		}
		if got := columnOf(t, resp.Frames, tt.column); got != tt.want {
			t.Errorf("%s, %s: %s, want %s", tt.output, tt.column, got, tt.want)
		}
		if cut := tt.output == "counts" || tt.output == "channels"; cut && len(resp.Frames[0].Meta.Notices) != 1 {
			t.Errorf("%s does not say that it is cut", tt.output)
		}
	}
	if got := columnOf(t, askCases(t, d, `{"kind": "cases", "output": "counts", "grade": ["(P1|P2)"], "lang": "zh-Hans"}`).Frames, "新建 P0"); got != "no such column" {
		t.Errorf("a grade that was not asked for: %s", got)
	}
}

func TestCasesMistakes(t *testing.T) {
	t.Parallel()
	h := newWebhook(t)
	good, without, wrong := withWebhook(t, h.URL, webhookToken), withWebhook(t, "", ""), withWebhook(t, h.URL, "another-token-01234")
	for _, tt := range []struct {
		d           *Datasource
		query, want string
		status      backend.Status
	}{
		{without, `{"kind": "cases"}`, "the data source has no address of the webhook", 400},
		{good, `{"kind": "cases", "output": "pie"}`, `parameter "output": got "pie", want one of table`, 400},
		{good, `{"kind": "cases", "grade": ["P9"]}`, `parameter "grade": got "P9", want some of P0, P1, P2, P3`, 400},
		{good, `{"kind": "cases", "expr": "up"}`, `unknown parameter "expr"`, 400},
		{wrong, `{"kind": "cases"}`, "the webhook answers 401: Unauthorized", 502},
		{withWebhook(t, "foreshock", ""), `{"kind": "cases"}`, "the webhook's URL cannot be used", 400},
	} {
		resp := askCases(t, tt.d, tt.query)
		if resp.Error == nil || !strings.HasPrefix(resp.Error.Error(), tt.want) || resp.Status != tt.status || strings.Contains(resp.Error.Error(), "token-01234") {
			t.Errorf("%s: %d %v, want %d %s", tt.query, resp.Status, resp.Error, tt.status, tt.want)
		}
	}
}

// The step of buckets follows the panel, within bounds.
func TestCasesStep(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		every  string
		length time.Duration
		points int64
		want   time.Duration
	}{
		{"0", time.Hour, 1000, 5 * time.Minute},
		{"0", 24 * time.Hour, 800, 15 * time.Minute},
		{"0", 30 * 24 * time.Hour, 100, 24 * time.Hour * 30 / 24},
		{"1m", time.Hour, 1000, 5 * time.Minute},
		{"2h", 48 * time.Hour, 10, 2 * time.Hour},
		{"5m", 60 * 24 * time.Hour, 100, 60 * 24 * time.Hour / mostBuckets},
	} {
		kind, err := readQuery(json.RawMessage(`{"kind": "cases", "every": "`+tt.every+`"}`), defaultSettings())
		if err != nil {
			t.Fatal(err)
		}
		if got := kind.(*casesQuery).step(Request{From: 0, To: tt.length.Milliseconds(), MaxDataPoints: tt.points}); got != tt.want {
			t.Errorf("%+v: %s", tt, got)
		}
	}
}

// Commands go to the webhook in the name of Grafana's user, and only for those who may edit.
func TestCommandsOfGrafanasUsers(t *testing.T) {
	t.Parallel()
	h := newWebhook(t)
	good := withWebhook(t, h.URL, webhookToken)
	call := func(d *Datasource, method, path, body string, user *backend.User) (int, string) {
		t.Helper()
		var status int
		var text bytes.Buffer
		err := d.CallResource(context.Background(), &backend.CallResourceRequest{
			Method: method, Path: path, URL: path, Body: []byte(body), PluginContext: backend.PluginContext{User: user},
		}, backend.CallResourceResponseSenderFunc(func(r *backend.CallResourceResponse) error {
			status = r.Status
			text.Write(r.Body)
			return nil
		}))
		if err != nil {
			t.Fatal(err)
		}
		return status, text.String()
	}
	editor := &backend.User{Login: "ann", Role: "Editor"}
	for _, tt := range []struct {
		d                  *Datasource
		method, path, body string
		user               *backend.User
		code               int
		want               string
	}{
		{good, "POST", "cases/C2/acknowledge", "", editor, 200, `"state":"triage"`},
		{good, "POST", "cases/C2/resolve", `{"note": "restarted"}`, &backend.User{Login: "root", Role: "Admin"}, 200, `"state":"triage"`},
		{good, "POST", "cases/C2/take", "", editor, 200, `"state":"triage"`},
		{good, "POST", "cases/C2/mute", "", editor, 200, `"state":"triage"`},
		{good, "POST", "cases/C2/useful", "", editor, 200, `"state":"triage"`},
		{good, "POST", "cases/C2/noise", `{"note": "a deploy"}`, editor, 200, `"state":"triage"`},
		{good, "POST", "cases/C2/noise", "", &backend.User{Login: "eve", Role: "Viewer"}, 403, "may only look"},
		{good, "POST", "cases/C2/acknowledge", "", &backend.User{Login: "eve", Role: "Viewer"}, 403, "may only look"},
		{good, "POST", "cases/C2/acknowledge", "", nil, 403, "nobody is signed in"},
		{good, "POST", "cases/C2/explode", "", editor, 404, "unknown command"},
		{good, "POST", "cases/..%2F..%2Fx/resolve", "", editor, 400, "is not the ID of a case"},
		{good, "POST", "cases/C2/resolve", `{"by": "mallory"}`, editor, 400, "want a JSON object like"},
		{good, "POST", "cases/gone/resolve", "", editor, 404, "there is nothing of that ID"},
		{good, "GET", "cases/C2/resolve", "", editor, 405, "want POST"},
		{withWebhook(t, "", ""), "POST", "cases/C2/resolve", "", editor, 400, "no address of the webhook"},
		{withWebhook(t, h.URL, "another-token-01234"), "POST", "cases/C2/resolve", "", editor, 502, "answers 401"},
	} {
		code, text := call(tt.d, tt.method, tt.path, tt.body, tt.user)
		if code != tt.code || !strings.Contains(text, tt.want) {
			t.Errorf("%s %s as %+v: %d %s, want %d %s", tt.method, tt.path, tt.user, code, text, tt.code, tt.want)
		}
	}
	want := `C2 acknowledge {"by":"ann","note":""}, C2 resolve {"by":"root","note":"restarted"}, ` +
		`C2 take {"by":"ann","note":""}, C2 mute {"by":"ann","note":""}, C2 useful {"by":"ann","note":""}, C2 noise {"by":"ann","note":"a deploy"}, gone resolve {"by":"ann","note":""}`
	if got := strings.Join(h.commands, ", "); got != want {
		t.Errorf("the webhook was told %s, want %s", got, want)
	}
}

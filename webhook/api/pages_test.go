package api

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/foreshock/foreshock/pkg/message"
	"github.com/foreshock/foreshock/webhook/alert"
	"github.com/foreshock/foreshock/webhook/cases"
	"github.com/foreshock/foreshock/webhook/policy"
)

// hostileText tries to be more than text.
const hostileText = `"><script>alert(1)</script><img src=x onerror=alert(1)> {{.Env}} ` + "\u202e\x00'`"

// hostile is a case in which every text tries to be more than text.
func hostile() cases.Story {
	const evil = hostileText
	a := alert.Alert{
		Status: alert.Firing, Fingerprint: "f1", StartsAt: clock.Add(-time.Hour),
		Labels:      alert.Labels{"alertname": evil, evil: evil, "instance": "db-1"},
		Annotations: alert.Labels{"summary": evil, "runbook_url": "javascript:alert(1)", evil: evil},
		ValueString: evil, GeneratorURL: "javascript:alert(1)", DashboardURL: "https://user:pass@evil.example/", PanelURL: "data:text/html,x", SilenceURL: "https://good.example/?a=1&b=%22",
		Cut: []alert.Cut{{Field: evil, Bytes: 9, Kept: 1}},
	}
	c := cases.Case{
		ID: "C1", Key: "default/f1", Cluster: "default", Title: evil, Labels: a.Labels, State: cases.New, Grade: policy.P0, GradeReason: policy.Reason(evil),
		Channels: []string{"ops"}, Routes: []string{evil}, Epoch: 1, Firing: 1, Total: 1, StartedAt: clock.Add(-time.Hour), OpenedAt: clock.Add(-time.Hour), Version: 3,
	}
	id := alert.Identity{Cluster: "default", Fingerprint: "f1"}
	return cases.Story{
		Case:   c,
		Alerts: []cases.Alert{{Identity: id, CaseID: "C1", Last: a, Status: alert.Firing, LastFired: a.StartsAt}},
		Events: []cases.Event{
			{ID: 1, CaseID: "C1", At: clock, Kind: cases.Opened, To: "new", Actor: cases.System, Alert: id.String(), DeliveryID: "D1"},
			{ID: 2, CaseID: "C1", At: clock, Kind: cases.Noted, Actor: evil, Origin: evil, Note: evil},
			{ID: 3, CaseID: "C1", At: clock, Kind: cases.SendFailed, Actor: cases.System, Channel: "ops", Note: evil},
		},
		Actions: []cases.Action{
			{ID: "A1", CaseID: "C1", Kind: cases.Notify, Channel: "ops", State: cases.Retry, Attempts: 1, LastError: evil, UpdatedAt: clock},
			{ID: "A2", CaseID: "C1", Kind: cases.Notify, Channel: "log", State: cases.Done, Outcome: cases.OutcomeSent, Attempts: 1, UpdatedAt: clock, Receipt: cases.Receipt{Reply: evil}},
			{ID: "A3", CaseID: "C1", Kind: cases.AutoClose, Channel: cases.InternalChannel, State: cases.Due},
		},
		Attempts: []cases.Attempt{{ActionID: "A1", N: 1, CaseID: "C1", Channel: "ops", Began: clock, Result: "retry", Error: evil}},
	}
}

// token is what a form of ours holds, and the cookie that it fits.
func (b *bench) token(t *testing.T, header ...string) (token, cookie string) {
	t.Helper()
	res, text := b.get(t, "/cases/C1", header...)
	m := regexp.MustCompile(`name="token" value="([^"]+)"`).FindStringSubmatch(text)
	if m == nil {
		t.Fatalf("the page has no form: %d %s", res.StatusCode, text)
	}
	cookie, _, _ = strings.Cut(res.Header.Get("Set-Cookie"), ";")
	return m[1], cookie
}

func (b *bench) get(t *testing.T, path string, header ...string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, b.url+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
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
	return res, string(text)
}

var tag = regexp.MustCompile(`<([a-z0-9]+)((?:\s+[a-z-]+(?:="[^"]*")?)*)\s*/?>`)

var quoted = regexp.MustCompile(`"[^"]*"`)

// Every page keeps texts of alerts as texts: no element, attribute or address of theirs comes alive.
func TestPagesShowHostileTextsAsText(t *testing.T) {
	t.Parallel()
	s := settings()
	s.Channels = []string{"ops"}
	s.Rules.People = map[string]policy.Person{"eve": {Name: hostileText}}
	s.Rules.Schedules = map[string]policy.Schedule{"primary": {}}
	b := start(t, s)
	b.stories["C1"] = hostile()
	b.ledger = []cases.LedgerLine{{Key: hostileText, Title: hostileText, Attempt: cases.Attempt{ActionID: "A1", CaseID: "C1", Channel: hostileText, Result: hostileText, Error: hostileText, Began: clock}}}
	b.statistics = cases.Statistics{Sends: []cases.Send{{Channel: hostileText, Began: clock, Ended: clock, Result: "failed"}}}
	for _, path := range []string{"/", "/cases", "/cases?state=all&q=" + url.QueryEscape(`"><script>alert(1)</script>`), "/cases/C1", "/cases/" + url.PathEscape("<script>"), "/deliveries", "/ledger", "/ledger?channel=%3Cscript%3E", "/oncall", "/mutes", "/mutes?match=%22%3E%3Cscript%3E", "/cases?state=%3Cscript%3E", "/cases?done=%3Cscript%3E", "/?range=%3Cscript%3E"} {
		for _, lang := range message.Languages() {
			res, text := b.get(t, path, "Accept-Language", lang)
			for _, bad := range []string{"<script>", "<img", `="javascript:`, `="data:text`, `="https://user:pass`, "\u202e", "\x00", "ZgotmplZ", "webhook.page.", "webhook.what.", "webhook.link."} {
				if strings.Contains(text, bad) {
					t.Errorf("%s in %s holds %q", path, lang, bad)
				}
			}
			for _, m := range tag.FindAllStringSubmatch(text, -1) {
				if strings.Contains(quoted.ReplaceAllString(m[2], ""), " on") {
					t.Errorf("%s: %s has a handler: %s", path, m[1], m[0])
				}
			}
			if csp := res.Header.Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") {
				t.Errorf("%s: Content-Security-Policy is %q", path, csp)
			}
			if want := fmt.Sprintf(`<html lang="%s">`, lang); !strings.Contains(text, want) {
				t.Errorf("%s has no %s", path, want)
			}
		}
	}
	if _, text := b.get(t, "/cases/C1"); !strings.Contains(text, "https://good.example/?a=1&amp;b=%22") || !strings.Contains(text, `<bdi>db-1</bdi>`) || !strings.Contains(text, "api/v1/deliveries/D1") {
		t.Error("the case page lacks the good link, a label or the raw delivery")
	}
}

func TestRawDelivery(t *testing.T) {
	t.Parallel()
	b := start(t, settings())
	res, text := b.get(t, "/api/v1/deliveries/D1")
	if text != `{"x":"<script>alert(1)</script>"}` || res.Header.Get("Content-Type") != "text/plain; charset=utf-8" || res.Header.Get("X-Content-Type-Options") != "nosniff" ||
		!strings.Contains(res.Header.Get("Content-Security-Policy"), "sandbox") || res.Header.Get("X-Foreshock-Cut") != "true" {
		t.Errorf("%q %v", text, res.Header)
	}
	if res, _ := b.get(t, "/api/v1/deliveries/none"); res.StatusCode != 404 {
		t.Errorf("an unknown one: %d", res.StatusCode)
	}
}

// Every state, event, outcome and command has a text; a new one without would show its key.
func TestEverythingHasAText(t *testing.T) {
	t.Parallel()
	var keys []string
	for _, s := range cases.States() {
		keys = append(keys, "state."+string(s))
	}
	for _, s := range cases.ActionStates() {
		keys = append(keys, "action."+string(s))
	}
	for _, o := range []cases.Outcome{cases.OutcomeSent, cases.OutcomeCancelled, cases.OutcomeObsolete, cases.OutcomeRejected, cases.OutcomeExpired} {
		keys = append(keys, "outcome."+string(o))
	}
	for _, k := range []cases.EventKind{
		cases.Opened, cases.Fired, cases.AlertEnded, cases.Believed, cases.Graded, cases.StateChanged, cases.Planned, cases.Sent, cases.SendFailed,
		cases.SendUnknown, cases.GaveUp, cases.Cancelled, cases.Noted, cases.Assigned, cases.Escalated, cases.SLAWarned, cases.SLABreached, cases.Overridden,
		cases.Muted, cases.MuteGiven, cases.MuteEnded,
	} {
		keys = append(keys, "event."+string(k))
	}
	for _, c := range Commands() {
		keys = append(keys, "command."+string(c))
	}
	for _, k := range keys {
		if !message.Has("webhook.page." + k) {
			t.Errorf("no text for %s", k)
		}
	}
}

func TestLanguage(t *testing.T) {
	t.Parallel()
	b := start(t, settings())
	for _, tt := range []struct{ path, accept, cookie, want string }{
		{"/", "", "", "en"},
		{"/", "zh-CN,zh;q=0.9", "", "zh-Hans"},
		{"/", "zh-CN", "en", "en"},
		{"/?lang=zh-Hans", "en", "en", "zh-Hans"},
		{"/", "", "klingon", "en"},
	} {
		var header []string
		if tt.accept != "" {
			header = append(header, "Accept-Language", tt.accept)
		}
		if tt.cookie != "" {
			header = append(header, "Cookie", langCookie+"="+tt.cookie)
		}
		res, text := b.get(t, tt.path, header...)
		if !strings.Contains(text, fmt.Sprintf(`<html lang="%s">`, tt.want)) || res.Header.Get("Content-Language") != tt.want {
			t.Errorf("%+v: %s", tt, res.Header.Get("Content-Language"))
		}
		set := ""
		for _, line := range res.Header.Values("Set-Cookie") {
			if strings.HasPrefix(line, langCookie+"=") {
				set = line
			}
		}
		if (set != "") != strings.Contains(tt.path, "lang=") || (set != "" && !strings.Contains(set, "HttpOnly; SameSite=Lax")) {
			t.Errorf("%+v: Set-Cookie %q", tt, set)
		}
	}
}

// Another site's page cannot make a browser change anything.
func TestCrossSiteCommandsAreRefused(t *testing.T) {
	t.Parallel()
	b := start(t, settings())
	b.stories["C1"] = hostile()
	form := func() io.Reader { return strings.NewReader("by=eve") }
	for _, header := range [][]string{{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Origin", "https://evil.example"}, {"Origin", "null"}} {
		for _, path := range []string{"/cases/C1/acknowledge", "/api/v1/cases/C1/acknowledge", "/api/v1/alerts"} {
			if code, text := b.post(t, path, form(), append(header, "Content-Type", "application/x-www-form-urlencoded")...); code != 403 {
				t.Errorf("%v %s: %d %s", header, path, code, text)
			}
		}
	}
	if len(b.commits)+len(b.deliveries) != 0 {
		t.Error("something was changed")
	}
	if code, text := b.post(t, "/api/v1/cases/C1/acknowledge", form(), "Sec-Fetch-Site", "same-origin", "Content-Type", "application/x-www-form-urlencoded"); code != 200 {
		t.Errorf("our own page: %d %s", code, text)
	}
}

// A command of a process whose clock is behind is told after what was told before.
func TestCommandAfterLastChange(t *testing.T) {
	t.Parallel()
	b := start(t, settings())
	s := hostile()
	s.Case.UpdatedAt = clock.Add(time.Hour)
	b.stories["C1"] = s
	if code, text := b.post(t, "/api/v1/cases/C1/resolve", strings.NewReader("{}"), "Content-Type", "application/json"); code != 200 {
		t.Fatal(code, text)
	}
	ch := b.commits[0]
	if a := ch.Actions[0]; !a.Planned.After(s.Case.UpdatedAt) || !a.Due.Equal(clock) || !ch.Cases[0].UpdatedAt.Equal(a.Planned) {
		t.Errorf("planned %s, due %s, the case changed %s", a.Planned, a.Due, ch.Cases[0].UpdatedAt)
	}
}

func TestCommands(t *testing.T) {
	t.Parallel()
	b := start(t, settings())
	b.stories["C1"] = hostile()
	steps := []struct {
		command cases.Trigger
		want    cases.State
		actions []string
	}{
		{cases.Acknowledge, cases.Triage, []string{"C1/1/expire/1795176000000000", "C1/1/acknowledged/3/ops"}},
		{cases.Release, cases.New, []string{"C1/1/escalate/4/0.0"}},
		{cases.Start, cases.InProgress, []string{"C1/1/expire/1795176000000000", "C1/1/acknowledged/3/ops"}},
		{cases.Wait, cases.Pending, nil},
		{cases.Resolve, cases.Resolved, []string{"C1/1/resolved/ops", "C1/1/close"}},
		{cases.Reopen, cases.New, []string{"C1/2/escalate/4/0.0", "C1/2/sla/1795179600000000/1795178700000000"}},
		{cases.Resolve, cases.Resolved, []string{"C1/2/resolved/ops", "C1/2/close"}},
		{cases.Close, cases.Closed, nil},
	}
	for i, step := range steps {
		code, text := b.post(t, "/api/v1/cases/C1/"+string(step.command), strings.NewReader(`{"by": "ann\u202e", "note": " so\r\nit is "}`), "Content-Type", "application/json")
		var c cases.Case
		if err := json.Unmarshal([]byte(text), &c); err != nil || code != 200 || c.State != step.want {
			t.Fatalf("%s: %d %s", step.command, code, text)
		}
		ch := b.commits[i]
		var keys []string
		for _, a := range ch.Actions {
			keys = append(keys, a.Key)
		}
		if d := cmp.Diff(step.actions, keys); d != "" {
			t.Errorf("%s: actions %s", step.command, d)
		}
		e := ch.Events[0]
		if e.Actor != `ann\u202e` || e.Note != "so\nit is" || e.Origin != "127.0.0.1" || e.To != string(step.want) || e.Kind != cases.StateChanged {
			t.Errorf("%s: event %+v", step.command, e)
		}
		if step.command == cases.Acknowledge && (c.AckedBy != `ann\u202e` || !c.AckedAt.Equal(clock)) || step.command == cases.Release && c.AckedBy != "" {
			t.Errorf("%s: acknowledged by %q", step.command, c.AckedBy)
		}
	}
	var n cases.Notice
	if err := json.Unmarshal(b.commits[4].Actions[0].Payload, &n); err != nil || n.What != cases.WhatResolved || n.Note != "ann\\u202e: so\nit is" || len(n.Alerts) != 1 {
		t.Errorf("notice %+v, %v", n, err)
	}
	for _, tt := range []struct {
		path, kind, body string
		code             int
		want             string
	}{
		{"/api/v1/cases/C1/acknowledge", "", "", 409, "a case that is closed does not take the command acknowledge: want one of reopen, note"},
		{"/api/v1/cases/none/acknowledge", "", "", 404, "there is nothing of that ID"},
		{"/api/v1/cases/C1/explode", "", "", 404, `unknown command "explode": want one of acknowledge, start, wait, release, resolve, close, reopen, take, assign, note`},
		{"/api/v1/cases/C1/expire", "", "", 404, `unknown command "expire"`},
		{"/api/v1/cases/C1/reopen", "application/json", `{"who": "x"}`, 400, "want a JSON object like"},
		{"/api/v1/cases/C1/reopen", "text/xml", "<x/>", 400, `Content-Type "text/xml": want application/json or application/x-www-form-urlencoded`},
		{"/api/v1/cases/C1/reopen", "application/json", `{"note": "` + strings.Repeat("x", 70<<10) + `"}`, 400, "want a JSON object like"},
	} {
		code, text := b.post(t, tt.path, strings.NewReader(tt.body), "Content-Type", tt.kind)
		var answer struct{ Error string }
		if err := json.Unmarshal([]byte(text), &answer); err != nil || code != tt.code || !strings.HasPrefix(answer.Error, tt.want) {
			t.Errorf("%s: %d %s, want %d %s", tt.path, code, text, tt.code, tt.want)
		}
	}
}

// Alerts that change a case meanwhile only make the command be decided again; who authenticated is who did it.
func TestCommandRaces(t *testing.T) {
	t.Parallel()
	b := start(t, settings())
	b.stories["C1"] = hostile()
	b.conflicts = races - 1
	token, cookie := b.token(t)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, b.url+"/cases/C1/acknowledge", strings.NewReader("by=mallory&note=&token="+token))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Cookie", cookie)
	req.SetBasicAuth("ann", "pw")
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusSeeOther || res.Header.Get("Location") != "../C1" {
		t.Errorf("got %d to %q", res.StatusCode, res.Header.Get("Location"))
	}
	if len(b.commits) != 1 || b.commits[0].Events[0].Actor != "ann" {
		t.Errorf("commits: %+v", b.commits)
	}
	b.conflicts = races
	if code, _ := b.post(t, "/api/v1/cases/C1/resolve", nil); code != http.StatusConflict {
		t.Errorf("a command that never wins: %d", code)
	}
}

func TestQueries(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		query string
		want  cases.Query
		err   string
	}{
		{"", cases.Query{States: cases.OpenStates(), Limit: 100}, ""},
		{"state=all&limit=5&before=X&cluster=eu&q=disk", cases.Query{Limit: 5, Before: "X", Cluster: "eu", Text: "disk"}, ""},
		{"state=resolved,closed&grade=P0,p3", cases.Query{States: []cases.State{cases.Resolved, cases.Closed}, Grades: []policy.Grade{policy.P0, policy.P3}, Limit: 100}, ""},
		{"state=all&since=1795175430&until=2026-11-20T13:00:00%2B01:00", cases.Query{Since: time.Unix(1795175430, 0).UTC(), Until: clock, Limit: 100}, ""},
		{"limit=0", cases.Query{}, `limit "0": want 1 to 1000`},
		{"limit=x", cases.Query{}, `limit "x": want 1 to 1000`},
		{"state=dead", cases.Query{}, `state "dead": want open, all, or some of [new triage in_progress pending resolved closed] separated by commas`},
		{"grade=P9", cases.Query{}, `grade "P9": want some of P0, P1, P2, P3 separated by commas`},
		{"since=yesterday", cases.Query{}, `since "yesterday": want RFC 3339 or unix seconds`},
	} {
		r, err := http.NewRequest(http.MethodGet, "/?"+tt.query, nil)
		if err != nil {
			t.Fatal(err)
		}
		got, err := readQuery(r)
		if tt.err != "" {
			if err == nil || err.Error() != tt.err {
				t.Errorf("%s: %v, want %s", tt.query, err, tt.err)
			}
			continue
		}
		if d := cmp.Diff(tt.want, got); d != "" || err != nil {
			t.Errorf("%s: %v %s", tt.query, err, d)
		}
	}
}

func TestJSON(t *testing.T) {
	t.Parallel()
	b := start(t, settings())
	if _, text := b.get(t, "/api/v1/cases"); text != `{"cases":[]}`+"\n" {
		t.Errorf("no cases: %s", text)
	}
	b.stories["C1"] = hostile()
	var story map[string]any
	if _, text := b.get(t, "/api/v1/cases/C1"); json.Unmarshal([]byte(text), &story) != nil || !slices.Equal(keysOf(story), []string{"actions", "alerts", "attempts", "case", "commands", "events"}) {
		t.Errorf("a case: %s", text)
	}
	var counts map[string]any
	if _, text := b.get(t, "/api/v1/counts"); json.Unmarshal([]byte(text), &counts) != nil || counts["openGrades"].(map[string]any)["P1"] != 2.0 {
		t.Errorf("counts: %s", text)
	}
	b.err = fmt.Errorf("no such table: /secret")
	for _, path := range []string{"/api/v1/cases", "/api/v1/counts", "/api/v1/deliveries", "/api/v1/statistics", "/", "/cases", "/deliveries"} {
		if res, text := b.get(t, path); res.StatusCode != 503 || strings.Contains(text, "/secret") {
			t.Errorf("%s with a broken store: %d %s", path, res.StatusCode, text)
		}
	}
}

func keysOf(m map[string]any) []string {
	var keys []string
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

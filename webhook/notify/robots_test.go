package notify

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/foreshock/foreshock/pkg/registry"
	"github.com/foreshock/foreshock/webhook/alert"
	"github.com/foreshock/foreshock/webhook/cases"
	"github.com/foreshock/foreshock/webhook/policy"
)

// robot is a channel with the fake that it talks to.
type robot struct {
	kind     string
	rules    robotRules
	settings func(url string) map[string]any
	// own are the control sequences that we write ourselves within what the service parses.
	own *regexp.Regexp
	// acts finds what the service would act on.
	acts *regexp.Regexp
	tire string // answer when it is too fast, in the body of the first answer
}

var ourLink = `\[[^\]\[<>@*]*\]\(https?://[^\s()\[\]<>]*\)`

var robots = []robot{
	{
		"dingtalk", dingTalkRules,
		func(u string) map[string]any {
			return map[string]any{"webhook_url": u + "/robot/send?access_token=good", "secret": dingSecret}
		},
		regexp.MustCompile(`^(` + ourLink + `|\*\*[^*]*\*\*|### )$`), regexp.MustCompile("!?" + ourLink + "|!?\\[[^\\]]*\\]\\([^)]*\\)|\\*\\*[^*]*\\*\\*|#+ |[<>`@*\\[\\]\\\\]"), "",
	},
	{
		"wecom", weComRules,
		func(u string) map[string]any {
			return map[string]any{"webhook_url": u + "/cgi-bin/webhook/send?key=good"}
		},
		regexp.MustCompile(`^(` + ourLink + `|\*\*[^*]*\*\*|### )$`), regexp.MustCompile("!?" + ourLink + "|!?\\[[^\\]]*\\]\\([^)]*\\)|\\*\\*[^*]*\\*\\*|#+ |[<>`@*\\[\\]\\\\]"), "",
	},
	{
		"feishu", feishuRules,
		func(u string) map[string]any {
			return map[string]any{"webhook_url": u + "/open-apis/bot/v2/hook/good", "secret": feishuSecret}
		},
		regexp.MustCompile(`^$`), regexp.MustCompile(`.+`), "",
	},
	{
		"telegram", telegramRules,
		func(u string) map[string]any {
			return map[string]any{"token": telegramBot, "chat_id": "-100500", "api_url": u}
		},
		regexp.MustCompile(`^</?(b|i|blockquote)>$`), regexp.MustCompile(`<[^>]*>?|@\w+`), "",
	},
}

func (r robot) open(t *testing.T, f *fakeRobot, more map[string]any) Channel {
	t.Helper()
	settings := r.settings(f.URL)
	for k, v := range more {
		settings[k] = v
	}
	c, err := Open(r.kind, registry.FromMap(settings), Env{
		ExternalURL: external, Now: f.now,
		Act: func(c cases.Case, command string) string { return external + "act/" + command + "?t=abc" },
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// Quotes at the beginning of a line are our own markup of Markdown.
func withoutQuotes(text string) string {
	lines := strings.Split(text, "\n")
	for i, l := range lines {
		lines[i] = strings.TrimPrefix(l, "> ")
	}
	return strings.Join(lines, "\n")
}

func TestRobotsHostileAlerts(t *testing.T) {
	t.Parallel()
	clock := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	for _, r := range robots {
		for name, edit := range hostile {
			t.Run(r.kind+"/"+name, func(t *testing.T) {
				t.Parallel()
				f := newFakeRobot(t, r.rules)
				f.now = func() time.Time { return clock }
				c := r.open(t, f, nil)
				if o := c.Send(t.Context(), sample(edit)); o.Status != StatusSent {
					t.Fatalf("got %+v", o)
				}
				for _, s := range r.acts.FindAllString(withoutQuotes(f.texts[0]), -1) {
					if !r.own.MatchString(s) {
						t.Errorf("%s would act on %q in\n%s", r.kind, s, f.texts[0])
					}
				}
				if strings.ContainsAny(f.bodies[0], "\u202e\u200b\x1b") {
					t.Error("hidden characters are sent")
				}
				golden(t, filepath.Join("testdata", r.kind, name+".json"), strings.ReplaceAll(f.bodies[0], f.URL, "http://fake"))
			})
		}
	}
}

// Whatever the size, the message fits, its cut is marked, and what was left off is counted or the case is linked.
func TestRobotsFit(t *testing.T) {
	t.Parallel()
	for _, r := range robots {
		for name, fill := range map[string]string{"amp": "&", "lt": "<", "han": "磁", "emoji": "🔥", "quote": "\"", "control": "\x01", "invalid": "\xff", "line": "a\n"} {
			for _, lang := range []string{"en", "zh-Hans"} {
				if lang != "en" && name != "han" {
					continue
				}
				for _, format := range []string{"", "card"} {
					if format != "" && r.kind != "dingtalk" && r.kind != "wecom" {
						continue
					}
					t.Run(r.kind+"/"+name+lang+format, func(t *testing.T) {
						t.Parallel()
						f := newFakeRobot(t, r.rules)
						f.limit = 0
						more := map[string]any{"lang": lang}
						if format != "" {
							more["format"] = format
						}
						c := r.open(t, f, more)
						if o := c.Send(t.Context(), sample(huge(fill))); o.Status != StatusSent {
							t.Fatalf("got %+v", o)
						}
						if o := c.Send(t.Context(), digestOf(300, fill)); o.Status != StatusSent {
							t.Fatalf("a digest: got %+v", o)
						}
						if !strings.Contains(f.bodies[0], "…") || !strings.Contains(f.bodies[0], "foreshock.example.com") {
							t.Error("the cut is not marked, or the case is not linked")
						}
						if !strings.Contains(f.bodies[1], "300") {
							t.Errorf("the digest does not say how many: %s", f.bodies[1])
						}
					})
				}
			}
		}
	}
}

func huge(fill string) func(*cases.Message) {
	long := strings.Repeat(fill, 5000)
	return func(m *cases.Message) {
		m.Notice.Case.Title, m.Notice.Case.GradeReason, m.Notice.Note = long, policy.Reason(long), long
		one := alert.Alert{Labels: alert.Labels{"alertname": long}, Annotations: alert.Labels{"summary": long, "description": long, "runbook_url": "https://a/" + long}, ValueString: long}
		for i := range 8 {
			one.Labels[fmt.Sprint("l", i)] = long
		}
		m.Notice.Alerts = nil
		for range cases.MaxNoticeAlerts {
			m.Notice.Alerts = append(m.Notice.Alerts, one)
		}
		m.Notice.More = 1000
	}
}

func digestOf(n int, fill string) cases.Message {
	m := sample(nil)
	for i := range n {
		one := m.Notice
		one.Case.ID = fmt.Sprintf("01JD%022d", i)
		one.Case.Title = fmt.Sprintf("case %d %s", i, strings.Repeat(fill, 300))
		one.Case.Grade = policy.Grade(i % 4)
		m.Batch = append(m.Batch, one)
	}
	m.Notice = m.Batch[0]
	return m
}

// What the service answers decides; 200 with a code is a failure.
func TestRobotsAnswers(t *testing.T) {
	t.Parallel()
	says := func(status int, body string) func(http.ResponseWriter) {
		return func(w http.ResponseWriter) { w.WriteHeader(status); fmt.Fprint(w, body) }
	}
	for _, tt := range []struct {
		kind   string
		answer func(http.ResponseWriter)
		want   Status
		after  time.Duration
	}{
		{"dingtalk", says(200, `{"errcode":130101,"errmsg":"send too fast"}`), StatusRetry, 10 * time.Minute},
		{"dingtalk", says(200, `{"errcode":-1,"errmsg":"busy"}`), StatusRetry, 0},
		{"dingtalk", says(200, `{"errcode":310000,"errmsg":"sign not match"}`), StatusPermanent, 0},
		{"dingtalk", says(200, `{"errmsg":"?"}`), StatusUnknown, 0},
		{"dingtalk", says(200, `<html>`), StatusUnknown, 0},
		{"dingtalk", says(502, `<html>`), StatusRetry, 0},
		{"wecom", says(200, `{"errcode":45009,"errmsg":"api freq out of limit"}`), StatusRetry, time.Minute},
		{"wecom", says(200, `{"errcode":93000,"errmsg":"invalid webhook url"}`), StatusPermanent, 0},
		{"feishu", says(200, `{"code":11232,"msg":"frequency limited"}`), StatusRetry, time.Minute},
		{"feishu", says(400, `{"code":9499,"msg":"Bad Request"}`), StatusPermanent, 0},
		{"feishu", says(200, `{"code":19021,"msg":"sign match fail"}`), StatusPermanent, 0},
		{"feishu", says(200, `{"StatusCode":0,"StatusMessage":"success"}`), StatusSent, 0},
		{"telegram", says(429, `{"ok":false,"error_code":429,"parameters":{"retry_after":31}}`), StatusRetry, 31 * time.Second},
		{"telegram", says(400, `{"ok":false,"error_code":400,"description":"Bad Request: chat not found"}`), StatusPermanent, 0},
		{"telegram", says(403, `{"ok":false,"error_code":403,"description":"Forbidden: bot was blocked by the user"}`), StatusPermanent, 0},
		{"telegram", says(200, `{"ok":false}`), StatusPermanent, 0},
		{"telegram", says(200, `oops`), StatusUnknown, 0},
	} {
		i := slices.IndexFunc(robots, func(r robot) bool { return r.kind == tt.kind })
		f := newFakeRobot(t, robots[i].rules)
		f.fail = append(f.fail, tt.answer)
		o := robots[i].open(t, f, nil).Send(t.Context(), sample(nil))
		if o.Status != tt.want || o.After != tt.after {
			t.Errorf("%s: got %+v, want %v after %v", tt.kind, o, tt.want, tt.after)
		}
		for _, secret := range []string{"access_token=good", "key=good", dingSecret, feishuSecret, telegramBot} {
			if strings.Contains(o.Reason+o.Receipt.Reply, secret) {
				t.Errorf("%s: the reason shows a secret: %s", tt.kind, o.Reason)
			}
		}
	}
}

// A wrong key is refused by the fakes: they would notice a wrong signature.
func TestRobotsSignatures(t *testing.T) {
	t.Parallel()
	for _, r := range robots[:3] {
		if r.kind == "wecom" {
			continue
		}
		f := newFakeRobot(t, r.rules)
		if o := r.open(t, f, map[string]any{"secret": "another-secret"}).Send(t.Context(), sample(nil)); o.Status != StatusPermanent {
			t.Errorf("%s takes a message under a wrong key: %+v", r.kind, o)
		}
		late := r.open(t, f, nil)
		f.now = func() time.Time { return time.Now().Add(2 * time.Hour) }
		if o := late.Send(t.Context(), sample(nil)); o.Status != StatusPermanent {
			t.Errorf("%s takes a message that is two hours old: %+v", r.kind, o)
		}
	}
	// printf '1577262236757\nthis is secret' | openssl dgst -sha256 -hmac 'this is secret' -binary | base64
	d := &DingTalk{RobotAddress: RobotAddress{WebhookURL: "https://x/robot/send?access_token=t"}, Secret: "this is secret"}
	if got := d.signed(time.UnixMilli(1577262236757)).Reveal(); !strings.Contains(got, "&sign=hmPWwU%2B7lVdm3ZZz0r9tSfx0L4Q26jWOZr9%2BGs6EZQM%3D&timestamp=1577262236757") {
		t.Errorf("DingTalk's signature is another: %s", got)
	}
	// printf '' | openssl dgst -sha256 -hmac "$(printf '1599360473\ndemo')" -binary | base64
	if got := feishuSign("1599360473", "demo"); got != "l1N0gAcBjdwBvGm1xMjOF0XSyaLRpR7tuO5dHfhAYc8=" {
		t.Errorf("Feishu's signature is another: %s", got)
	}
}

// A second message of a case answers the first one.
func TestTelegramThreads(t *testing.T) {
	t.Parallel()
	f := newFakeRobot(t, telegramRules)
	c := robots[3].open(t, f, nil)
	o := c.Send(t.Context(), sample(nil))
	if o.Receipt.Data["first"] != "42" {
		t.Fatalf("got %+v", o)
	}
	c.Send(t.Context(), sample(func(m *cases.Message) { m.Previous, m.Notice.What = o.Receipt, cases.WhatResolved }))
	if !strings.Contains(f.bodies[1], `"reply_parameters":{"message_id":42,"allow_sending_without_reply":true}`) || !strings.Contains(f.bodies[1], `"disable_notification":true`) {
		t.Errorf("got %s", f.bodies[1])
	}
}

func TestRobotSettings(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		kind     string
		settings map[string]any
		want     string
	}{
		{"dingtalk", nil, `channel dingtalk: parameter "webhook_url" is missing: want it, or "webhook_url_file" with the path of a file that holds it`},
		{"dingtalk", map[string]any{"webhook_url": "https://x/s3cr3t"}, `channel dingtalk: parameter "webhook_url": has no access_token: want the whole address that DingTalk shows for the robot`},
		{"wecom", nil, `channel wecom: parameter "webhook_url" is missing: want it, or "webhook_url_file" with the path of a file that holds it`},
		{"wecom", map[string]any{"webhook_url": "https://x/s3cr3t"}, `channel wecom: parameter "webhook_url": has no key: want the whole address that WeCom shows for the robot`},
		{"feishu", nil, `channel feishu: parameter "webhook_url" is missing: want it, or "webhook_url_file" with the path of a file that holds it`},
		{"feishu", map[string]any{"webhook_url": "s3cr3t"}, `channel feishu: parameter "webhook_url": want an address like https://host/path`},
		{"telegram", map[string]any{"chat_id": "1"}, `channel telegram: parameter "token" is missing: want it, or "token_file" with the path of a file that holds it`},
		{"telegram", map[string]any{"chat_id": "1", "token": "s3cr3t"}, `channel telegram: parameter "token": want a bot token, like 123456:ABC…`},
		{"telegram", map[string]any{"chat_id": "ops", "token": telegramBot}, `channel telegram: parameter "chat_id": want the number of a chat such as -1001234567890, or the @name of a channel`},
		{"pagerduty", nil, `channel pagerduty: parameter "routing_key" is missing: want it, or "routing_key_file" with the path of a file that holds it`},
		{"pagerduty", map[string]any{"routing_key": "s3cr3t"}, `channel pagerduty: parameter "routing_key": want the 32 letters and digits of an Events API v2 integration key`},
		{"email", nil, `channel email: parameter "smarthost" is missing: want host:port of a mail server, such as smtp.example.com:587`},
		{"email", map[string]any{"smarthost": "x:25", "from": "a@b", "to": []any{"c@d"}, "username": "u"}, `channel email: parameter "password" is missing: want it, or "password_file" with the path of a file that holds it`},
		{"email", map[string]any{"smarthost": "x:25", "from": "a@b", "to": []any{"c@d"}, "username": "u", "password": "s3cr3t", "tls": "none"}, `channel email: parameter "tls": got "none", want starttls or implicit: a password is never sent unencrypted`},
		{"email", map[string]any{"smarthost": "x", "from": "a@b", "to": []any{"c@d"}}, `channel email: parameter "smarthost": got "x", want host:port`},
		{"email", map[string]any{"smarthost": "x:25", "from": "a@b", "to": []any{"nobody"}}, `channel email: parameter "to": got "nobody", want an address such as ops@example.com`},
	} {
		_, err := Open(tt.kind, registry.FromMap(tt.settings), Env{})
		if err == nil || err.Error() != tt.want {
			t.Errorf("got  %v\nwant %s", err, tt.want)
		}
		if err != nil && strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("the error shows a secret: %v", err)
		}
	}
}

// fakePagerDuty holds events against the documentation of the Events API v2.
func fakePagerDuty(t *testing.T, key string) (*httptest.Server, *[]map[string]any) {
	t.Helper()
	var got []map[string]any
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var e map[string]any
		body := http.MaxBytesReader(w, r.Body, 512<<10)
		if err := json.NewDecoder(body).Decode(&e); err != nil {
			w.WriteHeader(http.StatusRequestEntityTooLarge)
			return
		}
		bad := func(why string) {
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprintf(w, `{"status":"invalid event","message":"Event object is invalid","errors":[%q]}`, why)
		}
		p, _ := e["payload"].(map[string]any)
		dedup, _ := e["dedup_key"].(string)
		switch {
		case e["routing_key"] != key:
			bad("Invalid routing key")
		case dedup == "" || len(dedup) > 255:
			bad("dedup_key")
		case e["event_action"] == "trigger" && (p == nil || p["summary"] == "" || p["source"] == "" || p["source"] == nil):
			bad("payload")
		case e["event_action"] == "trigger" && len([]rune(p["summary"].(string))) > 1024:
			bad("summary")
		case e["event_action"] == "trigger" && !slices.Contains([]any{"critical", "error", "warning", "info"}, p["severity"]):
			bad("severity")
		case !slices.Contains([]any{"trigger", "acknowledge", "resolve"}, e["event_action"]):
			bad("event_action")
		default:
			got = append(got, e)
			w.WriteHeader(http.StatusAccepted)
			fmt.Fprintf(w, `{"status":"success","message":"Event processed","dedup_key":%q}`, dedup)
		}
	}))
	t.Cleanup(s.Close)
	return s, &got
}

const pdKey = "0123456789abcdef0123456789abcdef"

func openPagerDuty(t *testing.T, url, key string) Channel {
	t.Helper()
	c, err := Open("pagerduty", registry.FromMap(map[string]any{"routing_key": key, "url": url}), Env{ExternalURL: external})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestPagerDutyLife(t *testing.T) {
	t.Parallel()
	s, got := fakePagerDuty(t, pdKey)
	c := openPagerDuty(t, s.URL, pdKey)
	for _, what := range []cases.What{cases.WhatOpened, cases.WhatAcknowledged, cases.WhatResolved} {
		if o := c.Send(t.Context(), sample(func(m *cases.Message) { m.Notice.What = what })); o.Status != StatusSent {
			t.Fatalf("%s: %+v", what, o)
		}
	}
	again := sample(func(m *cases.Message) { m.Notice.What, m.Notice.Case.Epoch = cases.WhatReopened, 2 })
	if o := c.Send(t.Context(), again); o.Status != StatusSent {
		t.Fatalf("%+v", o)
	}
	for _, what := range []cases.What{cases.WhatRegraded, cases.WhatMerged} { // the case ends as a part of another one, and so does its incident
		if o := c.Send(t.Context(), sample(func(m *cases.Message) { m.Notice.What, m.Notice.Case.Epoch = what, 2 })); o.Status != StatusSent {
			t.Fatalf("%s: %+v", what, o)
		}
	}
	var acts, keys []string
	for _, e := range *got {
		acts, keys = append(acts, e["event_action"].(string)), append(keys, e["dedup_key"].(string))
	}
	if !slices.Equal(acts, []string{"trigger", "acknowledge", "resolve", "trigger", "trigger", "resolve"}) {
		t.Errorf("got %v", acts)
	}
	if keys[0] != keys[1] || keys[1] != keys[2] || keys[2] == keys[3] || keys[3] != keys[5] {
		t.Errorf("keys of one opening differ, or those of two are the same: %v", keys)
	}
	if id, epoch, ok := CaseOfKey(keys[3]); !ok || id != again.Notice.Case.ID || epoch != 2 {
		t.Errorf("the key does not lead back: %s %d %v", id, epoch, ok)
	}
	for _, foreign := range []string{"", "x", "foreshock/", "foreshock/x/", "foreshock/x/1y", "other/x/1"} {
		if _, _, ok := CaseOfKey(foreign); ok {
			t.Errorf("%q is taken for one of ours", foreign)
		}
	}
}

func TestPagerDutyLimits(t *testing.T) {
	t.Parallel()
	s, got := fakePagerDuty(t, pdKey)
	c := openPagerDuty(t, s.URL, pdKey)
	for _, fill := range []string{"x", "磁", "\"", "\x01"} {
		if o := c.Send(t.Context(), sample(huge(fill))); o.Status != StatusSent {
			t.Errorf("%q: %+v", fill, o)
		}
	}
	if len(*got) != 4 {
		t.Errorf("%d events arrived", len(*got))
	}
	if o := openPagerDuty(t, s.URL, strings.Repeat("f", 32)).Send(t.Context(), sample(nil)); o.Status != StatusPermanent || strings.Contains(o.Reason, strings.Repeat("f", 32)) {
		t.Errorf("a wrong key: %+v", o)
	}
	for name, edit := range hostile {
		if o := c.Send(t.Context(), sample(edit)); o.Status != StatusSent {
			t.Errorf("%s: %+v", name, o)
		}
		raw, _ := json.Marshal((*got)[len(*got)-1])
		golden(t, filepath.Join("testdata", "pagerduty", name+".json"), strings.ReplaceAll(string(raw), pdKey, "KEY"))
	}
	if k := DedupKey(strings.Repeat("x", 400), 1); len(k) > 255 {
		t.Errorf("a key of %d characters", len(k))
	}
}

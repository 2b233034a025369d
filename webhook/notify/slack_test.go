package notify

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/foreshock/foreshock/pkg/registry"
	"github.com/foreshock/foreshock/webhook/alert"
	"github.com/foreshock/foreshock/webhook/cases"
	"github.com/foreshock/foreshock/webhook/policy"
)

var update = flag.Bool("update", false, "rewrite the golden files")

const external = "https://foreshock.example.com/alerts/"

// message returns a message about a case with one alert.
func sample(edit func(*cases.Message)) cases.Message {
	began := time.Date(2026, 11, 20, 11, 50, 30, 0, time.UTC)
	a := alert.Alert{
		Status: alert.Firing, Fingerprint: "81127dfd6016ddf3", StartsAt: began,
		Labels:       alert.Labels{"alertname": "HighLatency", "service": "checkout", "severity": "error"},
		Annotations:  alert.Labels{"summary": "p99 of checkout is 812 ms", "runbook_url": "https://wiki.example.com/latency?team=a&x=1"},
		GeneratorURL: "http://prometheus.example.com:9090/graph?g0.expr=x",
	}
	m := cases.Message{
		Key: "01JD/1/opened/slack", Attempt: 1, Channel: "ops",
		Notice: cases.Notice{
			What: cases.WhatOpened, At: began.Add(time.Minute), Alerts: []alert.Alert{a},
			Case: cases.Case{
				ID: "01JD0000000000000000000001", Title: "HighLatency checkout", Grade: policy.P1, GradeReason: `severity="error"`,
				State: cases.New, Epoch: 1, Firing: 1, Total: 1, StartedAt: began, Labels: a.Labels,
			},
		},
	}
	if edit != nil {
		edit(&m)
	}
	return m
}

func openSlack(t *testing.T, settings map[string]any) *Slack {
	t.Helper()
	c, err := Open("slack", registry.FromMap(settings), Env{ExternalURL: external})
	if err != nil {
		t.Fatal(err)
	}
	return c.(*Slack)
}

func hook(f *fakeSlack) map[string]any {
	return map[string]any{"webhook_url": f.URL + "/services/T0/B0/good"}
}

func bot(f *fakeSlack) map[string]any {
	return map[string]any{"token": f.token, "channel": "C1", "api_url": f.URL + "/api/"}
}

// The corpus of hostile alerts. Whatever stands in labels and annotations, Slack must find nothing to act on but our own links and times.
var hostile = map[string]func(*cases.Message){
	"ordinary": nil,
	"mention": func(m *cases.Message) {
		m.Notice.Case.Title = "<!channel> <!here> <@U0123> <#C0123> @channel"
		m.Notice.Alerts[0].Labels["team"] = "<!subteam^S012>"
		m.Notice.Alerts[0].Annotations["summary"] = "<!everyone> look <@U0123|admin>"
		m.Notice.Case.GradeReason = "severity=\"<!channel>\""
	},
	"link": func(m *cases.Message) {
		m.Notice.Alerts[0].Annotations["summary"] = "see <https://evil.example|our runbook> or https://evil.example"
		m.Notice.Alerts[0].Annotations["runbook_url"] = "https://evil.example/x|Runbook>\n<!channel>"
		m.Notice.Alerts[0].GeneratorURL = "javascript:alert(1)"
		m.Notice.Alerts[0].DashboardURL = "https://user:pass@evil.example/"
		m.Notice.Alerts[0].PanelURL = "https://evil.example/a>b<c|d e\"f`g?x=1&y=<!here>"
	},
	"markup": func(m *cases.Message) {
		m.Notice.Case.Title = "*bold* _it_ ~no~ `code` ```block``` > quote"
		m.Notice.Case.GradeReason = "rule 1: x=\"` *bold* `\""
		m.Notice.Alerts[0].Labels["alertname"] = "*P0* :fire: `x`"
	},
	"entities": func(m *cases.Message) {
		m.Notice.Case.Title = "a &lt;!channel&gt; & b &amp; c &#60;!here&#62;"
		m.Notice.Alerts[0].Annotations["summary"] = "&&&<<<>>>"
	},
	"hidden": func(m *cases.Message) {
		m.Notice.Case.Title = "re\u202egnp.exe\u200b \x1b[31mred \x00 \ufeff"
		m.Notice.Alerts[0].Labels["inst\u202eance"] = "a\nb\r\nc\td\u2028e"
		m.Notice.Alerts[0].Annotations["description"] = "line 1\nline 2\r\n\u202eline 3"
	},
	"chinese": func(m *cases.Message) {
		m.Notice.Case.Title = "磁盘空间不足 <主机>"
		m.Notice.Alerts[0].Annotations["summary"] = "主机 a 的磁盘使用率为 91 %"
	},
	"resolved": func(m *cases.Message) {
		m.Notice.What, m.Notice.Case.Firing, m.Interrupted = cases.WhatResolved, 0, true
		m.Notice.Alerts[0].Status = alert.Resolved
		m.Notice.Note = "Alertmanager could not be asked, so <the firing> was believed."
	},
	"template": func(m *cases.Message) {
		m.Notice.Case.Title = "{{ .Env.SECRET }} {title} {grade} ${HOME} %s"
		m.Notice.Alerts[0].Annotations["summary"] = "{{ range . }}"
	},
	"empty": func(m *cases.Message) {
		m.Notice.Case, m.Notice.Alerts = cases.Case{ID: "x"}, []alert.Alert{{}}
	},
}

// allowed are the control sequences that we write ourselves.
var allowed = regexp.MustCompile(`^<(!date\^\d+\^\{date_short_pretty\} \{time_secs\}\|[^<>|]*|https?://[^\s<>|"` + "`" + `]*\|(Open the case|Runbook|Dashboard|Panel|Source)[^<>|]*)>$`)

func TestSlackHostileAlerts(t *testing.T) {
	t.Parallel()
	for name, edit := range hostile {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFakeSlack(t)
			s := openSlack(t, hook(f))
			if o := s.Send(t.Context(), sample(edit)); o.Status != StatusSent {
				t.Fatalf("got %+v", o)
			}
			for _, c := range f.posts[0].specials() {
				if !allowed.MatchString(c) {
					t.Errorf("Slack would act on %q", c)
				}
			}
			golden(t, filepath.Join("testdata", "slack", name+".json"), f.posts[0].Raw)
		})
	}
}

func golden(t *testing.T, path, raw string) {
	t.Helper()
	var b bytes.Buffer
	if err := json.Indent(&b, []byte(raw), "", "  "); err != nil {
		t.Fatal(err)
	}
	b.WriteByte('\n')
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), b.String()); d != "" {
		t.Errorf("%s (-want +got):\n%s", path, d)
	}
}

// Whatever the size, the message fits, and what was left off is counted.
func TestSlackFits(t *testing.T) {
	t.Parallel()
	for name, fill := range map[string]string{"amp": "&", "han": "磁", "emoji": "🔥", "quote": "\"", "control": "\x01", "invalid": "\xff"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFakeSlack(t)
			s := openSlack(t, hook(f))
			long := strings.Repeat(fill, 8000)
			m := sample(func(m *cases.Message) {
				m.Notice.Case.Title, m.Notice.Case.GradeReason, m.Notice.Note = long, policy.Reason(long), long
				m.Notice.Case.ID = "x" + strings.Repeat("y", 500)
				one := alert.Alert{Labels: alert.Labels{"alertname": long}, Annotations: alert.Labels{"summary": long, "description": long, "message": "x", "runbook_url": "https://a/" + long}, ValueString: long}
				for i := range 8 {
					one.Labels[fmt.Sprint("l", i, long[:len(fill)*3000])] = long[:len(fill)*3000]
				}
				m.Notice.Alerts = nil
				for range cases.MaxNoticeAlerts {
					m.Notice.Alerts = append(m.Notice.Alerts, one)
				}
				m.Notice.More = 1000
			})
			if o := s.Send(t.Context(), m); o.Status != StatusSent {
				t.Fatalf("got %+v", o)
			}
			shown := strings.Count(f.posts[0].Raw, "●")
			if want := fmt.Sprintf("and %d more alerts", cases.MaxNoticeAlerts-shown+1000); !strings.Contains(f.posts[0].Raw, want) || shown == 0 {
				t.Errorf("%d alerts are shown, and %q is not said", shown, want)
			}
		})
	}
}

func TestSlackChinese(t *testing.T) {
	t.Parallel()
	f := newFakeSlack(t)
	settings := hook(f)
	settings["lang"] = "zh-Hans"
	if o := openSlack(t, settings).Send(t.Context(), sample(func(m *cases.Message) { m.Notice.What = cases.WhatResolved })); o.Status != StatusSent {
		t.Fatalf("got %+v", o)
	}
	for _, want := range []string{"[P1] 已恢复：HighLatency checkout", "打开事件", "触发中：1 / 1"} {
		if !strings.Contains(f.posts[0].Raw, want) {
			t.Errorf("no %q in %s", want, f.posts[0].Raw)
		}
	}
}

func TestSlackBotThreads(t *testing.T) {
	t.Parallel()
	f := newFakeSlack(t)
	s := openSlack(t, bot(f))
	s.pace.now = func() time.Time { return time.Time{} } // no pacing here
	first := s.Send(t.Context(), sample(nil))
	if first.Status != StatusSent || first.Receipt.ID != "C1/1700000000.000001" {
		t.Fatalf("got %+v", first)
	}
	s.pace.next = time.Time{}
	second := s.Send(t.Context(), sample(func(m *cases.Message) { m.Notice.What, m.Previous = cases.WhatResolved, first.Receipt }))
	s.pace.next = time.Time{}
	third := s.Send(t.Context(), sample(func(m *cases.Message) { m.Notice.What, m.Previous = cases.WhatReopened, second.Receipt }))
	if second.Status != StatusSent || third.Status != StatusSent {
		t.Fatalf("got %+v and %+v", second, third)
	}
	for i, want := range []string{"", "1700000000.000001", "1700000000.000001"} {
		if got := f.posts[i].ThreadTS; got != want {
			t.Errorf("message %d is in thread %q, want %q", i, got, want)
		}
	}
}

// A reply whose thread is gone is sent once more without it, and begins the next thread.
func TestSlackThreadGone(t *testing.T) {
	t.Parallel()
	f := newFakeSlack(t)
	s := openSlack(t, bot(f))
	refuse := func(code string) func(http.ResponseWriter) {
		return func(w http.ResponseWriter) { _, _ = w.Write([]byte(`{"ok":false,"error":"` + code + `"}`)) }
	}
	f.fail = append(f.fail, refuse("cannot_reply_to_message"))
	reply := sample(func(m *cases.Message) {
		m.Notice.What, m.Previous = cases.WhatResolved, cases.Receipt{Data: map[string]string{"thread": "gone"}}
	})
	o := s.Send(t.Context(), reply)
	if o.Status != StatusSent || f.tried != 2 || f.posts[0].ThreadTS != "" || o.Receipt.Data["thread"] != "1700000000.000001" {
		t.Errorf("got %+v after %d posts, in thread %q", o, f.tried, f.posts[0].ThreadTS)
	}
	f.fail = append(f.fail, refuse("invalid_auth"))
	if o := s.Send(t.Context(), reply); o.Status != StatusPermanent || f.tried != 3 {
		t.Errorf("what is not the thread's fault: %+v after %d posts", o, f.tried)
	}
}

func TestSlackFailures(t *testing.T) {
	t.Parallel()
	says := func(status int, body string, header ...string) func(http.ResponseWriter) {
		return func(w http.ResponseWriter) {
			for i := 0; i+1 < len(header); i += 2 {
				w.Header().Set(header[i], header[i+1])
			}
			w.WriteHeader(status)
			fmt.Fprint(w, body)
		}
	}
	for _, tt := range []struct {
		name   string
		bot    bool
		answer func(http.ResponseWriter)
		want   Status
		after  time.Duration
		reason string
	}{
		{"throttled", false, says(429, "rate_limited", "Retry-After", "30"), StatusRetry, 30 * time.Second, "429 Too Many Requests: rate_limited"},
		{"throttled bot", true, says(429, `{"ok":false,"error":"ratelimited"}`, "Retry-After", "30"), StatusRetry, 30 * time.Second, ""},
		{"throttled in the body", true, says(200, `{"ok":false,"error":"ratelimited"}`), StatusRetry, 0, "Slack answered ratelimited"},
		{"archived", true, says(200, `{"ok":false,"error":"is_archived"}`), StatusPermanent, 0, "Slack answered is_archived"},
		{"hostile code", true, says(200, `{"ok":false,"error":"a\nb\u202e"}`), StatusPermanent, 0, `Slack answered a b\u202e`},
		{"half done", true, says(200, `{"ok":false,"error":"fatal_error"}`), StatusUnknown, 0, "Slack answered fatal_error"},
		{"not JSON", true, says(200, `<html>`), StatusUnknown, 0, ""},
		{"archived hook", false, says(410, "channel_is_archived"), StatusPermanent, 0, "410 Gone: channel_is_archived"},
		{"down", false, says(503, ""), StatusRetry, 0, "503 Service Unavailable"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := newFakeSlack(t)
			f.fail = append(f.fail, tt.answer)
			settings := hook(f)
			if tt.bot {
				settings = bot(f)
			}
			o := openSlack(t, settings).Send(t.Context(), sample(nil))
			if o.Status != tt.want || o.After != tt.after || (tt.reason != "" && o.Reason != tt.reason) {
				t.Errorf("got %+v, want %v after %v: %s", o, tt.want, tt.after, tt.reason)
			}
			if strings.Contains(o.Reason, f.token) || strings.Contains(o.Reason, "/T0/B0") {
				t.Errorf("the reason shows a secret: %s", o.Reason)
			}
		})
	}
	f := newFakeSlack(t)
	o := openSlack(t, map[string]any{"token": "xoxb-wrong", "channel": "C1", "api_url": f.URL + "/api/"}).Send(t.Context(), sample(nil))
	if o.Status != StatusPermanent || o.Reason != "Slack answered invalid_auth" {
		t.Errorf("got %+v", o)
	}
}

// After a 429 nothing more is sent until the time that Slack asked for is over.
func TestSlackWaitsAsAsked(t *testing.T) {
	t.Parallel()
	f := newFakeSlack(t)
	f.fail = append(f.fail, func(w http.ResponseWriter) {
		w.Header().Set("Retry-After", "60")
		w.WriteHeader(429)
	})
	s := openSlack(t, hook(f))
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	s.pace.now = func() time.Time { return now }
	for i, want := range []time.Duration{60 * time.Second, 60 * time.Second, 60 * time.Second} {
		if o := s.Send(t.Context(), sample(nil)); o.Status != StatusRetry || o.After != want {
			t.Errorf("%d: got %+v, want a retry after %v", i, o, want)
		}
	}
	if f.tried != 1 {
		t.Errorf("%d requests were made while Slack asked for silence, want 1", f.tried)
	}
	now = now.Add(61 * time.Second)
	if o := s.Send(t.Context(), sample(nil)); o.Status != StatusSent {
		t.Errorf("got %+v", o)
	}
}

// Three at once go out a second apart, in real time, against a Slack that refuses anything faster.
func TestSlackOneMessageASecond(t *testing.T) {
	t.Parallel()
	f := newFakeSlack(t)
	f.interval = 900 * time.Millisecond // arrival may jitter
	s := openSlack(t, bot(f))
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			if o := s.Send(t.Context(), sample(nil)); o.Status != StatusSent {
				t.Errorf("got %+v", o)
			}
		})
	}
	wg.Wait()
	if len(f.posts) != 3 {
		t.Errorf("%d messages arrived, want 3", len(f.posts))
	}
}

func TestSlackSettings(t *testing.T) {
	t.Parallel()
	none := filepath.Join(t.TempDir(), "none")
	for _, tt := range []struct {
		settings map[string]any
		want     string
	}{
		{nil, `channel slack: credentials are missing: want "webhook_url" or "webhook_url_file" (incoming webhook), or "token" or "token_file" (bot) with "channel"`},
		{map[string]any{"token": "xoxb-s3cr3t"}, `channel slack: parameter "channel" is missing: a bot token needs the Slack channel to post to, like C0123456789`},
		{map[string]any{"token": "s3cr3t", "channel": "C1"}, `channel slack: parameter "token": want a bot token, which begins with xoxb-`},
		{map[string]any{"token": "xoxb-s3cr3t", "webhook_url": "https://s3cr3t"}, `channel slack: parameters "webhook_url" and "token" are both set: want an incoming webhook or a bot token`},
		{map[string]any{"webhook_url": "s3cr3t"}, `channel slack: parameter "webhook_url": want an address like https://host/path`},
		{map[string]any{"webhook_url": "https://s3cr3t", "channel": "#ops"}, `channel slack: parameter "channel": got "#ops", want none: an incoming webhook posts to the channel it was made for`},
		{map[string]any{"token_file": none, "channel": "C1"}, `channel slack: parameter "token_file": open ` + none + `: no such file or directory`},
		{map[string]any{"token": "xoxb-s3cr3t", "channel": "C1", "lang": "de"}, `channel slack: parameter "lang": got "de", want one of auto, en, zh-Hans`},
		{map[string]any{"tokn": "xoxb-s3cr3t"}, `channel slack: unknown parameter "tokn": want one of lang, title, text, per_minute, webhook_url, webhook_url_file, token, token_file, channel, api_url`},
	} {
		_, err := Open("slack", registry.FromMap(tt.settings), Env{})
		if err == nil || err.Error() != tt.want {
			t.Errorf("got  %v\nwant %s", err, tt.want)
		}
		if err != nil && strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("the error shows a secret: %v", err)
		}
	}
}

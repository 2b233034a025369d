package app

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/foreshock/foreshock/webhook/action"
	"github.com/foreshock/foreshock/webhook/cases"
	"github.com/foreshock/foreshock/webhook/policy"
)

// secretsConfig has every channel and every way in, each with a secret that is easily found again.
func secretsConfig(url string) string {
	return fmt.Sprintf(`store: {sqlite: w.db}
external_url: http://here.example/x
retry: {base: 20ms, max: 50ms, max_attempts: 3, max_age: 1h}
interactions:
  slack: {secret: s3cr3t-slack-signing, old_secret: s3cr3t-slack-old}
  pagerduty: {secret: s3cr3t-pd-webhook}
  links: {key: s3cr3t-links-aaaaaaaaaaaaaaaa}
routes: [{name: all, channels: [slackhook, slackbot, ding, wecom, feishu, telegram, pd, hook, mail]}]
channels:
  slackhook: {type: slack, webhook_url: '%[1]s/services/s3cr3t-1'}
  slackbot: {type: slack, token: xoxb-s3cr3t-2, channel: C1, api_url: '%[1]s/api/'}
  ding: {type: dingtalk, webhook_url: '%[1]s/robot/send?access_token=s3cr3t-3', secret: SECs3cr3t-4}
  wecom: {type: wecom, webhook_url: '%[1]s/send?key=s3cr3t-5'}
  feishu: {type: feishu, webhook_url: '%[1]s/hook/s3cr3t-6', secret: s3cr3t-7}
  telegram: {type: telegram, token: '123456:s3cr3t-8-aaaaaaaaaaaaaaaaa', chat_id: '-100', api_url: '%[1]s'}
  pd: {type: pagerduty, routing_key: s3cr3t90000000000000000000000009, url: '%[1]s/v2/enqueue'}
  hook: {type: webhook, url: '%[1]s/s3cr3t-10', secret: s3cr3t-11, bearer: s3cr3t-12}
  mail: {type: email, smarthost: '127.0.0.1:1', from: a@example.com, to: [b@example.com], username: u, password: s3cr3t-13}
`, url)
}

// Whatever goes wrong with any channel, no secret is in the log, the metrics, the API or the pages; not even when the other side sends it back.
func TestSecretsStaySecret(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	asked := 0
	echo := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		asked++
		status := []int{500, 403, 200, 302}[asked%4]
		mu.Unlock()
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("Location", r.URL.String())
		w.WriteHeader(status)
		fmt.Fprintf(w, `{"ok":false,"errcode":310000,"code":19021,"errmsg":%q,"msg":%q,"description":%q,"error":%q}`,
			r.URL.String(), r.Header.Get("Authorization"), r.URL.String(), body)
	}))
	defer echo.Close()
	h := open(t, t.TempDir(), secretsConfig(echo.URL), nil)
	h.deliver(alertJSON("firing", "Down", t0, none))
	deadline := time.Now().Add(30 * time.Second)
	var text string
	for ended := 0; ended < 9; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("only %d messages have ended: %s", ended, text)
		}
		_, text = h.get("/api/v1/ledger?limit=1000")
		var l struct{ Lines []cases.LedgerLine }
		if err := json.Unmarshal([]byte(text), &l); err != nil {
			t.Fatal(err)
		}
		over := map[string]bool{}
		for _, line := range l.Lines {
			if line.Result == string(cases.OutcomeRejected) || line.Result == string(cases.OutcomeExpired) || line.Result == string(cases.OutcomeSent) {
				over[line.Channel] = true
			}
		}
		ended = len(over)
	}
	for _, body := range []string{"payload=x", "{}"} {
		h.post("/interactions/slack", body)
		h.post("/interactions/pagerduty", body)
	}
	h.write(strings.Replace(secretsConfig(echo.URL), "type: wecom", "type: wecomm", 1))
	h.post("/-/reload", "")
	all := map[string]string{"the log": h.log.String(), "the ledger": text}
	_, list := h.get("/api/v1/cases")
	var found struct{ Cases []cases.Case }
	if err := json.Unmarshal([]byte(list), &found); err != nil || len(found.Cases) == 0 {
		t.Fatalf("%v: %s", err, list)
	}
	for _, path := range []string{
		"/metrics", "/api/v1/channels", "/api/v1/cases/" + found.Cases[0].ID, "/cases/" + found.Cases[0].ID, "/", "/cases", "/deliveries", "/api/v1/counts", "/api/v1/statistics",
	} {
		_, all[path] = h.get(path)
	}
	for where, text := range all {
		if i := strings.Index(text, "s3cr3t"); i >= 0 {
			t.Errorf("%s shows a secret: … %s …", where, text[max(0, i-150):min(len(text), i+60)])
		}
		if where != "/deliveries" && len(text) < 100 {
			t.Errorf("%s says nothing: %s", where, text)
		}
	}
}

// A channel that refuses a message for good: the next channel gets the message, and a case about the channel, which is over when it works again.
func TestDeadLetterAlerts(t *testing.T) {
	t.Parallel()
	bad, good := newReceiver(t), newReceiver(t)
	bad.answer.Store(http.StatusNotFound)
	h := open(t, t.TempDir(), fmt.Sprintf(`store: {sqlite: w.db}
retry: {base: 20ms, max: 50ms, max_attempts: 3, max_age: 1h}
noise: {hold: {p1: 0s}, similar: {enabled: false}, correlate: {enabled: false}}
routes: [{name: all, channels: [bad]}]
channels: {bad: {type: webhook, url: %q}, good: {type: webhook, url: %q}}
`, bad.URL, good.URL), func(o *Options) {
		o.Executor = func(a *action.Options) { a.Poll, a.Sweep = 50*time.Millisecond, 100*time.Millisecond }
	})
	h.deliver(alertJSON("firing", "Down", t0, none))
	got := map[string]string{}
	for len(got) < 2 {
		m := good.next(t)
		got[m.Case.Labels["alertname"]] = m.Note
		if m.Case.Labels["alertname"] == "ForeshockMessageGivenUp" && (m.Case.Labels["channel"] != "bad" || m.Case.Grade != policy.P1 || !strings.Contains(m.Case.Title, "404")) {
			t.Errorf("the case about the channel: %+v", m.Case)
		}
	}
	if !strings.Contains(got["Down"], "bad did not take it") {
		t.Errorf("the message says %q", got["Down"])
	}
	// Later ones are the same case.
	h.deliver(alertJSON("firing", "QueueFull", t1, none))
	if m := good.next(t); m.Case.Labels["alertname"] != "QueueFull" {
		t.Errorf("got %s", m.Case.Labels["alertname"])
	}
	bad.answer.Store(0)
	deadline := time.Now().Add(30 * time.Second)
	h.deliver(alertJSON("firing", "ClockWrong", t2, none))
	for _, text := h.get("/api/v1/cases?state=resolved"); !strings.Contains(text, "ForeshockMessageGivenUp"); _, text = h.get("/api/v1/cases?state=resolved") {
		if time.Now().After(deadline) {
			t.Fatalf("the case about the channel stays open: %s", text)
		}
		if err := h.settleOnce(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// From a message to an acknowledgement, over real HTTP: a robot's message has a link that asks, the form behind it acts once, the timeline says how; also
// after a restart, since the key is in the store; and a click in Slack does the same.
func TestActFromMessages(t *testing.T) {
	t.Parallel()
	texts := make(chan string, 100)
	robot := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		texts <- string(body)
		fmt.Fprint(w, `{"errcode":0,"errmsg":"ok"}`)
	}))
	defer robot.Close()
	dir := t.TempDir()
	config := fmt.Sprintf(`store: {sqlite: w.db}
external_url: http://here.example/x
interactions: {slack: {secret: signing-secret}}
channels: {ding: {type: dingtalk, webhook_url: '%s/robot/send?access_token=t'}}
`, robot.URL)
	h := open(t, dir, config, nil)
	h.deliver(alertJSON("firing", "Down", t0, none))
	var body string
	select {
	case body = <-texts:
	case <-time.After(30 * time.Second):
		t.Fatal("no message came")
	}
	link := regexp.MustCompile(`\(http://here\.example/x(/act/acknowledge\.[^)]+)\)`).FindStringSubmatch(body)
	if link == nil {
		t.Fatalf("the message has no link: %s", body)
	}
	if err := h.Stop(); err != nil {
		t.Fatal(err)
	}
	h = open(t, dir, config, nil)
	code, page := h.get(link[1])
	if code != http.StatusOK || !strings.Contains(page, "Down: it is bad") || !strings.Contains(page, "<form") {
		t.Fatalf("%d %s", code, page)
	}
	state := func() (cases.Case, string) {
		t.Helper()
		_, text := h.get("/api/v1/cases?state=new,triage,resolved")
		var l struct{ Cases []cases.Case }
		if err := json.Unmarshal([]byte(text), &l); err != nil || len(l.Cases) != 1 {
			t.Fatalf("%v: %s", err, text)
		}
		_, text = h.get("/api/v1/cases/" + l.Cases[0].ID)
		return l.Cases[0], text
	}
	if c, _ := state(); c.State != cases.New {
		t.Fatalf("looking at the page made the case %s", c.State)
	}
	res, err := http.PostForm(h.url+link[1], url.Values{"by": {"ann"}})
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	c, story := state()
	if res.StatusCode != http.StatusOK || c.State != cases.Triage || c.AckedBy != "ann" || !strings.Contains(story, `"via":"link"`) {
		t.Errorf("%d, %+v", res.StatusCode, c)
	}
	payload, err := json.Marshal(map[string]any{
		"type": "block_actions", "user": map[string]string{"id": "U1", "username": "bob"},
		"actions": []map[string]string{{"action_id": "foreshock:resolve", "value": fmt.Sprintf("%s/%d", c.ID, c.Epoch)}},
	})
	if err != nil {
		t.Fatal(err)
	}
	form, stamp := url.Values{"payload": {string(payload)}}.Encode(), fmt.Sprint(time.Now().Unix())
	m := hmac.New(sha256.New, []byte("signing-secret"))
	fmt.Fprintf(m, "v0:%s:%s", stamp, form)
	req, err := http.NewRequest(http.MethodPost, h.url+"/interactions/slack", strings.NewReader(form))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Slack-Request-Timestamp", stamp)
	req.Header.Set("X-Slack-Signature", "v0="+hex.EncodeToString(m.Sum(nil)))
	if res, err = http.DefaultClient.Do(req); err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if c, story := state(); res.StatusCode != http.StatusOK || c.State != cases.Resolved || !strings.Contains(story, `"via":"slack"`) {
		t.Errorf("%d, %+v", res.StatusCode, c)
	}
}

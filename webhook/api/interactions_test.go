package api

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/foreshock/foreshock/webhook/alert"
	"github.com/foreshock/foreshock/webhook/cases"
	"github.com/foreshock/foreshock/webhook/notify"
	"github.com/foreshock/foreshock/webhook/policy"
)

// mac is hexadecimal HMAC-SHA256, as both services write it.
func mac(key, text string) string {
	m := hmac.New(sha256.New, []byte(key))
	m.Write([]byte(text))
	return hex.EncodeToString(m.Sum(nil))
}

// outside starts an API with keys of other services and one new case.
func outside(t *testing.T, change func(*Settings)) *bench {
	t.Helper()
	s := settings()
	s.ExternalURL = "https://foreshock.example.com"
	s.Interactions = Interactions{
		Slack: [][]byte{[]byte("slack-new"), []byte("slack-old")}, PagerDuty: [][]byte{[]byte("pd-new"), []byte("pd-old")}, Dedup: notify.CaseOfKey,
		Link: LinkSigner{Key: []byte("0123456789abcdef"), Valid: time.Hour},
	}
	if change != nil {
		change(&s)
	}
	b := start(t, s)
	c := cases.Case{
		ID: "C1", Key: "k", Title: "Disk <full>", State: cases.New, Grade: policy.P1, Epoch: 2, Firing: 1, Total: 1, OpenedAt: clock.Add(-time.Hour), Version: 1,
		Labels: alert.Labels{"alertname": "DiskFull", "instance": "db-1", "bad name": "x"},
	}
	b.stories["C1"] = cases.Story{Case: c}
	return b
}

func (b *bench) state() cases.Case {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.stories["C1"].Case
}

func click(user string, actions ...string) string {
	type action struct {
		ActionID string `json:"action_id"`
		Value    string `json:"value"`
	}
	p := struct {
		Type    string            `json:"type"`
		User    map[string]string `json:"user"`
		Actions []action          `json:"actions"`
	}{Type: "block_actions", User: map[string]string{"id": "U1", "username": user}}
	for _, a := range actions {
		id, value, _ := strings.Cut(a, " ")
		p.Actions = append(p.Actions, action{id, value})
	}
	raw, _ := json.Marshal(p)
	return url.Values{"payload": {string(raw)}}.Encode()
}

// slackPost sends a click as Slack signs it.
func (b *bench) slackPost(t *testing.T, key, body string, at time.Time) int {
	t.Helper()
	stamp := fmt.Sprint(at.Unix())
	code, _ := b.post(t, "/interactions/slack", strings.NewReader(body), "Content-Type", "application/x-www-form-urlencoded",
		"X-Slack-Request-Timestamp", stamp, "X-Slack-Signature", "v0="+mac(key, "v0:"+stamp+":"+body))
	return code
}

func TestSlackClicks(t *testing.T) {
	t.Parallel()
	b := outside(t, nil)
	if code := b.slackPost(t, "slack-new", click("ann", "foreshock:acknowledge C1/2"), clock); code != http.StatusOK {
		t.Fatalf("got %d", code)
	}
	if c := b.state(); c.State != cases.Triage || c.AckedBy != "ann" {
		t.Errorf("got %+v", c)
	}
	if e := b.commits[0].Events[0]; e.Via != cases.ViaSlack || e.Actor != "ann" || !strings.Contains(e.Origin, "U1") {
		t.Errorf("the timeline says %+v", e)
	}
	for i, what := range []string{"assign", "useful", "mute", "resolve"} {
		if code := b.slackPost(t, "slack-old", click("bob", "foreshock:"+what+" C1/2"), clock.Add(time.Duration(i)*time.Second)); code != http.StatusOK {
			t.Errorf("%s: got %d", what, code)
		}
	}
	c := b.state()
	if c.Owner != "bob" || c.Useful != 1 || c.State != cases.Resolved {
		t.Errorf("got %+v", c)
	}
	m := b.commits[3].Mutes
	if len(m) != 1 || m[0].Owner != "bob" || !m[0].Ends.Equal(clock.Add(time.Hour)) || len(m[0].Match) != 2 || m[0].Match[1].String() != `instance="db-1"` || m[0].Validate() != nil {
		t.Errorf("the mute is %+v", m)
	}
}

// Whatever is not signed by a live secret within five minutes does nothing; what was carried out once is not carried out again.
func TestSlackForged(t *testing.T) {
	t.Parallel()
	b := outside(t, nil)
	good := click("ann", "foreshock:acknowledge C1/2")
	stamp := fmt.Sprint(clock.Unix())
	sign := "v0=" + mac("slack-new", "v0:"+stamp+":"+good)
	for name, h := range map[string][]string{
		"no signature":           {"X-Slack-Request-Timestamp", stamp},
		"another key":            {"X-Slack-Request-Timestamp", stamp, "X-Slack-Signature", "v0=" + mac("wrong", "v0:"+stamp+":"+good)},
		"no time":                {"X-Slack-Signature", sign},
		"another time":           {"X-Slack-Request-Timestamp", fmt.Sprint(clock.Unix() + 1), "X-Slack-Signature", sign},
		"another version":        {"X-Slack-Request-Timestamp", stamp, "X-Slack-Signature", "v1=" + sign[3:]},
		"cut":                    {"X-Slack-Request-Timestamp", stamp, "X-Slack-Signature", sign[:20]},
		"of another body":        {"X-Slack-Request-Timestamp", stamp, "X-Slack-Signature", "v0=" + mac("slack-new", "v0:"+stamp+":"+good+"x")},
		"nothing":                {"X-Slack-Request-Timestamp", stamp, "X-Slack-Signature", "v0="},
		"not hexadecimal":        {"X-Slack-Request-Timestamp", stamp, "X-Slack-Signature", "v0=zz"},
		"of PagerDuty's secret":  {"X-Slack-Request-Timestamp", stamp, "X-Slack-Signature", "v0=" + mac("pd-new", "v0:"+stamp+":"+good)},
		"a time that is no time": {"X-Slack-Request-Timestamp", "now", "X-Slack-Signature", "v0=" + mac("slack-new", "v0:now:"+good)},
	} {
		if code, _ := b.post(t, "/interactions/slack", strings.NewReader(good), h...); code != http.StatusUnauthorized {
			t.Errorf("%s: %d", name, code)
		}
	}
	for _, age := range []time.Duration{6 * time.Minute, -6 * time.Minute} {
		if code := b.slackPost(t, "slack-new", good, clock.Add(-age)); code != http.StatusUnauthorized {
			t.Errorf("signed %s ago: %d", age, code)
		}
	}
	if len(b.commits) != 0 {
		t.Fatalf("a forged click did something: %+v", b.commits)
	}
	note := click("ann", "foreshock:useful C1/2")
	for range 3 { // captured and sent again
		if code := b.slackPost(t, "slack-new", note, clock.Add(-time.Minute)); code != http.StatusOK {
			t.Errorf("got %d", code)
		}
	}
	if len(b.commits) != 1 || b.state().Useful != 1 {
		t.Errorf("a repeated click counts %d times", len(b.commits))
	}
	for _, odd := range []string{
		click("ann", "foreshock:close C1/2"), click("ann", "foreshock:acknowledge C1/1"), click("ann", "other:acknowledge C1/2"), click("ann", "foreshock:acknowledge C1"),
		click("ann", "foreshock:acknowledge C9/2"), click("ann"), "payload=%7B%22type%22%3A%22view_submission%22%7D",
	} {
		if code := b.slackPost(t, "slack-new", odd, clock); code != http.StatusOK {
			t.Errorf("%s: %d", odd, code)
		}
	}
	if len(b.commits) != 1 {
		t.Errorf("an odd click did something: %+v", b.commits[1:])
	}
	if code := b.slackPost(t, "slack-new", "payload=x", clock); code != http.StatusBadRequest {
		t.Errorf("no JSON: %d", code)
	}
	if strings.Contains(b.log.String(), "slack-new") || strings.Contains(b.log.String(), sign) {
		t.Errorf("the log shows a secret: %s", b.log)
	}
	closed := outside(t, func(s *Settings) { s.Interactions.Slack = nil })
	if code := closed.slackPost(t, "", good, clock); code != http.StatusNotFound {
		t.Errorf("without a secret: %d", code)
	}
}

func pdEvent(id, kind, key string, at time.Time) string {
	return fmt.Sprintf(`{"event":{"id":%q,"event_type":%q,"resource_type":"incident","occurred_at":%q,"agent":{"id":"P1","type":"user_reference","summary":"Ann"},`+
		`"data":{"id":"Q1","type":"incident","status":"acknowledged","incident_key":%q,"number":7}}}`, id, kind, at.Format(time.RFC3339Nano), key)
}

func (b *bench) pdPost(t *testing.T, body, signature string) int {
	t.Helper()
	code, _ := b.post(t, "/interactions/pagerduty", strings.NewReader(body), "Content-Type", "application/json", "X-PagerDuty-Signature", signature)
	return code
}

func TestPagerDutyEvents(t *testing.T) {
	t.Parallel()
	b := outside(t, nil)
	key := notify.DedupKey("C1", 2)
	ack := pdEvent("e1", "incident.acknowledged", key, clock)
	for name, sign := range map[string]string{
		"none": "", "another key": "v1=" + mac("wrong", ack), "another body": "v1=" + mac("pd-new", ack+" "), "another version": "v0=" + mac("pd-new", ack), "bare": mac("pd-new", ack),
		"nine wrong ones first": strings.Repeat("v1=00,", 9) + "v1=" + mac("pd-new", ack),
	} {
		if code := b.pdPost(t, ack, sign); code != http.StatusUnauthorized {
			t.Errorf("%s: %d", name, code)
		}
	}
	old := pdEvent("e0", "incident.resolved", key, clock.Add(-100*time.Hour))
	if code := b.pdPost(t, old, "v1="+mac("pd-new", old)); code != http.StatusUnauthorized {
		t.Errorf("an old event: %d", code)
	}
	if len(b.commits) != 0 {
		t.Fatal("a forged event did something")
	}
	// Any signature of the list, under any live secret.
	if code := b.pdPost(t, ack, "v1="+mac("rotated-away", ack)+", v1="+mac("pd-old", ack)); code != http.StatusOK {
		t.Fatalf("got %d", code)
	}
	if c := b.state(); c.State != cases.Triage || c.AckedBy != "Ann" || b.commits[0].Events[0].Via != cases.ViaPagerDuty {
		t.Errorf("got %+v", c)
	}
	for _, e := range []string{
		ack, // again
		pdEvent("e2", "incident.acknowledged", key, clock),                                     // of what is acknowledged
		pdEvent("e3", "incident.resolved", notify.DedupKey("C1", 1), clock),                    // of an opening that is over
		pdEvent("e4", "incident.resolved", "another monitor's key", clock),                     // not ours
		pdEvent("e5", "incident.priority_updated", key, clock),                                 // of no matter
		pdEvent("e6", "incident.resolved", notify.DedupKey("C9", 1), clock),                    // deleted since
		`{"event":{"id":"e7","event_type":"pagey.ping","occurred_at":"2020-01-01T00:00:00Z"}}`, // the test of the subscription
	} {
		if code := b.pdPost(t, e, "v1="+mac("pd-new", e)); code != http.StatusOK {
			t.Errorf("%s: %d", e, code)
		}
	}
	if len(b.commits) != 1 {
		t.Errorf("%d changes, want 1", len(b.commits))
	}
	done := pdEvent("e8", "incident.resolved", key, clock)
	if code := b.pdPost(t, done, "v1="+mac("pd-new", done)); code != http.StatusOK || b.state().State != cases.Resolved {
		t.Errorf("%d, %s", code, b.state().State)
	}
	b.err = fmt.Errorf("no disk")
	again := pdEvent("e9", "incident.reopened", key, clock)
	if code := b.pdPost(t, again, "v1="+mac("pd-new", again)); code != http.StatusServiceUnavailable {
		t.Errorf("while the store is down: %d, want 503 so that it comes again", code)
	}
}

func TestLinks(t *testing.T) {
	t.Parallel()
	b := outside(t, nil)
	signer := LinkSigner{Key: []byte("0123456789abcdef"), Valid: time.Hour}
	token := signer.Token("C1", 2, cases.Acknowledge, clock)
	for range 3 { // programs that look at addresses in messages
		res, text := b.get(t, "/act/"+token, "User-Agent", "Slackbot-LinkExpanding 1.0")
		if res.StatusCode != http.StatusOK || !strings.Contains(text, "Disk &lt;full&gt;") || !strings.Contains(text, `<form method="post" action="./../act/`+token) {
			t.Fatalf("got %d %s", res.StatusCode, text)
		}
	}
	if len(b.commits) != 0 {
		t.Fatal("looking at the page did something")
	}
	form := url.Values{"by": {"ann"}, "note": {"on it"}}.Encode()
	code, text := b.post(t, "/act/"+token, strings.NewReader(form), "Content-Type", "application/x-www-form-urlencoded")
	if c := b.state(); code != http.StatusOK || c.State != cases.Triage || c.AckedBy != "ann" || !strings.Contains(text, "Done.") {
		t.Fatalf("got %d, %+v, %s", code, c, text)
	}
	if e := b.commits[0].Events[0]; e.Via != cases.ViaLink || e.Note != "on it" {
		t.Errorf("the timeline says %+v", e)
	}
	if _, text := b.post(t, "/act/"+token, strings.NewReader(form), "Content-Type", "application/x-www-form-urlencoded"); len(b.commits) != 1 || !strings.Contains(text, "nothing left to do") {
		t.Errorf("a second time: %s", text)
	}
	// A browser that another site sends here does nothing.
	resolve := signer.Token("C1", 2, cases.Resolve, clock)
	if code, _ := b.post(t, "/act/"+resolve, strings.NewReader(form), "Content-Type", "application/x-www-form-urlencoded", "Sec-Fetch-Site", "cross-site"); code != http.StatusForbidden || len(b.commits) != 1 {
		t.Errorf("from another site: %d", code)
	}
}

func TestLinksForged(t *testing.T) {
	t.Parallel()
	b := outside(t, nil)
	s := LinkSigner{Key: []byte("0123456789abcdef"), Valid: time.Hour}
	good := s.Token("C1", 2, cases.Acknowledge, clock)
	post := func(token string) int {
		code, _ := b.post(t, "/act/"+token, strings.NewReader("by=eve"), "Content-Type", "application/x-www-form-urlencoded")
		return code
	}
	// Any one character changed.
	for i := range len(good) {
		c := byte('A')
		if good[i] == 'A' {
			c = 'B'
		}
		if i == len(good)-1 {
			continue // its last bits are not used by base64
		}
		if code := post(good[:i] + string(c) + good[i+1:]); code != http.StatusForbidden {
			t.Errorf("character %d changed: %d", i, code)
		}
	}
	other := LinkSigner{Key: []byte("another key, of another house"), Valid: time.Hour}
	for name, token := range map[string]string{
		"another key": other.Token("C1", 2, cases.Acknowledge, clock), "another command": s.Token("C1", 2, cases.Close, clock), "nothing": "x", "no key": LinkSigner{Valid: time.Hour}.Token("C1", 2, cases.Acknowledge, clock),
	} {
		if code := post(token); code != http.StatusForbidden {
			t.Errorf("%s: %d", name, code)
		}
	}
	if code := post(s.Token("C1", 2, cases.Acknowledge, clock.Add(-time.Hour))); code != http.StatusGone {
		t.Errorf("run out: %d", code)
	}
	if code := post(s.Token("C1", 1, cases.Acknowledge, clock)); code != http.StatusOK { // an opening that is over: a page that says so
		t.Errorf("another opening: %d", code)
	}
	if len(b.commits) != 0 {
		t.Errorf("a forged link did something: %+v", b.commits)
	}
	none := outside(t, func(s *Settings) { s.Interactions.Link.Key = nil })
	if code, _ := none.post(t, "/act/"+LinkSigner{Valid: time.Hour}.Token("C1", 2, cases.Acknowledge, clock), strings.NewReader("")); code != http.StatusForbidden {
		t.Errorf("with links switched off: %d", code)
	}
	if regexp.MustCompile(`[^A-Za-z0-9._-]`).MatchString(good) {
		t.Errorf("the link needs escaping: %s", good)
	}
}

// One vote a person and opening, the newest counts.
func TestFeedback(t *testing.T) {
	t.Parallel()
	b := outside(t, nil)
	vote := func(by, what string) {
		t.Helper()
		code, text := b.post(t, "/api/v1/cases/C1/"+what, strings.NewReader(`{"by":"`+by+`"}`), "Content-Type", "application/json")
		if code != http.StatusOK {
			t.Fatalf("%d %s", code, text)
		}
	}
	vote("ann", "useful")
	vote("ann", "useful")
	vote("bob", "noise")
	if c := b.state(); c.Useful != 1 || c.Useless != 1 {
		t.Errorf("got %d and %d", c.Useful, c.Useless)
	}
	vote("ann", "noise")
	if c := b.state(); c.Useful != 0 || c.Useless != 2 {
		t.Errorf("got %d and %d", c.Useful, c.Useless)
	}
}

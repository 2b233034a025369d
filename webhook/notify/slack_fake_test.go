package notify

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"
)

// fakeSlack stands in for Slack: both ways in, the documented limits and error codes. It is written from Slack's documentation, not from
// our code.
type fakeSlack struct {
	*httptest.Server
	token, channel string
	interval       time.Duration // 0: no rate limit

	mu    sync.Mutex
	posts []slackPost
	last  time.Time
	fail  []func(w http.ResponseWriter) // answers for the next requests, before anything is checked
	tried int

	updates []slackPost // ThreadTS is the message that was changed
	gone    bool        // the first message was deleted
}

type slackPost struct {
	Path     string
	Raw      string
	Text     string
	ThreadTS string
	Texts    []fakeText
	Buttons  []string
}

type fakeText struct {
	Type, Text string
	Verbatim   bool
}

func newFakeSlack(t *testing.T) *fakeSlack {
	t.Helper()
	f := &fakeSlack{token: "xoxb-1-good", channel: "C1"}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /services/T0/B0/good", func(w http.ResponseWriter, r *http.Request) {
		if code, status := f.take(w, r, false); code != "" {
			http.Error(w, code, status)
		} else if status == http.StatusOK {
			fmt.Fprint(w, "ok")
		}
	})
	mux.HandleFunc("POST /services/", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no_service", http.StatusNotFound) })
	mux.HandleFunc("POST /api/chat.postMessage", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+f.token {
			fmt.Fprint(w, `{"ok":false,"error":"invalid_auth"}`)
			return
		}
		code, status := f.take(w, r, true)
		switch {
		case status == http.StatusTooManyRequests:
			w.WriteHeader(status)
			fmt.Fprint(w, `{"ok":false,"error":"ratelimited"}`)
		case code != "":
			fmt.Fprintf(w, `{"ok":false,"error":%q}`, code)
		case status == http.StatusOK:
			f.mu.Lock()
			fmt.Fprintf(w, `{"ok":true,"channel":%q,"ts":"1700000000.%06d"}`, f.channel, len(f.posts))
			f.mu.Unlock()
		}
	})
	mux.HandleFunc("POST /api/chat.update", func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		defer f.mu.Unlock()
		var raw json.RawMessage
		var to struct{ Channel, TS string }
		if r.Header.Get("Authorization") != "Bearer "+f.token || json.NewDecoder(r.Body).Decode(&raw) != nil || json.Unmarshal(raw, &to) != nil {
			fmt.Fprint(w, `{"ok":false,"error":"invalid_auth"}`)
			return
		}
		post, code := readSlack(raw)
		switch {
		case code != "":
		case !strings.HasPrefix(to.Channel, "C"): // names are not taken here
			code = "channel_not_found"
		case f.gone:
			code = "message_not_found"
		}
		if code != "" {
			fmt.Fprintf(w, `{"ok":false,"error":%q}`, code)
			return
		}
		post.ThreadTS = to.TS
		f.updates = append(f.updates, post)
		fmt.Fprintf(w, `{"ok":true,"channel":%q,"ts":%q}`, to.Channel, to.TS)
	})
	f.Server = httptest.NewServer(mux)
	t.Cleanup(f.Close)
	return f
}

// take checks a message; it returns Slack's error code and status, or "" and 200; 0 when a prepared answer was given.
func (f *fakeSlack) take(w http.ResponseWriter, r *http.Request, api bool) (string, int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.tried++
	if len(f.fail) > 0 {
		answer := f.fail[0]
		f.fail = f.fail[1:]
		answer(w)
		return "", 0
	}
	if f.interval > 0 && time.Since(f.last) < f.interval {
		w.Header().Set("Retry-After", "1")
		return "rate_limited", http.StatusTooManyRequests
	}
	var raw json.RawMessage
	if err := json.NewDecoder(r.Body).Decode(&raw); err != nil {
		return "invalid_payload", http.StatusBadRequest
	}
	post, code := readSlack(raw)
	if code == "" && api {
		var to struct {
			Channel string `json:"channel"`
		}
		_ = json.Unmarshal(raw, &to)
		if to.Channel != f.channel {
			code = "channel_not_found"
		}
	}
	if code != "" {
		return code, http.StatusBadRequest
	}
	post.Path = r.URL.Path
	f.posts = append(f.posts, post)
	f.last = time.Now()
	return "", http.StatusOK
}

// readSlack holds a message against Block Kit's limits.
func readSlack(raw json.RawMessage) (slackPost, string) {
	type text struct {
		Type     string `json:"type"`
		Text     string `json:"text"`
		Emoji    *bool  `json:"emoji"`
		Verbatim bool   `json:"verbatim"`
	}
	var m struct {
		Text     string `json:"text"`
		ThreadTS string `json:"thread_ts"`
		Blocks   []struct {
			Type     string            `json:"type"`
			Text     *text             `json:"text"`
			Elements []json.RawMessage `json:"elements"`
		} `json:"blocks"`
	}
	if err := json.Unmarshal(raw, &m); err != nil {
		return slackPost{}, "invalid_payload"
	}
	post := slackPost{Raw: string(raw), Text: m.Text, ThreadTS: m.ThreadTS}
	if len(m.Blocks) > 50 {
		return post, "invalid_blocks"
	}
	total := 0
	check := func(t text, max int, kinds string) bool {
		n := utf8.RuneCountInString(t.Text)
		total += n
		post.Texts = append(post.Texts, fakeText{t.Type, t.Text, t.Verbatim})
		return strings.Contains(kinds, t.Type) && n >= 1 && n <= max && (t.Emoji == nil || t.Type == "plain_text") && (!t.Verbatim || t.Type == "mrkdwn")
	}
	for _, b := range m.Blocks {
		ok := false
		switch b.Type {
		case "header":
			ok = b.Text != nil && check(*b.Text, 150, "plain_text")
		case "section":
			ok = b.Text != nil && check(*b.Text, 3000, "plain_text mrkdwn")
		case "context":
			ok = len(b.Elements) >= 1 && len(b.Elements) <= 10
			for _, raw := range b.Elements {
				var e text
				ok = json.Unmarshal(raw, &e) == nil && check(e, 2000, "plain_text mrkdwn") && ok
			}
		case "actions":
			ok = len(b.Elements) >= 1 && len(b.Elements) <= 25
			ids := map[string]bool{}
			for _, raw := range b.Elements {
				var e struct {
					Type     string `json:"type"`
					Text     text   `json:"text"`
					ActionID string `json:"action_id"`
					Value    string `json:"value"`
					Style    string `json:"style"`
				}
				ok = json.Unmarshal(raw, &e) == nil && e.Type == "button" && check(e.Text, 75, "plain_text") && e.ActionID != "" && len(e.ActionID) <= 255 && !ids[e.ActionID] &&
					len(e.Value) <= 2000 && strings.Contains(" primary danger", e.Style) && ok
				ids[e.ActionID] = true
				post.Buttons = append(post.Buttons, e.ActionID+" "+e.Value)
			}
		}
		if !ok {
			return post, "invalid_blocks"
		}
	}
	if total > 13000 {
		return post, "msg_blocks_too_long"
	}
	if m.Text == "" && len(m.Blocks) == 0 {
		return post, "no_text"
	}
	return post, ""
}

// control is what Slack parses specially in any text: <…>.
var control = regexp.MustCompile(`<[^>]*>?`)

// specials lists what Slack would act on in a post: control sequences anywhere, formatting in mrkdwn outside of code.
func (p slackPost) specials() []string {
	out := control.FindAllString(p.Text, -1)
	for _, t := range p.Texts {
		out = append(out, control.FindAllString(t.Text, -1)...)
		if t.Type == "mrkdwn" && !t.Verbatim {
			out = append(out, "not verbatim: "+t.Text)
		}
	}
	return out
}

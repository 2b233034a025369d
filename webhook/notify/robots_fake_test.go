package notify

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf16"
)

// fakeRobot stands in for a chat service's robot: its limits, signatures and answers, as its documentation has them, not as our code does.
type fakeRobot struct {
	*httptest.Server
	mu     sync.Mutex
	bodies []string
	texts  []string // what the service would parse for markup
	times  []time.Time
	now    func() time.Time
	// limit is how many messages it takes within per; more is answered by over.
	limit int
	per   time.Duration
	fail  []func(http.ResponseWriter)
}

// robotRules are what one service checks.
type robotRules struct {
	path string
	// check returns what the service parses, or the answer to a message that it refuses.
	check func(f *fakeRobot, r *http.Request, body []byte) (parsed string, refusal string)
	ok    string
	over  string // answer to a message too many
	// overStatus is the HTTP status with it.
	overStatus int
	limit      int
	per        time.Duration
}

func newFakeRobot(t *testing.T, rules robotRules) *fakeRobot {
	t.Helper()
	f := &fakeRobot{now: time.Now, limit: rules.limit, per: rules.per}
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+rules.path, func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		defer f.mu.Unlock()
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		w.Header().Set("Content-Type", "application/json")
		if len(f.fail) > 0 {
			answer := f.fail[0]
			f.fail = f.fail[1:]
			answer(w)
			return
		}
		now := f.now()
		recent := 0
		for _, at := range f.times {
			if now.Sub(at) < f.per {
				recent++
			}
		}
		if f.limit > 0 && recent >= f.limit {
			if rules.overStatus != 0 {
				w.WriteHeader(rules.overStatus)
			}
			fmt.Fprint(w, rules.over)
			return
		}
		parsed, refusal := rules.check(f, r, body)
		if refusal != "" {
			if strings.HasPrefix(refusal, `{"ok":false`) {
				w.WriteHeader(http.StatusBadRequest)
			}
			fmt.Fprint(w, refusal)
			return
		}
		f.bodies, f.texts, f.times = append(f.bodies, string(body)), append(f.texts, parsed), append(f.times, now)
		fmt.Fprint(w, rules.ok)
	})
	f.Server = httptest.NewServer(mux)
	t.Cleanup(f.Close)
	return f
}

const (
	dingSecret   = "SECthis-is-a-secret"
	feishuSecret = "feishu-secret-key"
	telegramBot  = "123456:ABC-DEF1234ghIkl-zyx57W2v1u123ew11"
)

var dingTalkRules = robotRules{
	path: "/robot/send", ok: `{"errcode":0,"errmsg":"ok"}`, limit: 20, per: time.Minute,
	over: `{"errcode":130101,"errmsg":"send too fast, exceed 20 times per minute"}`,
	check: func(f *fakeRobot, r *http.Request, body []byte) (string, string) {
		refuse := func(code int, text string) (string, string) {
			return "", fmt.Sprintf(`{"errcode":%d,"errmsg":%q}`, code, text)
		}
		q := r.URL.Query()
		if q.Get("access_token") != "good" {
			return refuse(300005, "token is not exist")
		}
		ms, err := strconv.ParseInt(q.Get("timestamp"), 10, 64)
		if err != nil || f.now().Sub(time.UnixMilli(ms)).Abs() > time.Hour {
			return refuse(310000, "invalid timestamp")
		}
		mac := hmac.New(sha256.New, []byte(dingSecret))
		mac.Write([]byte(q.Get("timestamp") + "\n" + dingSecret))
		if q.Get("sign") != base64.StdEncoding.EncodeToString(mac.Sum(nil)) {
			return refuse(310000, "sign not match")
		}
		if len(body) > 20000 {
			return refuse(460101, "message too long, exceed 20000 bytes")
		}
		var m struct {
			MsgType  string
			Markdown struct{ Title, Text string }
			Card     struct {
				Title, Text string
				Btns        []struct{ Title, ActionURL string }
			} `json:"actionCard"`
			At any
		}
		if err := json.Unmarshal(body, &m); err != nil {
			return refuse(40035, "bad parameters")
		}
		title, text := m.Markdown.Title, m.Markdown.Text
		if m.MsgType == "actionCard" {
			title, text = m.Card.Title, m.Card.Text
			for _, b := range m.Card.Btns {
				text += "\n[" + b.Title + "](" + b.ActionURL + ")"
			}
		} else if m.MsgType != "markdown" {
			return refuse(400105, "unsupported msgtype")
		}
		if title == "" || text == "" || m.At != nil {
			return refuse(40035, "bad parameters")
		}
		return text, ""
	},
}

var weComRules = robotRules{
	path: "/cgi-bin/webhook/send", ok: `{"errcode":0,"errmsg":"ok"}`, limit: 20, per: time.Minute, over: `{"errcode":45009,"errmsg":"api freq out of limit"}`,
	check: func(_ *fakeRobot, r *http.Request, body []byte) (string, string) {
		refuse := func(code int, text string) (string, string) {
			return "", fmt.Sprintf(`{"errcode":%d,"errmsg":%q}`, code, text)
		}
		if r.URL.Query().Get("key") != "good" {
			return refuse(93000, "invalid webhook url")
		}
		var m struct {
			MsgType  string
			Markdown struct{ Content string }
			Card     struct {
				CardType   string `json:"card_type"`
				MainTitle  struct{ Title string }
				CardAction struct {
					Type int
					URL  string
				} `json:"card_action"`
				Horizontal []any `json:"horizontal_content_list"`
				JumpList   []any `json:"jump_list"`
			} `json:"template_card"`
		}
		if err := json.Unmarshal(body, &m); err != nil {
			return refuse(40058, "invalid json")
		}
		switch m.MsgType {
		case "markdown":
			if n := len(m.Markdown.Content); n == 0 || n > 4096 {
				return refuse(40058, "markdown.content exceed max length 4096")
			}
			return m.Markdown.Content, ""
		case "template_card":
			if m.Card.CardType != "text_notice" || m.Card.CardAction.Type != 1 || m.Card.CardAction.URL == "" || len(m.Card.Horizontal) > 6 || len(m.Card.JumpList) > 3 {
				return refuse(42014, "invalid template_card")
			}
			return "", ""
		}
		return refuse(40008, "invalid message type")
	},
}

var feishuRules = robotRules{
	path: "/open-apis/bot/v2/hook/good", ok: `{"code":0,"msg":"success","data":{}}`, limit: 100, per: time.Minute, over: `{"code":11232,"msg":"frequency limited"}`,
	check: func(f *fakeRobot, _ *http.Request, body []byte) (string, string) {
		refuse := func(code int, text string) (string, string) {
			return "", fmt.Sprintf(`{"code":%d,"msg":%q}`, code, text)
		}
		var m struct {
			Timestamp, Sign string
			MsgType         string `json:"msg_type"`
			Card            json.RawMessage
		}
		if err := json.Unmarshal(body, &m); err != nil || len(body) > 20<<10 {
			return refuse(9499, "Bad Request")
		}
		at, err := strconv.ParseInt(m.Timestamp, 10, 64)
		mac := hmac.New(sha256.New, []byte(m.Timestamp+"\n"+feishuSecret))
		if err != nil || f.now().Sub(time.Unix(at, 0)).Abs() > time.Hour || m.Sign != base64.StdEncoding.EncodeToString(mac.Sum(nil)) {
			return refuse(19021, "sign match fail or timestamp is not within one hour from current time")
		}
		if m.MsgType != "interactive" {
			return refuse(19002, "params error, msg_type need")
		}
		// Everything that is not plain_text is parsed.
		var parsed []string
		var walk func(v any)
		walk = func(v any) {
			switch v := v.(type) {
			case []any:
				for _, e := range v {
					walk(e)
				}
			case map[string]any:
				if tag := v["tag"]; (tag == "lark_md" || tag == "markdown") && v["content"] != nil {
					parsed = append(parsed, fmt.Sprint(v["content"]))
				}
				for _, e := range v {
					walk(e)
				}
			}
		}
		var card any
		if err := json.Unmarshal(m.Card, &card); err != nil {
			return refuse(9499, "Bad Request")
		}
		walk(card)
		return strings.Join(parsed, "\n"), ""
	},
}

var telegramTag = regexp.MustCompile(`</?(b|i|blockquote|code|pre|a( href="[^"<>]*")?)>`)

var telegramRules = robotRules{
	path: "/bot" + telegramBot + "/sendMessage", ok: `{"ok":true,"result":{"message_id":42}}`, limit: 20, per: time.Minute, overStatus: http.StatusTooManyRequests,
	over: `{"ok":false,"error_code":429,"description":"Too Many Requests: retry after 7","parameters":{"retry_after":7}}`,
	check: func(_ *fakeRobot, _ *http.Request, body []byte) (string, string) {
		refuse := func(text string) (string, string) {
			return "", fmt.Sprintf(`{"ok":false,"error_code":400,"description":%q}`, "Bad Request: "+text)
		}
		var m struct {
			ChatID    string `json:"chat_id"`
			Text      string
			ParseMode string `json:"parse_mode"`
		}
		if err := json.Unmarshal(body, &m); err != nil {
			return refuse("can't parse JSON")
		}
		if m.ChatID != "-100500" {
			return refuse("chat not found")
		}
		text := m.Text
		if m.ParseMode == "HTML" {
			var open []string
			for _, tag := range telegramTag.FindAllString(text, -1) {
				name := strings.Trim(strings.Fields(strings.Trim(tag, "</>"))[0], "<>")
				if !strings.HasPrefix(tag, "</") {
					open = append(open, name)
				} else if len(open) == 0 || open[len(open)-1] != name {
					return refuse("can't parse entities: unexpected end tag")
				} else {
					open = open[:len(open)-1]
				}
			}
			text = telegramTag.ReplaceAllString(text, "")
			if len(open) > 0 || strings.ContainsAny(text, "<>") {
				return refuse("can't parse entities: unsupported start tag")
			}
			text = strings.NewReplacer("&lt;", "<", "&gt;", ">", "&#34;", `"`, "&#39;", "'", "&quot;", `"`, "&amp;", "&").Replace(text)
		}
		if n := len(utf16.Encode([]rune(text))); n == 0 || n > 4096 {
			return refuse("message is too long")
		}
		return m.Text, ""
	},
}

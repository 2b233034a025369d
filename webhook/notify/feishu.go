package notify

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/foreshock/foreshock/pkg/message"
	"github.com/foreshock/foreshock/pkg/registry"
	"github.com/foreshock/foreshock/webhook/cases"
	"github.com/foreshock/foreshock/webhook/policy"
)

func init() {
	Channels.Add(registry.Entry[Channel]{
		Name:    "feishu",
		Summary: "Posts a card to a Feishu or Lark group through a custom bot, signed.",
		Source:  "https://open.feishu.cn/document/client-docs/bot-v3/add-custom-bot (signature, 20 KB, 100 messages a minute and 5 a second)",
		New:     func() Channel { return &Feishu{Common: common()} },
	})
}

// Feishu posts messages to one Feishu or Lark group; which of them, the address says.
type Feishu struct {
	Common
	RobotAddress
	Secret     Secret `json:"secret" yaml:"secret" help:"key of the signature, when the bot asks for signatures"`
	SecretFile string `json:"secret_file" yaml:"secret_file" help:"path of a file that holds secret"`
	Keyword    string `json:"keyword" yaml:"keyword" help:"word that the bot asks for in every message, when it is set up so"`
}

// maxFeishu bounds the text in bytes of JSON: 20 KB take the whole request, the card around the text included.
const maxFeishu = 14000

// Validate asks for the address.
func (f *Feishu) Validate() error { return f.given() }

// Open reads the secrets.
func (f *Feishu) Open(env Env) error {
	if err := f.open(env, asIs, larkText); err != nil {
		return err
	}
	if err := f.read("Feishu", ""); err != nil {
		return err
	}
	var err error
	f.Secret, err = resolve("secret", f.Secret, f.SecretFile)
	return err
}

// Quota is the documented one.
func (f *Feishu) Quota() policy.Quota {
	return f.quota(policy.Rate{N: 100, Per: time.Minute}, policy.Rate{N: 5, Per: time.Second})
}

// Destination names the bot.
func (f *Feishu) Destination() string { return destination("feishu", f.WebhookURL) }

type feishuBody struct {
	Timestamp string     `json:"timestamp,omitempty"`
	Sign      string     `json:"sign,omitempty"`
	MsgType   string     `json:"msg_type"`
	Card      feishuCard `json:"card"`
}

type feishuCard struct {
	Config struct {
		WideScreenMode bool `json:"wide_screen_mode"`
	} `json:"config"`
	Header struct {
		Title    feishuText `json:"title"`
		Template string     `json:"template"`
	} `json:"header"`
	Elements []feishuElement `json:"elements"`
}

type feishuText struct {
	Tag     string `json:"tag"` // plain_text is never parsed; lark_md is
	Content string `json:"content"`
}

type feishuElement struct {
	Tag      string          `json:"tag"`
	Text     *feishuText     `json:"text,omitempty"`
	Actions  []feishuButton  `json:"actions,omitempty"`
	Elements []feishuElement `json:"elements,omitempty"`
	Content  string          `json:"content,omitempty"`
}

type feishuButton struct {
	Tag  string     `json:"tag"`
	Text feishuText `json:"text"`
	URL  string     `json:"url"`
	Type string     `json:"type"`
}

// Send posts the message.
func (f *Feishu) Send(ctx context.Context, m cases.Message) Outcome {
	body := f.body(m)
	if f.Secret != "" {
		body.Timestamp = strconv.FormatInt(f.env.Now().Unix(), 10)
		body.Sign = feishuSign(body.Timestamp, f.Secret)
	}
	return f.postRobot(ctx, Request{URL: f.WebhookURL, Hide: []Secret{f.Secret}}, body, feishuAnswer, feishuCode)
}

func (f *Feishu) body(m cases.Message) feishuBody {
	l := f.letter(m)
	title, text := f.written(m)
	s := sink{limit: maxFeishu, size: jsonSize, esc: asIs}
	b := feishuBody{MsgType: "interactive"}
	b.Card.Config.WideScreenMode = true
	if title == "" {
		title = l.Mark + " " + l.Subject
	}
	b.Card.Header.Title = feishuText{"plain_text", s.fit(title, 600)}
	b.Card.Header.Template = feishuColour(l.Mark)
	plain := func(text string) { b.Card.Elements = append(b.Card.Elements, plainDiv(text)) }
	if text != "" {
		text, _ = s.cutMarkup(text, maxFeishu, "")
		b.Card.Elements = append(b.Card.Elements, feishuElement{Tag: "div", Text: &feishuText{"lark_md", text}})
	} else {
		f.parts(l, s, plain)
	}
	var buttons []feishuButton
	room := 3000
	for i, to := range append(append([]link{}, first(l.Links)...), append(append([]link{}, l.Acts...), rest(l.Links)...)...) {
		if room -= len(to.URL) + 100; room < 0 || len(buttons) == 6 {
			break
		}
		kind := "default"
		if i == 0 {
			kind = "primary"
		}
		buttons = append(buttons, feishuButton{"button", feishuText{"plain_text", s.fit(to.Text, 150)}, to.URL, kind})
	}
	if len(buttons) > 0 {
		b.Card.Elements = append(b.Card.Elements, feishuElement{Tag: "action", Actions: buttons})
	}
	if foot := joinLines(l.Where, l.Maybe, f.Keyword); foot != "" {
		b.Card.Elements = append(b.Card.Elements, feishuElement{Tag: "note", Elements: []feishuElement{{Tag: "plain_text", Content: s.fit(foot, 800)}}})
	}
	return b
}

// parts writes facts, note and what follows as plain text, as much as fits.
func (f *Feishu) parts(l letter, s sink, plain func(string)) {
	room := s.limit
	put := func(text string, limit int) bool {
		if room < 300 {
			return false
		}
		text = s.fit(text, min(limit, room-200)) // for the line that counts what is left off
		room -= s.size(text) + 60
		plain(text)
		return true
	}
	if len(l.Facts) > 0 {
		put(joinBy(" · ", l.Facts), 1500)
	}
	if l.Note != "" {
		put(l.Note, 1500)
	}
	left := l.More
	for i, a := range l.Alerts {
		if !put(a, s.limit) {
			left += len(l.Alerts) - i
			break
		}
	}
	lines := ""
	for i, it := range l.Items {
		if s.size(lines)+s.size(it.Text)+300 > room {
			left += len(l.Items) - i
			break
		}
		lines += it.Text + "\n"
	}
	if lines != "" {
		plain(lines)
	}
	if left > 0 {
		plain(f.text("webhook.message.more", "count", left))
	}
}

func plainDiv(text string) feishuElement {
	return feishuElement{Tag: "div", Text: &feishuText{"plain_text", text}}
}

func feishuColour(sign string) string {
	switch sign {
	case "🔴":
		return "red"
	case "🟠":
		return "orange"
	case "🟡":
		return "yellow"
	case "✅":
		return "green"
	}
	return "blue"
}

// larkText makes data harmless within a person's own lark_md.
func larkText(text string) string { return wide(text) }

// feishuSign is base64 of HMAC-SHA256 of nothing under "<seconds>\n<secret>".
func feishuSign(stamp string, secret Secret) string {
	return base64.StdEncoding.EncodeToString(hmac.New(sha256.New, []byte(stamp+"\n"+secret.Reveal())).Sum(nil))
}

// feishuAnswer reads {"code": 0, "msg": "success"}; older bots answer StatusCode and StatusMessage.
func feishuAnswer(body []byte) (int, string, error) {
	var a struct {
		Code    *int   `json:"code"`
		Msg     string `json:"msg"`
		OldCode *int   `json:"StatusCode"`
		OldMsg  string `json:"StatusMessage"`
	}
	if err := json.Unmarshal(body, &a); err != nil {
		return 0, "", err
	}
	switch {
	case a.Code != nil:
		return *a.Code, a.Msg, nil
	case a.OldCode != nil:
		return *a.OldCode, a.OldMsg, nil
	}
	return 0, "", errors.New("no code")
}

// feishuCode says what an error code means; not listed are wrong signatures (19021), addresses (19022), keywords (19024), and bad requests (9499).
func feishuCode(code int) verdict {
	switch code {
	case 11232, 11233, 11247, 230020, 99991400: // too fast
		return verdict{StatusRetry, time.Minute}
	case 2200, 5000, 55001: // internal
		return verdict{StatusRetry, 0}
	}
	return verdict{StatusPermanent, 0}
}

// jsonSize counts the bytes of a text within JSON, as this program writes it.
func jsonSize(text string) int { return len(jsonInner(text)) }

// jsonInner is the text as it stands between the quotes of a JSON string.
func jsonInner(text string) string {
	b, err := json.Marshal(text)
	if err != nil {
		return fmt.Sprintf("%q", message.Plain(text))
	}
	return string(b[1 : len(b)-1])
}

func first(l []link) []link { return l[:min(1, len(l))] }

func rest(l []link) []link { return l[min(1, len(l)):] }

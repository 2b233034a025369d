package notify

import (
	"context"
	"encoding/json"
	"errors"
	"html"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/foreshock/foreshock/pkg/message"
	"github.com/foreshock/foreshock/pkg/registry"
	"github.com/foreshock/foreshock/webhook/cases"
	"github.com/foreshock/foreshock/webhook/policy"
)

func init() {
	Channels.Add(registry.Entry[Channel]{
		Name:    "telegram",
		Summary: "Posts to a Telegram chat, group or channel as a bot.",
		Source:  "https://core.telegram.org/bots/api#sendmessage and https://core.telegram.org/bots/faq (4,096 characters; 1 message a second in a chat, 20 a minute in a group)",
		New:     func() Channel { return &Telegram{Common: common(), APIURL: "https://api.telegram.org"} },
	})
}

// Telegram posts messages to one chat. What follows the first message of a case answers it.
type Telegram struct {
	Common
	Token     Secret `json:"token" yaml:"token" help:"token of the bot, from @BotFather"`
	TokenFile string `json:"token_file" yaml:"token_file" help:"path of a file that holds token"`
	ChatID    string `json:"chat_id" yaml:"chat_id" help:"number of the chat (negative for groups), or @name of a public channel"`
	ThreadID  int    `json:"thread_id" yaml:"thread_id" help:"topic of a forum group; 0 for none" min:"0" max:"2147483647"`
	APIURL    string `json:"api_url" yaml:"api_url" help:"address of the Bot API, or of a server of your own"`
}

// maxTelegram bounds the text, after entities are parsed, in UTF-16 code units.
const maxTelegram = 4096

var (
	telegramToken = regexp.MustCompile(`^[0-9]+:[A-Za-z0-9_-]{20,}$`)
	telegramChat  = regexp.MustCompile(`^(-?[0-9]+|@[A-Za-z0-9_]{4,})$`)
)

// Validate asks for token and chat.
func (t *Telegram) Validate() error {
	if t.Token == "" && t.TokenFile == "" {
		return errNoSecret("token")
	}
	if !telegramChat.MatchString(t.ChatID) {
		return errors.New(`parameter "chat_id": want the number of a chat such as -1001234567890, or the @name of a channel`)
	}
	return nil
}

// Open reads the secret.
func (t *Telegram) Open(env Env) error {
	if err := t.open(env, asIs, telegramText); err != nil {
		return err
	}
	var err error
	if t.Token, err = resolve("token", t.Token, t.TokenFile); err != nil {
		return err
	}
	if !telegramToken.MatchString(t.Token.Reveal()) {
		return errors.New(`parameter "token": want a bot token, like 123456:ABC…`)
	}
	_, err = parseURL("api_url", Secret(t.APIURL))
	return err
}

// Quota is the documented one: groups and channels take 20 messages a minute.
func (t *Telegram) Quota() policy.Quota {
	second := policy.Rate{N: 1, Per: time.Second}
	if strings.HasPrefix(t.ChatID, "-") || strings.HasPrefix(t.ChatID, "@") {
		return t.quota(policy.Rate{N: 20, Per: time.Minute}, second)
	}
	return t.quota(second)
}

// Destination names the chat.
func (t *Telegram) Destination() string { return destination("telegram", t.Token, Secret(t.ChatID)) }

// telegramText makes data harmless within HTML: nothing is a tag, and an @name is no mention.
func telegramText(text string) string {
	return html.EscapeString(strings.ReplaceAll(text, "@", "＠"))
}

type telegramMessage struct {
	ChatID          string            `json:"chat_id"`
	MessageThreadID int               `json:"message_thread_id,omitempty"`
	Text            string            `json:"text"`
	ParseMode       string            `json:"parse_mode,omitempty"`
	LinkPreview     telegramPreview   `json:"link_preview_options"`
	Silent          bool              `json:"disable_notification,omitempty"`
	Reply           *telegramReply    `json:"reply_parameters,omitempty"`
	Markup          *telegramKeyboard `json:"reply_markup,omitempty"`
}

type telegramPreview struct {
	IsDisabled bool `json:"is_disabled"`
}

type telegramReply struct {
	MessageID                int  `json:"message_id"`
	AllowSendingWithoutReply bool `json:"allow_sending_without_reply"`
}

type telegramKeyboard struct {
	Rows [][]telegramButton `json:"inline_keyboard"`
}

type telegramButton struct {
	Text string `json:"text"`
	URL  string `json:"url"`
}

// Send posts the message.
func (t *Telegram) Send(ctx context.Context, m cases.Message) Outcome {
	body, err := json.Marshal(t.body(m))
	if err != nil {
		return Permanent("the message cannot be written as JSON: " + err.Error())
	}
	u := strings.TrimSuffix(t.APIURL, "/") + "/bot" + t.Token.Reveal() + "/sendMessage"
	req := Request{URL: Secret(u), Header: map[string]string{"Content-Type": "application/json"}, Body: body, Hide: []Secret{t.Token}}
	reply, o := t.env.Poster.Post(ctx, req)
	return telegramAnswer(reply, o, m, secretsOf(req))
}

func (t *Telegram) body(m cases.Message) telegramMessage {
	l := t.letter(m)
	title, text := t.written(m)
	msg := telegramMessage{ChatID: t.ChatID, MessageThreadID: t.ThreadID, ParseMode: "HTML", LinkPreview: telegramPreview{true}}
	msg.Silent = m.Notice.Case.Grade > policy.P1 || m.Notice.What == cases.WhatResolved || m.Notice.What == cases.WhatMerged
	s := sink{limit: maxTelegram, size: telegramSize, esc: telegramText}
	if title == "" {
		title = l.Mark + " " + l.Subject
	}
	head := "<b>" + s.fit(title, 600) + "</b>\n"
	switch {
	case text != "" && telegramSize(head+text) <= maxTelegram:
		msg.Text = head + text
	case text != "":
		// Cut markup may leave a tag open, which Telegram refuses: what is too long goes as plain text.
		msg.ParseMode = ""
		plain := sink{limit: maxTelegram, size: unitsIn, esc: asIs}
		msg.Text = plain.fit(title+"\n"+text, maxTelegram)
	default:
		msg.Text = t.write(l, head, s)
	}
	if id, err := strconv.Atoi(m.Previous.Data["first"]); err == nil && len(m.Batch) == 0 {
		msg.Reply = &telegramReply{id, true}
	}
	var rows [][]telegramButton
	for _, row := range [][]link{append(append([]link{}, first(l.Links)...), l.Acts...), rest(l.Links)} {
		var buttons []telegramButton
		for _, to := range row {
			buttons = append(buttons, telegramButton{message.CutRunes(to.Text, 60, "…"), to.URL})
		}
		if len(buttons) > 0 {
			rows = append(rows, buttons)
		}
	}
	if len(rows) > 0 {
		msg.Markup = &telegramKeyboard{rows}
	}
	return msg
}

// write lays the letter out.
func (t *Telegram) write(l letter, head string, s sink) string {
	facts := s.fit(joinBy(" · ", l.Facts), 800)
	if facts != "" {
		head += facts + "\n"
	}
	if l.Note != "" {
		head += "<i>" + s.fit(l.Note, 600) + "</i>\n"
	}
	var body []block
	for _, a := range l.Alerts {
		body = append(body, block{before: "\n<blockquote>", text: a, after: "</blockquote>"})
	}
	for _, it := range l.Items {
		b := block{before: "\n", text: it.Text}
		if it.Link != "" {
			b.before, b.after = `<a href="`+html.EscapeString(it.Link)+`">`, "</a>"
			b.before = "\n" + b.before
		}
		body = append(body, b)
	}
	tail := "\n" + s.fit(joinLines(l.Where, l.Maybe), 500)
	return s.compose(head, tail, body, func(left int) string {
		if left+l.More <= 0 {
			return ""
		}
		return "\n" + s.esc(t.text("webhook.message.more", "count", left+l.More)) + "\n"
	})
}

// telegramSize counts the text as sent, tags and entities included: never less than what Telegram counts.
func telegramSize(text string) int { return unitsIn(text) }

// telegramAnswer reads {"ok": true, "result": {"message_id": 1}}, or the error with how long to wait.
func telegramAnswer(reply Reply, o Outcome, m cases.Message, hide []string) Outcome {
	var a struct {
		OK          bool   `json:"ok"`
		Description string `json:"description"`
		Result      struct {
			MessageID int `json:"message_id"`
		} `json:"result"`
		Parameters struct {
			RetryAfter int `json:"retry_after"`
		} `json:"parameters"`
	}
	if reply.Status == 0 {
		return o
	}
	if err := json.Unmarshal(reply.Body, &a); err != nil {
		if o.Status == StatusSent {
			o.Status, o.Reason = StatusUnknown, "Telegram answered 200 with something that is not its JSON: "+o.Receipt.Reply
		}
		return o
	}
	if a.Parameters.RetryAfter > 0 && o.Status == StatusRetry {
		o.After = min(time.Duration(a.Parameters.RetryAfter)*time.Second, maxRetryAfter)
	}
	if o.Status == StatusSent && !a.OK {
		o.Status, o.Reason = StatusPermanent, "Telegram answered "+short(scrub(a.Description, hide...))
	}
	if o.Status == StatusSent {
		id := strconv.Itoa(a.Result.MessageID)
		head := m.Previous.Data["first"]
		if head == "" {
			head = id
		}
		o.Reason = "posted"
		o.Receipt = cases.Receipt{ID: id, Status: reply.Status, Data: map[string]string{"first": head}}
	}
	return o
}

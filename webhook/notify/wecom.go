package notify

import (
	"context"
	"time"

	"github.com/foreshock/foreshock/pkg/registry"
	"github.com/foreshock/foreshock/webhook/cases"
	"github.com/foreshock/foreshock/webhook/policy"
)

func init() {
	Channels.Add(registry.Entry[Channel]{
		Name:    "wecom",
		Summary: "Posts to a WeCom (WeChat Work) group through a group robot.",
		Source:  "https://developer.work.weixin.qq.com/document/path/91770 (message types, 4,096 bytes, 20 messages a minute)",
		New:     func() Channel { return &WeCom{Common: common(), Format: "markdown"} },
	})
}

// WeCom posts messages to one WeCom group.
type WeCom struct {
	Common
	RobotAddress
	Format string `json:"format" yaml:"format" help:"markdown, or a template card that opens the case; a card needs external_url" enum:"markdown,card"`
}

// maxWeCom bounds the content in bytes.
const maxWeCom = 4096

// Validate asks for the address.
func (w *WeCom) Validate() error { return w.given() }

// Open reads the secret.
func (w *WeCom) Open(env Env) error {
	if err := w.open(env, wide, wide); err != nil {
		return err
	}
	return w.read("WeCom", "key")
}

// Quota is the documented one.
func (w *WeCom) Quota() policy.Quota { return w.quota(policy.Rate{N: 20, Per: time.Minute}) }

// Destination names the robot.
func (w *WeCom) Destination() string { return destination("wecom", w.WebhookURL) }

type weComBody struct {
	MsgType  string         `json:"msgtype"`
	Markdown *weComMarkdown `json:"markdown,omitempty"`
	Card     *weComCard     `json:"template_card,omitempty"`
}

type weComMarkdown struct {
	Content string `json:"content"`
}

type weComCard struct {
	CardType     string        `json:"card_type"`
	Source       *weComSource  `json:"source,omitempty"`
	MainTitle    weComTitle    `json:"main_title"`
	SubTitleText string        `json:"sub_title_text,omitempty"`
	Horizontal   []weComPair   `json:"horizontal_content_list,omitempty"` // at most 6
	JumpList     []weComJump   `json:"jump_list,omitempty"`               // at most 3
	CardAction   weComCardGoto `json:"card_action"`
}

type weComSource struct {
	Desc string `json:"desc"`
}

type weComTitle struct {
	Title string `json:"title"`
	Desc  string `json:"desc,omitempty"`
}

type weComPair struct {
	KeyName string `json:"keyname"`
	Value   string `json:"value,omitempty"`
}

type weComJump struct {
	Type  int    `json:"type"` // 1: an address
	Title string `json:"title"`
	URL   string `json:"url"`
}

type weComCardGoto struct {
	Type int    `json:"type"`
	URL  string `json:"url"`
}

// Send posts the message.
func (w *WeCom) Send(ctx context.Context, m cases.Message) Outcome {
	l := w.letter(m)
	md := markdown{sink: sink{limit: maxWeCom, size: bytesIn, esc: wide}, br: "\n", quote: "> ", acts: true}
	title, text := md.page(&w.Common, m, l)
	body := weComBody{MsgType: "markdown", Markdown: &weComMarkdown{text}}
	if w.Format == "card" && len(l.Links) > 0 && len(l.Items) == 0 {
		body = weComBody{MsgType: "template_card", Card: w.card(title, l)}
	}
	return w.postRobot(ctx, Request{URL: w.WebhookURL}, body, errcode, weComCode)
}

// card is the letter as a text notice. Texts of a card are not parsed; WeCom suggests 26 characters of title, 30 of description, 112 of text.
func (w *WeCom) card(title string, l letter) *weComCard {
	plain := sink{size: runesIn, esc: asIs}
	c := &weComCard{
		CardType: "text_notice", Source: &weComSource{"Foreshock"}, MainTitle: weComTitle{Title: plain.fit(l.Mark+" "+title, 60)},
		CardAction: weComCardGoto{1, l.Links[0].URL},
	}
	if len(l.Alerts) > 0 {
		c.SubTitleText = plain.fit(l.Alerts[0], 300)
	}
	for i, f := range l.Facts {
		if i == 6 {
			break
		}
		c.Horizontal = append(c.Horizontal, weComPair{KeyName: plain.fit(f, 60)})
	}
	for i, to := range append(append([]link{}, l.Acts...), l.Links[1:]...) {
		if i == 3 {
			break
		}
		c.JumpList = append(c.JumpList, weComJump{1, plain.fit(to.Text, 20), to.URL})
	}
	return c
}

// weComCode says what an error code means. Source: https://developer.work.weixin.qq.com/document/path/90313
func weComCode(code int) verdict {
	switch code {
	case 45009, 45033: // too fast, too many at once
		return verdict{StatusRetry, time.Minute}
	case -1, 50001, 50002, 50003: // busy
		return verdict{StatusRetry, 0}
	}
	return verdict{StatusPermanent, 0}
}

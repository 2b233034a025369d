// Package notify sends messages about cases to where people look: one file per channel, all over one HTTP poster.
//
// The idea: a channel is a registered options struct; decoded from the configuration and opened, it is the working channel. It turns a
// cases.Message into what its service takes, within that service's documented limits, and tells what became of it: sent, retry,
// permanent or unknown. Everything else (when, how often, what next) is decided by whoever calls.
//
//	c, err := notify.Open("slack", registry.FromMap(settings), notify.Env{Poster: notify.NewPoster(nil)})
//	receipt, err := c.Send(ctx, message).Result()
//
// Texts of alerts are data here: they are cleaned of hidden characters, escaped for the sink, and never a template. The package keeps no
// queue, repeats nothing and decides nothing.
package notify

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"text/template"
	"time"

	"github.com/foreshock/foreshock/pkg/message"
	"github.com/foreshock/foreshock/pkg/registry"
	"github.com/foreshock/foreshock/webhook/cases"
)

// Channel is one way to tell people. Its options struct embeds Common.
type Channel interface {
	// Validate checks the options, the presence of credentials included. It reads no file.
	Validate() error
	// Open makes the channel ready: it reads secrets from their files and keeps what it needs of the environment. It is called once,
	// before the first Send, and opens no connection.
	Open(Env) error
	// Send sends one message and returns when its fate is known, or the context ends. It is safe for concurrent use.
	Send(context.Context, cases.Message) Outcome
}

// Channels holds the kinds of channels that can be configured.
var Channels = registry.NewOf[Channel]("channel")

// Env is what a channel needs from the program around it. Zero fields get a sensible value.
type Env struct {
	Poster *Poster
	Logger *slog.Logger
	Lang   string // of channels that have none of their own; English when empty
	// ExternalURL is the address of the service's pages; links to cases are left out when it is empty.
	ExternalURL string
	Now         func() time.Time
	// Templates are what title and text of a channel may refer to; nil for none.
	Templates *Templates
	// Act is the address of a page that asks whether to do something to the case: "acknowledge" or "resolve". Nil: messages have no such links.
	Act func(c cases.Case, command string) string
	// Buttons says that what people click in Slack comes back to this service.
	Buttons bool
}

// Open makes the channel of that kind from its settings, ready to send.
func Open(kind string, settings registry.Decode, env Env) (Channel, error) {
	c, err := Channels.New(kind, settings)
	if err != nil {
		return nil, err
	}
	if env.Poster == nil {
		env.Poster = NewPoster(nil)
	}
	if env.Logger == nil {
		env.Logger = slog.New(slog.DiscardHandler)
	}
	if env.Now == nil {
		env.Now = time.Now
	}
	if env.Lang == "" {
		env.Lang = message.English
	}
	if err := c.Open(env); err != nil {
		return nil, fmt.Errorf("channel %s: %w", kind, err)
	}
	return c, nil
}

// Common holds the options that every channel has.
type Common struct {
	Lang  string `json:"lang" yaml:"lang" help:"language of the messages; auto is the language of the service" enum:"auto,en,zh-Hans"`
	Title string `json:"title" yaml:"title" help:"template of the title, in Alertmanager's language; empty is the built-in one"`
	Text  string `json:"text" yaml:"text" help:"template of the text, in Alertmanager's language and the channel's own markup; empty is the built-in one"`
	// PerMinute lowers the documented quota.
	PerMinute int `json:"per_minute" yaml:"per_minute" help:"messages a minute at most; 0 is what the service documents" min:"0" max:"100000"`

	env            Env
	titled, texted *template.Template
}

func common() Common { return Common{Lang: "auto"} }

// open keeps the environment and compiles the templates; esc makes data harmless for the channel, in its title and in its text.
func (c *Common) open(env Env, escTitle, escText func(string) string) error {
	c.env = env
	for _, t := range []struct {
		name, text string
		esc        func(string) string
		to         **template.Template
	}{{"title", c.Title, escTitle, &c.titled}, {"text", c.Text, escText, &c.texted}} {
		if t.text == "" {
			continue
		}
		compiled, err := env.Templates.compile(t.text, t.esc)
		if err != nil {
			return fmt.Errorf("parameter %q: %w", t.name, err)
		}
		*t.to = compiled
	}
	return c.try()
}

// asIs is the escape of a sink that reads nothing in a text.
func asIs(text string) string { return text }

// written are the title and the text that the channel's templates make, "" where it has none. A template that fails on this message is left aside, since
// the message must get out: the built-in texts stand in.
func (c *Common) written(m cases.Message) (title, text string) {
	d := data{}
	if c.titled != nil || c.texted != nil {
		d = c.data(m)
	}
	for _, t := range []struct {
		t  *template.Template
		to *string
	}{{c.titled, &title}, {c.texted, &text}} {
		if t.t == nil {
			continue
		}
		out, err := run(t.t, d)
		if err != nil {
			c.env.Logger.Warn("a template failed; the built-in text is sent", "channel", m.Channel, "case", m.Notice.Case.ID, "err", err)
			continue
		}
		*t.to = strings.TrimSpace(out)
	}
	return strings.Join(strings.Fields(title), " "), text
}

// lang is the language of the messages.
func (c *Common) lang() string {
	if c.Lang == "auto" || c.Lang == "" {
		return c.env.Lang
	}
	return c.Lang
}

// text is the catalogue's text in the channel's language.
func (c *Common) text(key string, args ...any) string { return message.Text(c.lang(), key, args...) }

// link is the address of the case's page, "" when the service's own address is not known.
func (c *Common) link(caseID string) string { return CaseLink(c.env.ExternalURL, caseID) }

// CaseLink is the address of a case's page under the external address of the service, "" without one.
func CaseLink(external, caseID string) string {
	if external == "" {
		return ""
	}
	link, err := url.JoinPath(external, "cases", url.PathEscape(caseID))
	if err != nil {
		return ""
	}
	return link
}

// subject is the message in one line: grade, what happened, title.
func (c *Common) subject(n cases.Notice) string {
	return c.text("webhook.subject."+string(n.What), "grade", n.Case.Grade, "title", message.Plain(n.Case.Title))
}

package notify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/foreshock/foreshock/pkg/message"
	"github.com/foreshock/foreshock/pkg/registry"
	"github.com/foreshock/foreshock/webhook/cases"
	"github.com/foreshock/foreshock/webhook/policy"
)

func init() {
	Channels.Add(registry.Entry[Channel]{
		Name:    "slack",
		Summary: "Posts to a Slack channel, through an incoming webhook or as a bot.",
		Source:  "https://docs.slack.dev (chat.postMessage, incoming webhooks, Block Kit, rate limits)",
		New:     func() Channel { return &Slack{Common: common(), APIURL: "https://slack.com/api/"} },
	})
}

// Slack posts messages to one Slack channel. With a bot token, what follows the first message of a case goes into its thread; an incoming
// webhook cannot do that, so each message stands alone.
type Slack struct {
	Common
	WebhookURL     Secret `json:"webhook_url" yaml:"webhook_url" help:"address of an incoming webhook"`
	WebhookURLFile string `json:"webhook_url_file" yaml:"webhook_url_file" help:"path of a file that holds webhook_url"`
	Token          Secret `json:"token" yaml:"token" help:"bot token (xoxb-…) with the scope chat:write"`
	TokenFile      string `json:"token_file" yaml:"token_file" help:"path of a file that holds token"`
	Channel        string `json:"channel" yaml:"channel" help:"ID (C0123456789) or name of the Slack channel; needed with a token"`
	APIURL         string `json:"api_url" yaml:"api_url" help:"address of Slack's Web API; another one for GovSlack or a relay"`

	pace pace
}

// Validate asks for exactly one way in.
func (s *Slack) Validate() error {
	hook, bot := s.WebhookURL != "" || s.WebhookURLFile != "", s.Token != "" || s.TokenFile != ""
	switch {
	case hook && bot:
		return errors.New(`parameters "webhook_url" and "token" are both set: want an incoming webhook or a bot token`)
	case !hook && !bot:
		return errors.New(`credentials are missing: want "webhook_url" or "webhook_url_file" (incoming webhook), or "token" or "token_file" (bot) with "channel"`)
	case bot && s.Channel == "":
		return errors.New(`parameter "channel" is missing: a bot token needs the Slack channel to post to, like C0123456789`)
	case hook && s.Channel != "":
		return fmt.Errorf("parameter %q: got %q, want none: an incoming webhook posts to the channel it was made for", "channel", s.Channel)
	}
	return nil
}

// Open reads the secrets.
func (s *Slack) Open(env Env) error {
	if err := s.open(env, asIs, escapeSlack); err != nil {
		return err
	}
	s.pace.now = env.Now
	var err error
	if s.Token, err = resolve("token", s.Token, s.TokenFile); err != nil {
		return err
	}
	if s.Token != "" {
		if !strings.HasPrefix(s.Token.Reveal(), "xox") {
			return errors.New(`parameter "token": want a bot token, which begins with xoxb-`)
		}
		_, err = parseURL("api_url", Secret(s.APIURL))
		return err
	}
	if s.WebhookURL, err = resolve("webhook_url", s.WebhookURL, s.WebhookURLFile); err != nil {
		return err
	}
	_, err = parseURL("webhook_url", s.WebhookURL)
	return err
}

// slackMessage is the body of both ways in; an incoming webhook ignores channel and threads.
type slackMessage struct {
	Channel        string       `json:"channel,omitempty"`
	Text           string       `json:"text"`
	Blocks         []slackBlock `json:"blocks"`
	ThreadTS       string       `json:"thread_ts,omitempty"`
	ReplyBroadcast bool         `json:"reply_broadcast,omitempty"`
	Mrkdwn         bool         `json:"mrkdwn"` // of text; always false
	LinkNames      bool         `json:"link_names"`
	Parse          string       `json:"parse"`
	UnfurlLinks    bool         `json:"unfurl_links"`
	UnfurlMedia    bool         `json:"unfurl_media"`
}

// Quota is the documented one: a message a second in a channel.
func (s *Slack) Quota() policy.Quota { return s.quota(policy.Rate{N: 1, Per: slackInterval}) }

// Destination names the Slack channel.
func (s *Slack) Destination() string {
	return destination("slack", s.WebhookURL, s.Token, Secret(s.Channel))
}

// Send posts the message, not before the channel's quota allows it. As a bot it first brings the case's own message up to date, and what is new goes into
// the thread below it.
func (s *Slack) Send(ctx context.Context, m cases.Message) Outcome {
	title, text := s.written(m)
	fallback := title
	switch {
	case len(m.Batch) > 0:
		fallback = s.digest(m).Subject
	case fallback == "":
		fallback = s.subject(m.Notice)
	}
	msg := slackMessage{Text: escapeSlack(message.CutRunes(fallback, maxSlackFallback, "…")), Blocks: s.blocks(m, title, text), Parse: "none"}
	req := Request{URL: s.WebhookURL, Header: map[string]string{"Content-Type": "application/json; charset=utf-8"}}
	if s.Token != "" {
		msg.Channel = s.Channel
		req.Header["Authorization"] = "Bearer " + s.Token.Reveal()
		req.Hide = []Secret{s.Token}
		if ts := m.Previous.Data["thread"]; ts != "" && len(m.Batch) == 0 {
			s.refresh(ctx, req, msg, m.Previous)
			// People watch the channel, not the threads: what wants attention is shown in both.
			msg.ThreadTS, msg.ReplyBroadcast = ts, m.Notice.What != cases.WhatResolved && m.Notice.What != cases.WhatAcknowledged
		}
		req.URL = Secret(strings.TrimSuffix(s.APIURL, "/") + "/chat.postMessage")
	}
	o, code := s.post(ctx, req, msg, m)
	if msg.ThreadTS != "" && o.Status == StatusPermanent && slices.Contains(slackThread, code) {
		// The first message was deleted, or its thread was locked. This one stands alone, and begins another thread.
		msg.ThreadTS, msg.ReplyBroadcast, m.Previous = "", false, cases.Receipt{}
		o, _ = s.post(ctx, req, msg, m)
	}
	return o
}

// slackUpdate is the body of chat.update.
type slackUpdate struct {
	Channel string       `json:"channel"`
	TS      string       `json:"ts"`
	Text    string       `json:"text"`
	Blocks  []slackBlock `json:"blocks"`
	Parse   string       `json:"parse"`
}

// refresh brings the case's own message up to date. That it fails (edited too late, deleted, too fast) changes nothing for the message that follows, which
// says the same.
func (s *Slack) refresh(ctx context.Context, req Request, msg slackMessage, before cases.Receipt) {
	channel := before.Data["channel"] // chat.update takes IDs only
	if channel == "" {
		return
	}
	body, err := json.Marshal(slackUpdate{Channel: channel, TS: before.Data["thread"], Text: msg.Text, Blocks: msg.Blocks, Parse: "none"})
	if err != nil {
		return
	}
	req.Body = body
	req.URL = Secret(strings.TrimSuffix(s.APIURL, "/") + "/chat.update")
	reply, o := s.env.Poster.Post(ctx, req)
	var answer struct {
		OK    bool   `json:"ok"`
		Error string `json:"error"`
	}
	if err := json.Unmarshal(reply.Body, &answer); o.Status != StatusSent || err != nil || !answer.OK {
		s.env.Logger.Debug("Slack did not update the message of the case", "status", reply.Status, "error", plain(scrub(answer.Error, secretsOf(req)...), 100))
	}
}

// post sends one message, and returns Slack's error code, if any.
func (s *Slack) post(ctx context.Context, req Request, msg slackMessage, m cases.Message) (o Outcome, code string) {
	var err error
	if req.Body, err = json.Marshal(msg); err != nil {
		return Permanent("the message cannot be written as JSON: " + err.Error()), ""
	}
	if wait, err := s.pace.wait(ctx); err != nil || wait > 0 {
		return Retry(wait, "not sent yet: Slack takes one message a second in a channel"), ""
	}
	reply, o := s.env.Poster.Post(ctx, req)
	if s.Token != "" && o.Status == StatusSent {
		o, code = slackAnswer(reply, o, m, secretsOf(req))
	}
	if o.Status == StatusRetry && (reply.Status == 429 || o.After > 0) {
		s.pace.block(o.After)
	}
	return o, code
}

// slackAnswer refines the outcome of a Web API call: the status is 200 for failures too. The text is Slack's error code.
func slackAnswer(reply Reply, o Outcome, m cases.Message, hide []string) (Outcome, string) {
	var body struct {
		OK      bool   `json:"ok"`
		Error   string `json:"error"`
		TS      string `json:"ts"`
		Channel string `json:"channel"`
	}
	if err := json.Unmarshal(reply.Body, &body); err != nil {
		o.Status, o.Reason = StatusUnknown, "Slack answered 200 with something that is not its JSON: "+o.Receipt.Reply
		return o, ""
	}
	if body.OK {
		thread := m.Previous.Data["thread"]
		if thread == "" {
			thread = body.TS
		}
		o.Receipt = cases.Receipt{ID: body.Channel + "/" + body.TS, Status: reply.Status, Data: map[string]string{"thread": thread, "ts": body.TS, "channel": body.Channel}}
		o.Reason = "posted"
		return o, ""
	}
	o.Reason = "Slack answered " + plain(scrub(body.Error, hide...), 100)
	switch {
	case slices.Contains(slackTransient, body.Error):
		o.Status = StatusRetry
	case slices.Contains(slackUncertain, body.Error):
		o.Status = StatusUnknown
	default:
		o.Status = StatusPermanent
	}
	return o, body.Error
}

// Error codes of chat.postMessage, as documented. All others mean that it never will be taken.
var (
	slackTransient = []string{"ratelimited", "rate_limited", "message_limit_exceeded", "service_unavailable", "request_timeout", "team_added_to_org", "accesslimited"}
	// Slack says of these that a part may have been done.
	slackUncertain = []string{"internal_error", "fatal_error"}
	// The thread is to blame, not the message.
	slackThread = []string{
		"thread_not_found", "message_not_found", "invalid_thread_ts", "cannot_reply_to_message", "restricted_action_thread_locked",
		"restricted_action_non_threadable_channel",
	}
)

// Slack's documented rate: one message per second and channel, short bursts tolerated but not promised.
const (
	slackInterval = time.Second
	// slackPatience is how long a Send waits for its turn; beyond it the caller has better things to do.
	slackPatience = 3 * time.Second
)

// pace spaces messages. The zero value with now set is ready.
type pace struct {
	now  func() time.Time
	mu   sync.Mutex
	next time.Time
}

// wait returns 0 when a message may go now, after waiting for its turn; else how long it would have to wait. It takes the turn only when
// it returns 0 and no error.
func (p *pace) wait(ctx context.Context) (time.Duration, error) {
	p.mu.Lock()
	now := p.now()
	ahead := p.next.Sub(now)
	if ahead > slackPatience {
		p.mu.Unlock()
		return ahead, nil
	}
	p.next = now.Add(max(ahead, 0) + slackInterval)
	p.mu.Unlock()
	if ahead <= 0 {
		return 0, nil
	}
	t := time.NewTimer(ahead)
	defer t.Stop()
	select {
	case <-t.C:
		return 0, nil
	case <-ctx.Done():
		return ahead, ctx.Err()
	}
}

// block lets nothing go for the time: Slack asked for it.
func (p *pace) block(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if at := p.now().Add(max(d, slackInterval)); at.After(p.next) {
		p.next = at
	}
}

package notify

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/foreshock/foreshock/pkg/message"
	"github.com/foreshock/foreshock/webhook/cases"
)

// Robots of chat services take JSON at an address that holds their key, and answer 200 whatever happens: what became of the message is a code in the body.

// RobotAddress is where a robot takes messages.
type RobotAddress struct {
	WebhookURL     Secret `json:"webhook_url" yaml:"webhook_url" help:"whole address of the robot, with its key, as the service shows it"`
	WebhookURLFile string `json:"webhook_url_file" yaml:"webhook_url_file" help:"path of a file that holds webhook_url"`
}

// given asks for an address.
func (a *RobotAddress) given() error {
	if a.WebhookURL == "" && a.WebhookURLFile == "" {
		return errNoSecret("webhook_url")
	}
	return nil
}

// read reads the address, and refuses one that lacks the query parameter that holds the key; "" when the key is in the path.
func (a *RobotAddress) read(service, parameter string) error {
	var err error
	if a.WebhookURL, err = resolve("webhook_url", a.WebhookURL, a.WebhookURLFile); err != nil {
		return err
	}
	u, err := parseURL("webhook_url", a.WebhookURL)
	if err != nil {
		return err
	}
	if parameter != "" && u.Query().Get(parameter) == "" {
		return fmt.Errorf(`parameter "webhook_url": has no %s: want the whole address that %s shows for the robot`, parameter, service)
	}
	return nil
}

// verdict says what a robot's code means.
type verdict struct {
	status Status
	after  time.Duration
}

// postRobot posts a body and judges the answer: read takes code and text from it, judge says what the code means. A code of 0 is success.
func (c *Common) postRobot(ctx context.Context, r Request, body any, read func([]byte) (int, string, error), judge func(int) verdict) Outcome {
	var err error
	if r.Body, err = json.Marshal(body); err != nil {
		return Permanent("the message cannot be written as JSON: " + err.Error())
	}
	if r.Header == nil {
		r.Header = map[string]string{}
	}
	r.Header["Content-Type"] = "application/json; charset=utf-8"
	reply, o := c.env.Poster.Post(ctx, r)
	if reply.Status == 0 || len(reply.Body) == 0 {
		if o.Status == StatusSent {
			o.Status, o.Reason = StatusUnknown, "the answer is empty"
		}
		return o
	}
	code, text, err := read(reply.Body)
	switch {
	case err != nil && o.Status == StatusSent:
		o.Status, o.Reason = StatusUnknown, "answered 200 with something that is not its JSON: "+o.Receipt.Reply
		return o
	case err != nil:
		return o
	case code == 0 && o.Status == StatusSent:
		o.Reason = "posted"
		return o
	case code != 0:
		v := judge(code)
		o.Status, o.After = v.status, max(v.after, o.After)
		o.Reason = "answered " + strconv.Itoa(code) + ": " + message.CutRunes(message.Plain(scrub(text, secretsOf(r)...)), 200, "…")
		o.Receipt.Reply = o.Reason
	}
	return o
}

// errcode reads {"errcode": 0, "errmsg": "ok"}, as DingTalk and WeCom answer.
func errcode(body []byte) (int, string, error) {
	var a struct {
		Code *int   `json:"errcode"`
		Text string `json:"errmsg"`
	}
	if err := json.Unmarshal(body, &a); err != nil {
		return 0, "", err
	}
	if a.Code == nil {
		return 0, "", fmt.Errorf("no errcode")
	}
	return *a.Code, a.Text, nil
}

// markdown is a letter in the Markdown that chat robots share: headings, bold, quotes and links.
type markdown struct {
	sink
	br    string // line break within a paragraph
	quote string // begins a quoted line
	acts  bool   // write the links that act as text; else the channel has buttons for them
}

// write lays the letter out within the sink's limit.
func (d markdown) write(c *Common, l letter) string {
	third := max(200, d.limit/6)
	head := "### " + l.Mark + " " + d.fit(l.Subject, third) + "\n"
	if len(l.Facts) > 0 {
		parts := []string{"**" + d.fit(l.Facts[0], 120) + "**"}
		for _, f := range l.Facts[1:] {
			parts = append(parts, d.fit(f, third))
		}
		head += strings.Join(parts, " · ") + d.br
	}
	if l.Note != "" {
		head += d.quote + d.fit(l.Note, third) + d.br
	}
	if l.Maybe != "" {
		head += d.quote + d.fit(l.Maybe, third) + d.br
	}
	var body []block
	for _, a := range l.Alerts {
		body = append(body, block{before: "\n" + d.quote, text: a, newline: d.br + d.quote, after: "\n"})
	}
	for _, it := range l.Items {
		b := block{before: "\n- ", text: it.Text}
		if it.Link != "" {
			b.before, b.after = "\n- [", "]("+it.Link+")"
		}
		body = append(body, b)
	}
	if len(l.Items) > 0 {
		body = append(body, block{text: "\n"})
	}
	tail := d.tail(l)
	return d.compose(head, tail, body, func(left int) string {
		n := left + l.More
		if len(l.Items) > 0 {
			n-- // the line end
		}
		if n <= 0 {
			return ""
		}
		return "\n" + d.esc(c.text("webhook.message.more", "count", n)) + "\n"
	})
}

// tail has the links, as many as a quarter of the message holds, and where it comes from.
func (d markdown) tail(l letter) string {
	links := l.Links
	if d.acts && len(links) > 0 {
		links = append(append(append([]link{}, links[0]), l.Acts...), links[1:]...)
	}
	out, room := "", d.limit/3
	for _, to := range links {
		one := "[" + d.esc(to.Text) + "](" + to.URL + ")"
		if out != "" {
			one = " · " + one
		}
		if room -= d.size(one); room < 0 {
			break
		}
		out += one
	}
	if out != "" {
		out = "\n" + out + d.br
	}
	if l.Where != "" {
		out += d.esc(l.Where)
	}
	return out
}

// page is the message as title and Markdown: by the channel's templates, or built in.
func (d markdown) page(c *Common, m cases.Message, l letter) (title, text string) {
	title, text = c.written(m)
	if title == "" {
		title = d.fit(l.Subject, 200)
	} else {
		title, _ = d.cutMarkup(title, 400, "")
	}
	if text == "" {
		if c.titled != nil {
			l.Subject = title
		}
		return title, d.write(c, l)
	}
	more := ""
	if len(l.Links) > 0 {
		more = "\n[" + d.esc(l.Links[0].Text) + "](" + l.Links[0].URL + ")"
	}
	text, _ = d.cutMarkup("### "+title+"\n"+text, d.limit, more)
	return title, text
}

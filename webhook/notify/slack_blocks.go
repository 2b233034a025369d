package notify

import (
	"fmt"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/foreshock/foreshock/pkg/message"
	"github.com/foreshock/foreshock/webhook/cases"
)

// Limits of a Slack message, in characters, from the Block Kit reference.
const (
	maxSlackBlocks   = 50
	maxSlackSection  = 3000
	maxSlackHeader   = 150
	maxSlackFallback = 300
	// maxSlackTotal bounds all blocks together: Slack answers msg_blocks_too_long from about 13,200 characters on, which no page documents
	// (slackapi/bolt-js issue 2509).
	maxSlackTotal = 12000
	// maxSlackAlerts is how many alerts are written out: more is a list that nobody reads, and the case page has them all.
	maxSlackAlerts = 10
	maxSlackURL    = 1500 // of one link, so that a section holds several; longer ones are left out, since a cut address leads nowhere
)

type slackText struct {
	Type     string `json:"type"`
	Text     string `json:"text"`
	Emoji    *bool  `json:"emoji,omitempty"`    // of plain_text
	Verbatim bool   `json:"verbatim,omitempty"` // of mrkdwn: addresses and names are not linked
}

type slackBlock struct {
	Type     string     `json:"type"`
	BlockID  string     `json:"block_id,omitempty"`
	Text     *slackText `json:"text,omitempty"`
	Elements []any      `json:"elements,omitempty"` // slackText in context, slackButton in actions
}

type slackButton struct {
	Type     string     `json:"type"`
	Text     *slackText `json:"text"`
	ActionID string     `json:"action_id"`
	Value    string     `json:"value"`
	Style    string     `json:"style,omitempty"`
}

// plainText is a text object in which nothing is parsed: the place for what came from alerts.
func plainText(text string, limit int) *slackText {
	off := false
	return &slackText{Type: "plain_text", Text: fitSlack(text, limit), Emoji: &off}
}

// mrkdwn is a text object for our own words and links. What came from alerts must be escaped by link or escapeSlack.
func mrkdwn(text string) *slackText {
	return &slackText{Type: "mrkdwn", Text: text, Verbatim: true}
}

var slackEscaper = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

// escapeSlack writes the three characters that Slack parses as entities; it decodes these three and no others.
func escapeSlack(text string) string { return slackEscaper.Replace(text) }

// fitSlack escapes the text and cuts it to limit characters as sent, never inside an entity.
func fitSlack(text string, limit int) string {
	escaped := escapeSlack(text)
	if utf8.RuneCountInString(escaped) <= limit {
		return escaped
	}
	var b strings.Builder
	room := limit - 1 // for the mark
	for _, r := range text {
		one := escapeSlack(string(r))
		if room -= utf8.RuneCountInString(one); room < 0 {
			break
		}
		b.WriteString(one)
	}
	return b.String() + "…"
}

// blocks draws the message: header, state, reason, alerts, links, and where it comes from. title and text are those of the channel's templates.
func (s *Slack) blocks(m cases.Message, title, text string) []slackBlock {
	n := m.Notice
	switch {
	case text != "":
		return s.ownBlocks(m, title, text)
	case len(m.Batch) > 0:
		return s.digestBlocks(m)
	}
	out := []slackBlock{
		{Type: "header", Text: plainText(mark(n)+" "+s.subject(n), maxSlackHeader)},
		{Type: "section", Text: mrkdwn(s.stateLine(n))},
	}
	if title != "" {
		out[0].Text = plainText(title, maxSlackHeader)
	}
	if n.Note != "" {
		out = append(out, slackBlock{Type: "section", Text: plainText(message.Plain(n.Note), 1000)})
	}
	footer := append(s.buttons(n), s.footer(m)...)
	room := maxSlackTotal - slackSize(out) - slackSize(footer) - 100 // for the line that counts the others
	shownAlerts := 0
	for _, a := range n.Alerts {
		block := slackBlock{Type: "section", Text: plainText(alertText(a), maxSlackSection)}
		size := slackSize([]slackBlock{block})
		if shownAlerts == maxSlackAlerts || size > room || len(out)+len(footer)+2 > maxSlackBlocks {
			break
		}
		room -= size
		out = append(out, block)
		shownAlerts++
	}
	if more := len(n.Alerts) - shownAlerts + n.More; more > 0 {
		out = append(out, slackBlock{Type: "section", Text: plainText(s.text("webhook.message.more", "count", more), 200)})
	}
	return append(out, footer...)
}

func (s *Slack) stateLine(n cases.Notice) string {
	parts := []string{"*" + s.text("webhook.what."+string(n.What)) + "*"}
	if n.Case.Total > 0 {
		parts = append(parts, s.text("webhook.message.firing", "firing", n.Case.Firing, "total", n.Case.Total))
	}
	if !n.Case.StartedAt.IsZero() {
		parts = append(parts, s.text("webhook.message.since", "time", slackTime(n.Case.StartedAt)))
	}
	if len(n.For) > 0 {
		parts = append(parts, s.text("webhook.message.for", "who", inCode(strings.Join(n.For, ", "))))
	}
	if n.Case.GradeReason != "" {
		parts = append(parts, s.text("webhook.message.grade", "grade", n.Case.Grade, "reason", inCode(string(n.Case.GradeReason))))
	}
	return strings.Join(parts, "  ·  ")
}

// ownBlocks draws what the channel's templates made: text is mrkdwn whose data are escaped.
func (s *Slack) ownBlocks(m cases.Message, title, text string) []slackBlock {
	var out []slackBlock
	if title != "" {
		out = append(out, slackBlock{Type: "header", Text: plainText(title, maxSlackHeader)})
	}
	count := sink{limit: maxSlackSection, size: runesIn, esc: asIs}
	for room := 3; text != "" && room > 0; room-- {
		part, whole := count.cutMarkup(text, maxSlackSection, "")
		if room > 1 && !whole {
			part = strings.TrimSuffix(part, "…")
			text = strings.TrimPrefix(text[len(part):], "\n")
		} else {
			text = ""
		}
		if strings.TrimSpace(part) != "" {
			out = append(out, slackBlock{Type: "section", Text: mrkdwn(part)})
		}
	}
	return append(append(out, s.buttons(m.Notice)...), s.footer(m)...)
}

// digestBlocks draws many messages as one list.
func (s *Slack) digestBlocks(m cases.Message) []slackBlock {
	l := s.digest(m)
	out := []slackBlock{
		{Type: "header", Text: plainText(l.Mark+" "+l.Subject, maxSlackHeader)},
		{Type: "section", Text: mrkdwn(escapeSlack(joinBy(" · ", l.Facts)))},
	}
	lines, left, room := "", l.More, maxSlackTotal-1000
	for i, it := range l.Items {
		line := "• " + slackData(it.Text)
		if to := slackLink(it.Link, s.text("webhook.link.case")); to != "" {
			line += "  " + to
		}
		if room -= runesIn(line) + 1; room < 0 {
			left += len(l.Items) - i
			break
		}
		if lines != "" && runesIn(lines)+runesIn(line)+1 > maxSlackSection {
			out = append(out, slackBlock{Type: "section", Text: mrkdwn(lines)})
			lines = ""
		}
		lines += line + "\n"
	}
	if lines != "" {
		out = append(out, slackBlock{Type: "section", Text: mrkdwn(lines)})
	}
	if left > 0 {
		out = append(out, slackBlock{Type: "section", Text: plainText(s.text("webhook.message.more", "count", left), 200)})
	}
	for _, to := range l.Links {
		out = append(out, slackBlock{Type: "section", Text: mrkdwn(slackLink(to.URL, to.Text))})
	}
	if l.Maybe != "" {
		out = append(out, slackBlock{Type: "context", Elements: []any{*plainText(l.Maybe, 300)}})
	}
	return out
}

// slackData is a text from an alert within our own mrkdwn, where it cannot stand in code: nothing in it formats or links.
func slackData(text string) string {
	return escapeSlack(strings.NewReplacer("*", "＊", "_", "＿", "~", "～", "`", "｀", "@", "＠").Replace(text))
}

// slackCommands are the buttons of a message, in order; what they send comes back signed, see webhook/api.
var slackCommands = []string{"acknowledge", "resolve", "assign", "mute", "useful", "noise"}

// buttons are what a person can do from Slack, while the case is open.
func (s *Slack) buttons(n cases.Notice) []slackBlock {
	if !s.env.Buttons || !n.Case.Open() || n.What == cases.WhatResolved {
		return nil
	}
	b := slackBlock{Type: "actions", BlockID: "foreshock"}
	for _, c := range slackCommands {
		if c == "acknowledge" && n.Case.State != cases.New {
			continue
		}
		one := slackButton{Type: "button", Text: plainText(s.text("webhook.button."+c), 75), ActionID: "foreshock:" + c, Value: fmt.Sprintf("%s/%d", n.Case.ID, n.Case.Epoch)}
		if c == "acknowledge" {
			one.Style = "primary"
		}
		b.Elements = append(b.Elements, one)
	}
	return []slackBlock{b}
}

// inCode shows a text from an alert within our own line, as it is: nothing is parsed within back-ticks, and its own are replaced.
func inCode(text string) string {
	return "`" + fitSlack(strings.ReplaceAll(message.Plain(text), "`", "'"), 200) + "`"
}

// slackTime lets Slack show the time in the reader's zone; the fallback is UTC.
func slackTime(t time.Time) string {
	return fmt.Sprintf("<!date^%d^{date_short_pretty} {time_secs}|%s>", t.Unix(), t.UTC().Format("2006-01-02 15:04:05 UTC"))
}

// footer has the links and where the message comes from.
func (s *Slack) footer(m cases.Message) []slackBlock {
	var links []string
	room := maxSlackSection
	add := func(to string) bool {
		if to == "" || utf8.RuneCountInString(to)+5 > room {
			return false
		}
		room -= utf8.RuneCountInString(to) + 5 // with the separator
		links = append(links, to)
		return true
	}
	add(slackLink(s.link(m.Notice.Case.ID), s.text("webhook.link.case")))
	seen := map[string]bool{}
	for _, a := range m.Notice.Alerts {
		for _, l := range []struct{ key, to string }{
			{"webhook.link.runbook", a.Annotations["runbook_url"]},
			{"webhook.link.dashboard", a.DashboardURL},
			{"webhook.link.panel", a.PanelURL},
			{"webhook.link.source", a.GeneratorURL},
		} {
			// One link of each sort: alerts of one case nearly always share them.
			if !seen[l.key] && add(slackLink(l.to, s.text(l.key)+hostOf(l.to))) {
				seen[l.key] = true
			}
		}
	}
	if !s.env.Buttons {
		for _, to := range s.acts(m.Notice) {
			add(slackLink(to.URL, to.Text))
		}
	}
	var out []slackBlock
	if len(links) > 0 {
		out = append(out, slackBlock{Type: "section", Text: mrkdwn(strings.Join(links, "  ·  "))})
	}
	where := []any{*plainText(s.text("webhook.message.where", "case", m.Notice.Case.ID, "epoch", m.Notice.Case.Epoch), 300)}
	if m.Interrupted {
		where = append(where, *plainText(s.text("webhook.message.maybe_repeated"), 300))
	}
	return append(out, slackBlock{Type: "context", Elements: where})
}

// slackLink is a link with our own text, "" when the address is none that a person should follow. Addresses that are too long to be sent
// are left out rather than cut.
func slackLink(address, text string) string {
	u, err := url.Parse(address)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.User != nil {
		return ""
	}
	clean := strings.NewReplacer("<", "%3C", ">", "%3E", "|", "%7C", "\"", "%22", "`", "%60", " ", "%20").Replace(u.String())
	if message.Plain(clean) != clean || len(clean) > maxSlackURL {
		return ""
	}
	return "<" + escapeSlack(clean) + "|" + escapeSlack(text) + ">"
}

// hostOf shows where a link from an alert leads, so that its text cannot pretend.
func hostOf(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return ""
	}
	return " (" + message.Plain(message.CutRunes(strings.Map(func(r rune) rune {
		if strings.ContainsRune("<>|*_~`&", r) {
			return -1
		}
		return r
	}, u.Hostname()), 60, "…")) + ")"
}

// slackSize counts the characters of all texts.
func slackSize(blocks []slackBlock) int {
	n := 0
	for _, b := range blocks {
		if b.Text != nil {
			n += utf8.RuneCountInString(b.Text.Text)
		}
		for _, e := range b.Elements {
			switch e := e.(type) {
			case slackText:
				n += utf8.RuneCountInString(e.Text)
			case slackButton:
				n += utf8.RuneCountInString(e.Text.Text)
			}
		}
	}
	return n
}

// SlackText is a text that Slack shows as it is.
func SlackText(text string) string {
	return escapeSlack(message.CutRunes(message.Plain(text), 1000, "…"))
}

package notify

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/foreshock/foreshock/pkg/message"
	"github.com/foreshock/foreshock/webhook/alert"
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
	Type     string      `json:"type"`
	Text     *slackText  `json:"text,omitempty"`
	Elements []slackText `json:"elements,omitempty"` // of context
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

// blocks draws the message: header, state, reason, alerts, links, and where it comes from.
func (s *Slack) blocks(m cases.Message) []slackBlock {
	n := m.Notice
	out := []slackBlock{
		{Type: "header", Text: plainText(slackMark(n)+" "+s.subject(n), maxSlackHeader)},
		{Type: "section", Text: mrkdwn(s.stateLine(n))},
	}
	if n.Note != "" {
		out = append(out, slackBlock{Type: "section", Text: plainText(message.Plain(n.Note), 1000)})
	}
	footer := s.footer(m)
	room := maxSlackTotal - slackSize(out) - slackSize(footer) - 100 // for the line that counts the others
	shownAlerts := 0
	for _, a := range n.Alerts {
		block := slackBlock{Type: "section", Text: plainText(s.alertText(a), maxSlackSection)}
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

// slackMark is one coloured sign, for eyes that skim.
func slackMark(n cases.Notice) string {
	if n.What == cases.WhatResolved {
		return "✅"
	}
	return []string{"🔴", "🟠", "🟡", "🔵"}[min(int(n.Case.Grade), 3)]
}

func (s *Slack) stateLine(n cases.Notice) string {
	parts := []string{"*" + s.text("webhook.what."+string(n.What)) + "*"}
	if n.Case.Total > 0 {
		parts = append(parts, s.text("webhook.message.firing", "firing", n.Case.Firing, "total", n.Case.Total))
	}
	if !n.Case.StartedAt.IsZero() {
		parts = append(parts, s.text("webhook.message.since", "time", slackTime(n.Case.StartedAt)))
	}
	if n.Case.GradeReason != "" {
		parts = append(parts, s.text("webhook.message.grade", "grade", n.Case.Grade, "reason", inCode(string(n.Case.GradeReason))))
	}
	return strings.Join(parts, "  ·  ")
}

// inCode shows a text from an alert within our own line, as it is: nothing is parsed within back-ticks, and its own are replaced.
func inCode(text string) string {
	return "`" + fitSlack(strings.ReplaceAll(message.Plain(text), "`", "'"), 200) + "`"
}

// slackTime lets Slack show the time in the reader's zone; the fallback is UTC.
func slackTime(t time.Time) string {
	return fmt.Sprintf("<!date^%d^{date_short_pretty} {time_secs}|%s>", t.Unix(), t.UTC().Format("2006-01-02 15:04:05 UTC"))
}

// alertText is one alert as plain lines: name, prose, labels.
func (s *Slack) alertText(a alert.Alert) string {
	sign := "●"
	if a.Status == alert.Resolved {
		sign = "○"
	}
	lines := []string{sign + " " + message.Plain(a.Name())}
	for _, name := range []string{"summary", "description", "message"} {
		if text := strings.TrimSpace(message.PlainLines(a.Annotations[name])); text != "" && !slices.Contains(lines, text) {
			lines = append(lines, message.CutRunes(text, 800, "…"))
		}
	}
	if a.ValueString != "" {
		lines = append(lines, message.CutRunes(message.Plain(a.ValueString), 300, "…"))
	}
	var labels []string
	for _, name := range a.Labels.Names() {
		if name != "alertname" && !strings.HasPrefix(name, "__") {
			labels = append(labels, message.CutRunes(message.Plain(name), 100, "…")+"="+strconv.Quote(message.CutRunes(message.Plain(a.Labels[name]), 200, "…")))
		}
	}
	if len(labels) > 0 {
		lines = append(lines, strings.Join(labels, "  "))
	}
	return message.CutRunes(strings.Join(lines, "\n"), 2000, "…")
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
	var out []slackBlock
	if len(links) > 0 {
		out = append(out, slackBlock{Type: "section", Text: mrkdwn(strings.Join(links, "  ·  "))})
	}
	where := []slackText{*plainText(s.text("webhook.message.where", "case", m.Notice.Case.ID, "epoch", m.Notice.Case.Epoch), 300)}
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
			n += utf8.RuneCountInString(e.Text)
		}
	}
	return n
}

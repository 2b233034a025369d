package notify

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/foreshock/foreshock/pkg/message"
	"github.com/foreshock/foreshock/webhook/alert"
	"github.com/foreshock/foreshock/webhook/cases"
)

// letter is what a message says, before any channel has written it: texts without markup, cleaned of what hides or reorders, not escaped.
type letter struct {
	Mark    string   // one coloured sign, for eyes that skim
	Subject string   // one line
	Facts   []string // one line each, short
	Note    string
	Alerts  []string // one text each, of one or more lines
	More    int      // alerts that are not in Alerts
	Items   []item   // of a digest: one line per message in it; then there are no Alerts
	Links   []link   // safe to follow; the first leads to the case when the service's address is known
	Acts    []link   // pages that ask before they do something
	Where   string   // where the message comes from
	Maybe   string   // that it may have come before; "" mostly
}

// item is one line of a digest.
type item struct {
	Text string
	Link string
}

// link is an address with our own text.
type link struct {
	Text string
	URL  string
}

// Bounds of a letter: more is a wall that nobody reads, and the case page has all of it.
const (
	maxLetterAlerts = 10
	maxLetterItems  = 40
	maxLetterURL    = 1500 // longer addresses are left out, since a cut one leads nowhere
)

// letter says what the message says.
func (c *Common) letter(m cases.Message) letter {
	if len(m.Batch) > 0 {
		return c.digest(m)
	}
	n := m.Notice
	l := letter{Mark: mark(n), Subject: message.CutRunes(c.subject(n), 300, "…"), Facts: c.facts(n, plainTime), Note: plain(n.Note, 500)}
	for i, a := range n.Alerts {
		if i == maxLetterAlerts {
			break
		}
		l.Alerts = append(l.Alerts, alertText(a))
	}
	l.More = len(n.Alerts) - len(l.Alerts) + n.More
	l.Links = c.links(n)
	l.Acts = c.acts(n)
	l.Where = c.where(n)
	if m.Interrupted {
		l.Maybe = c.text("webhook.message.maybe_repeated")
	}
	return l
}

// digest says many messages in one: how many of each grade, and one line each.
func (c *Common) digest(m cases.Message) letter {
	worst := m.Batch[0]
	counts := map[string]int{}
	for _, n := range m.Batch {
		if n.Case.Grade < worst.Case.Grade {
			worst = n
		}
		counts[n.Case.Grade.String()]++
	}
	var parts []string
	for _, g := range []string{"P0", "P1", "P2", "P3"} {
		if counts[g] > 0 {
			parts = append(parts, g+": "+strconv.Itoa(counts[g]))
		}
	}
	l := letter{
		Mark: mark(worst), Subject: c.text("webhook.digest.subject", "count", len(m.Batch), "grades", strings.Join(parts, ", ")),
		Facts: []string{c.text("webhook.digest.why")},
	}
	for i, n := range m.Batch {
		if i == maxLetterItems {
			break
		}
		it := item{Text: mark(n) + " " + message.CutRunes(c.subject(n), 160, "…")}
		if to := cleanURL(c.link(n.Case.ID)); to != "" {
			it.Link = to
		}
		l.Items = append(l.Items, it)
	}
	l.More = len(m.Batch) - len(l.Items)
	if home := cleanURL(c.env.ExternalURL); home != "" {
		l.Links = []link{{c.text("webhook.link.cases"), home}}
	}
	if m.Interrupted {
		l.Maybe = c.text("webhook.message.maybe_repeated")
	}
	return l
}

// mark is the coloured sign of a notice.
func mark(n cases.Notice) string {
	switch n.What {
	case cases.WhatResolved:
		return "✅"
	case cases.WhatMerged:
		return "➡️"
	}
	return []string{"🔴", "🟠", "🟡", "🔵"}[min(int(n.Case.Grade), 3)]
}

// facts are the state of the case in short parts; when writes a time.
func (c *Common) facts(n cases.Notice, when func(time.Time) string) []string {
	parts := []string{c.text("webhook.what." + string(n.What))}
	if n.Case.Total > 0 {
		parts = append(parts, c.text("webhook.message.firing", "firing", n.Case.Firing, "total", n.Case.Total))
	}
	if !n.Case.StartedAt.IsZero() {
		parts = append(parts, c.text("webhook.message.since", "time", when(n.Case.StartedAt)))
	}
	if len(n.For) > 0 {
		parts = append(parts, c.text("webhook.message.for", "who", plain(strings.Join(n.For, ", "), 200)))
	}
	if n.Case.GradeReason != "" {
		reason := plain(string(n.Case.GradeReason), 200)
		parts = append(parts, c.text("webhook.message.grade", "grade", n.Case.Grade, "reason", reason))
	}
	return parts
}

func plainTime(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

func (c *Common) where(n cases.Notice) string {
	return c.text("webhook.message.where", "case", plain(n.Case.ID, 100), "epoch", n.Case.Epoch)
}

// alertText is one alert as plain lines: name, prose, labels.
func alertText(a alert.Alert) string {
	sign := "●"
	if a.Status == alert.Resolved {
		sign = "○"
	}
	lines := []string{sign + " " + plain(a.Name(), 300)}
	for _, name := range []string{"summary", "description", "message"} {
		if text := strings.TrimSpace(plainLines(a.Annotations[name], 800)); text != "" && !slices.Contains(lines, text) {
			lines = append(lines, text)
		}
	}
	if a.ValueString != "" {
		lines = append(lines, plain(a.ValueString, 300))
	}
	var labels []string
	for _, name := range a.Labels.Names() {
		if name != "alertname" && !strings.HasPrefix(name, "__") {
			labels = append(labels, plain(name, 100)+"="+strconv.Quote(plain(a.Labels[name], 200)))
		}
	}
	if len(labels) > 0 {
		lines = append(lines, strings.Join(labels, "  "))
	}
	return message.CutRunes(strings.Join(lines, "\n"), 2000, "…")
}

// links lead to the case and, one of each sort, to what the alerts name; the host is shown where an alert chose the address.
func (c *Common) links(n cases.Notice) []link {
	var out []link
	if to := cleanURL(c.link(n.Case.ID)); to != "" {
		out = append(out, link{c.text("webhook.link.case"), to})
	}
	seen := map[string]bool{}
	for _, a := range n.Alerts {
		for _, l := range []struct{ key, to string }{
			{"webhook.link.runbook", a.Annotations["runbook_url"]},
			{"webhook.link.dashboard", a.DashboardURL},
			{"webhook.link.panel", a.PanelURL},
			{"webhook.link.source", a.GeneratorURL},
		} {
			// One link of each sort: alerts of one case nearly always share them.
			if to := cleanURL(l.to); to != "" && !seen[l.key] {
				seen[l.key] = true
				out = append(out, link{c.text(l.key) + hostOf(l.to), to})
			}
		}
	}
	return out
}

// acts are links that ask before they act; none for a case that is over.
func (c *Common) acts(n cases.Notice) []link {
	if c.env.Act == nil || !n.Case.Open() || n.What == cases.WhatResolved {
		return nil
	}
	var out []link
	for _, what := range []string{"acknowledge", "resolve"} {
		if to := cleanURL(c.env.Act(n.Case, what)); to != "" {
			out = append(out, link{c.text("webhook.page.command." + what), to})
		}
	}
	return out
}

// cleanURL is the address with nothing in it that a sink could read as markup, "" when it is none that a person should follow.
func cleanURL(address string) string {
	u, err := url.Parse(address)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.User != nil {
		return ""
	}
	clean := strings.NewReplacer("<", "%3C", ">", "%3E", "|", "%7C", "\"", "%22", "`", "%60", " ", "%20",
		"(", "%28", ")", "%29", "[", "%5B", "]", "%5D", "'", "%27", "\\", "%5C", "*", "%2A").Replace(u.String())
	if strings.Contains(u.Host, "[") { // an IPv6 address keeps its brackets
		return ""
	}
	if message.Plain(clean) != clean || len(clean) > maxLetterURL {
		return ""
	}
	return clean
}

// plain is message.Plain of at most so many characters, the cut marked. It is cut first: cleaning a long text costs.
func plain(text string, limit int) string {
	return message.CutRunes(message.Plain(message.CutRunes(text, limit+1, "")), limit, "…")
}

// plainLines is plain that keeps line ends.
func plainLines(text string, limit int) string {
	return message.CutRunes(message.PlainLines(message.CutRunes(text, limit+1, "")), limit, "…")
}

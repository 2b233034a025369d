package notify

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"text/template"
	"text/template/parse"
	"time"

	amtemplate "github.com/prometheus/alertmanager/template"

	"github.com/foreshock/foreshock/pkg/message"
	"github.com/foreshock/foreshock/webhook/alert"
	"github.com/foreshock/foreshock/webhook/cases"
)

// Templates are what a person's template files define, in Alertmanager's template language with its functions and its data, so that templates
// written for Alertmanager work. A nil *Templates defines nothing.
//
// What a template prints between its own words is data: it is escaped for the channel by a step that is put behind every printing
// action, as html/template does, whatever functions it went through before. Source: https://prometheus.io/docs/alerting/latest/notifications/
type Templates struct {
	set *template.Template
}

// maxRendered bounds what a template writes: the largest message of any channel is PagerDuty's 512 KB.
const maxRendered = 1 << 20

// escapeStep is the name of the step behind every printing action.
const escapeStep = "_escape"

// funcs are Alertmanager's functions; the step that escapes is replaced for each channel.
func funcs() template.FuncMap {
	out := template.FuncMap{escapeStep: func(v any) string { return fmt.Sprint(v) }}
	for name, f := range amtemplate.DefaultFuncs {
		out[name] = f
	}
	return out
}

// LoadTemplates reads the files that the patterns match. A pattern that matches nothing is a mistake.
func LoadTemplates(patterns []string) (*Templates, error) {
	set := template.New("").Option("missingkey=zero").Funcs(funcs())
	for _, p := range patterns {
		next, err := set.ParseGlob(p)
		if err != nil {
			return nil, fmt.Errorf("templates %q: %w", p, err)
		}
		set = next
	}
	return &Templates{set}, nil
}

// compile makes a template of a text, such as {{ template "my.title" . }}, whose data are escaped by esc, but for what one of the functions in
// safe prints.
func (t *Templates) compile(text string, esc func(string) string, safe ...string) (*template.Template, error) {
	set := template.New("").Option("missingkey=zero").Funcs(funcs())
	if t != nil && t.set != nil {
		clone, err := t.set.Clone()
		if err != nil {
			return nil, err
		}
		set = clone
	}
	main, err := set.New("main").Parse(text)
	if err != nil {
		return nil, err
	}
	out := template.New("main").Option("missingkey=zero").Funcs(funcs()).Funcs(template.FuncMap{escapeStep: func(v any) string { return esc(message.PlainLines(fmt.Sprint(v))) }})
	for _, one := range main.Templates() {
		if one.Tree == nil || one.Root == nil {
			continue
		}
		tree := one.Tree.Copy()
		guard(tree, tree.Root, safe)
		if _, err := out.AddParseTree(one.Name(), tree); err != nil {
			return nil, err
		}
	}
	if out.Lookup("main") == nil {
		return nil, errors.New("the template is empty")
	}
	return out.Lookup("main"), nil
}

// guard puts the escaping step behind every action that prints.
func guard(tree *parse.Tree, n parse.Node, safe []string) {
	switch n := n.(type) {
	case *parse.ListNode:
		if n == nil {
			return
		}
		for _, c := range n.Nodes {
			guard(tree, c, safe)
		}
	case *parse.ActionNode:
		if len(n.Pipe.Decl) == 0 && !prints(n.Pipe, safe) {
			step := &parse.CommandNode{NodeType: parse.NodeCommand, Pos: n.Pos, Args: []parse.Node{parse.NewIdentifier(escapeStep).SetPos(n.Pos).SetTree(tree)}}
			n.Pipe.Cmds = append(n.Pipe.Cmds, step)
		}
	case *parse.IfNode:
		guard(tree, n.List, safe)
		guard(tree, n.ElseList, safe)
	case *parse.RangeNode:
		guard(tree, n.List, safe)
		guard(tree, n.ElseList, safe)
	case *parse.WithNode:
		guard(tree, n.List, safe)
		guard(tree, n.ElseList, safe)
	}
}

// prints reports whether what the pipeline prints comes from one of the functions.
func prints(p *parse.PipeNode, safe []string) bool {
	id, ok := p.Cmds[len(p.Cmds)-1].Args[0].(*parse.IdentifierNode)
	return ok && slices.Contains(safe, id.Ident)
}

// data is what a template sees: Alertmanager's data, and the case beside it.
type data struct {
	amtemplate.Data
	What    string
	Grade   string
	Title   string
	Link    string
	Note    string
	Subject string
	Lang    string
	Case    cases.Case
	Batch   []data // of a digest
}

func (c *Common) data(m cases.Message) data {
	d := c.dataOf(m.Channel, m.Notice)
	for _, n := range m.Batch {
		d.Batch = append(d.Batch, c.dataOf(m.Channel, n))
	}
	return d
}

func (c *Common) dataOf(channel string, n cases.Notice) data {
	d := data{
		What: string(n.What), Grade: n.Case.Grade.String(), Title: n.Case.Title, Link: c.link(n.Case.ID), Note: n.Note, Lang: c.lang(), Case: n.Case,
		Subject: c.subject(n),
		Data: amtemplate.Data{
			Receiver: channel, Status: string(alert.Firing), NotificationReason: string(n.What), GroupLabels: amtemplate.KV{}, CommonLabels: amtemplate.KV{},
			CommonAnnotations: amtemplate.KV{}, RouteLabels: amtemplate.KV{}, ExternalURL: c.env.ExternalURL, Alerts: amtemplate.Alerts{},
		},
	}
	if n.What == cases.WhatResolved || n.What == cases.WhatMerged { // of a merged case nothing more comes: what was begun by its name must end
		d.Status = string(alert.Resolved)
	}
	for _, a := range n.Alerts {
		d.Alerts = append(d.Alerts, amtemplate.Alert{
			Status: string(a.Status), Labels: amtemplate.KV(a.Labels), Annotations: amtemplate.KV(a.Annotations), StartsAt: a.StartsAt, EndsAt: a.EndsAt,
			GeneratorURL: a.GeneratorURL, Fingerprint: a.Fingerprint,
		})
	}
	if name := n.Case.Labels["alertname"]; name != "" {
		d.GroupLabels["alertname"] = name
	}
	d.CommonLabels = sharedBy(d.Alerts, func(a amtemplate.Alert) amtemplate.KV { return a.Labels })
	d.CommonAnnotations = sharedBy(d.Alerts, func(a amtemplate.Alert) amtemplate.KV { return a.Annotations })
	return d
}

// sharedBy keeps the pairs that all alerts have.
func sharedBy(alerts amtemplate.Alerts, of func(amtemplate.Alert) amtemplate.KV) amtemplate.KV {
	out := amtemplate.KV{}
	if len(alerts) == 0 {
		return out
	}
pairs:
	for k, v := range of(alerts[0]) {
		for _, a := range alerts[1:] {
			if w, ok := of(a)[k]; !ok || w != v {
				continue pairs
			}
		}
		out[k] = v
	}
	return out
}

// run executes a template; what it writes beyond maxRendered is left off.
func run(t *template.Template, d data) (string, error) {
	w := &bounded{left: maxRendered}
	if err := t.Execute(w, d); err != nil && !errors.Is(err, errFull) {
		return "", err
	}
	return strings.ToValidUTF8(w.b.String(), ""), nil
}

type bounded struct {
	b    strings.Builder
	left int
}

var errFull = errors.New("the template writes too much")

func (w *bounded) Write(p []byte) (int, error) {
	n := min(len(p), w.left)
	w.b.Write(p[:n])
	if w.left -= n; n < len(p) {
		return n, errFull
	}
	return n, nil
}

// try runs the channel's templates on a made-up message, so that what never can work is found at the start and not at the first page.
func (c *Common) try() error {
	at := time.Unix(0, 0).UTC()
	a := alert.Alert{Status: alert.Firing, Labels: alert.Labels{"alertname": "Example", "severity": "warning"}, Annotations: alert.Labels{"summary": "an example"}, StartsAt: at}
	n := cases.Notice{What: cases.WhatOpened, At: at, Alerts: []alert.Alert{a}, Case: cases.Case{ID: "example", Title: "Example", State: cases.New, Labels: a.Labels, StartedAt: at, Epoch: 1}}
	for _, t := range []struct {
		name string
		t    *template.Template
	}{{"title", c.titled}, {"text", c.texted}} {
		if t.t == nil {
			continue
		}
		if _, err := run(t.t, c.data(cases.Message{Channel: "example", Notice: n})); err != nil {
			return fmt.Errorf("parameter %q: %w", t.name, err)
		}
	}
	return nil
}

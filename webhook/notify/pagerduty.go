package notify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/foreshock/foreshock/pkg/message"
	"github.com/foreshock/foreshock/pkg/registry"
	"github.com/foreshock/foreshock/webhook/alert"
	"github.com/foreshock/foreshock/webhook/cases"
)

func init() {
	Channels.Add(registry.Entry[Channel]{
		Name:    "pagerduty",
		Summary: "Opens, acknowledges and resolves PagerDuty incidents through an Events API v2 integration.",
		Source:  "https://developer.pagerduty.com/docs/events-api-v2-overview (dedup_key, severities, 512 KB, response codes)",
		New:     func() Channel { return &PagerDuty{Common: common(), URL: "https://events.pagerduty.com/v2/enqueue"} },
	})
}

// PagerDuty sends events to one integration. All events of one opening of a case have one dedup_key, so they are one incident.
type PagerDuty struct {
	Common
	RoutingKey     Secret `json:"routing_key" yaml:"routing_key" help:"integration key of an Events API v2 integration, 32 characters"`
	RoutingKeyFile string `json:"routing_key_file" yaml:"routing_key_file" help:"path of a file that holds routing_key"`
	URL            string `json:"url" yaml:"url" help:"address of the Events API; https://events.eu.pagerduty.com/v2/enqueue in Europe"`
}

// Limits of an event, from PagerDuty's documentation.
const (
	maxPagerDuty        = 512 << 10 // bytes of the whole event
	maxPagerDutySummary = 1024      // characters
	maxPagerDutyKey     = 255       // characters
	maxPagerDutyText    = 2000      // of one detail: the documentation has none; enough to read
)

// Validate asks for the key.
func (p *PagerDuty) Validate() error {
	if p.RoutingKey == "" && p.RoutingKeyFile == "" {
		return errNoSecret("routing_key")
	}
	return nil
}

var pagerDutyKey = regexp.MustCompile(`^[A-Za-z0-9]{32}$`)

// Open reads the secret.
func (p *PagerDuty) Open(env Env) error {
	if err := p.open(env, asIs, asIs); err != nil {
		return err
	}
	var err error
	if p.RoutingKey, err = resolve("routing_key", p.RoutingKey, p.RoutingKeyFile); err != nil {
		return err
	}
	if !pagerDutyKey.MatchString(p.RoutingKey.Reveal()) {
		return errors.New(`parameter "routing_key": want the 32 letters and digits of an Events API v2 integration key`)
	}
	_, err = parseURL("url", Secret(p.URL))
	return err
}

// SingleOnly says that every incident is an event of its own.
func (*PagerDuty) SingleOnly() {}

type pagerDutyEvent struct {
	RoutingKey  string            `json:"routing_key"`
	EventAction string            `json:"event_action"`
	DedupKey    string            `json:"dedup_key"`
	Client      string            `json:"client,omitempty"`
	ClientURL   string            `json:"client_url,omitempty"`
	Payload     *pagerDutyPayload `json:"payload,omitempty"`
	Links       []pagerDutyLink   `json:"links,omitempty"`
}

type pagerDutyPayload struct {
	Summary       string         `json:"summary"`
	Source        string         `json:"source"`
	Severity      string         `json:"severity"`
	Timestamp     string         `json:"timestamp,omitempty"`
	Component     string         `json:"component,omitempty"`
	Group         string         `json:"group,omitempty"`
	Class         string         `json:"class,omitempty"`
	CustomDetails map[string]any `json:"custom_details,omitempty"`
}

type pagerDutyLink struct {
	Href string `json:"href"`
	Text string `json:"text"`
}

// Send posts the event.
func (p *PagerDuty) Send(ctx context.Context, m cases.Message) Outcome {
	body, err := p.body(m)
	if err != nil {
		return Permanent(err.Error())
	}
	reply, o := p.env.Poster.Post(ctx, Request{
		URL: Secret(p.URL), Header: map[string]string{"Content-Type": "application/json"}, Body: body, Hide: []Secret{p.RoutingKey},
	})
	if o.Status == StatusSent {
		var a struct {
			DedupKey string `json:"dedup_key"`
		}
		_ = json.Unmarshal(reply.Body, &a) // 202 is what counts
		o.Receipt.ID = plain(scrub(a.DedupKey, p.RoutingKey.Reveal()), maxPagerDutyKey)
	}
	return o
}

func (p *PagerDuty) body(m cases.Message) ([]byte, error) {
	n := m.Notice
	e := pagerDutyEvent{RoutingKey: p.RoutingKey.Reveal(), EventAction: "trigger", DedupKey: DedupKey(n.Case.ID, n.Case.Epoch)}
	switch n.What {
	case cases.WhatResolved, cases.WhatMerged: // a merged case is never heard of again: the other one has an incident of its own
		e.EventAction = "resolve"
	case cases.WhatAcknowledged:
		e.EventAction = "acknowledge"
	}
	if e.EventAction != "trigger" {
		return json.Marshal(e)
	}
	title, text := p.written(m)
	if title == "" {
		title = p.subject(n)
	}
	l := p.letter(m)
	e.Client, e.ClientURL = "Foreshock", cleanURL(p.link(n.Case.ID))
	e.Payload = &pagerDutyPayload{
		Summary: message.CutRunes(title, maxPagerDutySummary, "…"), Source: source(n), Severity: pagerDutySeverity(n), Class: short(n.Case.Labels["alertname"]),
		Component: short(n.Case.Labels["service"]), Group: short(n.Case.Labels["job"]), CustomDetails: map[string]any{"state": joinBy(" · ", l.Facts), "case": short(n.Case.ID)},
	}
	if !n.Case.StartedAt.IsZero() {
		e.Payload.Timestamp = n.Case.StartedAt.UTC().Format(time.RFC3339)
	}
	d := e.Payload.CustomDetails
	if l.Note != "" {
		d["note"] = l.Note
	}
	if text != "" {
		d["text"] = message.CutRunes(text, 20000, "…")
	}
	for _, to := range l.Links {
		e.Links = append(e.Links, pagerDutyLink{to.URL, to.Text})
	}
	return fitEvent(e, n)
}

// fitEvent adds the alerts, as many as the size allows.
func fitEvent(e pagerDutyEvent, n cases.Notice) ([]byte, error) {
	var alerts []map[string]any
	for _, a := range n.Alerts {
		alerts = append(alerts, details(a))
	}
	for {
		if len(alerts) > 0 {
			e.Payload.CustomDetails["alerts"] = alerts
		} else {
			delete(e.Payload.CustomDetails, "alerts")
		}
		if more := len(n.Alerts) - len(alerts) + n.More; more > 0 {
			e.Payload.CustomDetails["more_alerts"] = more
		}
		body, err := json.Marshal(e)
		if err != nil || len(body) <= maxPagerDuty || len(alerts) == 0 {
			return body, err
		}
		alerts = alerts[:len(alerts)/2]
	}
}

// details are an alert's texts, shortened.
func details(a alert.Alert) map[string]any {
	pairs := func(l alert.Labels) map[string]string {
		out := map[string]string{}
		for i, k := range l.Names() {
			if i == 64 {
				break
			}
			out[plain(k, 200)] = plainLines(l[k], maxPagerDutyText)
		}
		return out
	}
	out := map[string]any{"status": string(a.Status), "labels": pairs(a.Labels), "annotations": pairs(a.Annotations)}
	if to := cleanURL(a.GeneratorURL); to != "" {
		out["source"] = to
	}
	if a.ValueString != "" {
		out["values"] = plain(a.ValueString, maxPagerDutyText)
	}
	return out
}

// DedupKey is PagerDuty's name of one opening of a case; it never changes.
func DedupKey(caseID string, epoch int) string {
	key := fmt.Sprintf("foreshock/%s/%d", caseID, epoch)
	if len(key) <= maxPagerDutyKey {
		return key
	}
	return "foreshock/" + destination("case", Secret(key))
}

// CaseOfKey is the case and the opening that a dedup key names; ok is false when it is none of ours.
func CaseOfKey(key string) (caseID string, epoch int, ok bool) {
	rest, found := strings.CutPrefix(key, "foreshock/")
	id, number, two := strings.Cut(rest, "/")
	if !found || !two {
		return "", 0, false
	}
	if _, err := fmt.Sscanf(number, "%d", &epoch); err != nil || fmt.Sprint(epoch) != number || id == "" {
		return "", 0, false
	}
	return id, epoch, true
}

func short(text string) string { return plain(text, 255) }

// source is what is affected, by the alert's labels.
func source(n cases.Notice) string {
	for _, name := range []string{"instance", "service", "job", "host", "namespace"} {
		if v := short(n.Case.Labels[name]); v != "" {
			return v
		}
	}
	if c := short(n.Case.Cluster); c != "" {
		return c
	}
	return "foreshock"
}

func pagerDutySeverity(n cases.Notice) string {
	return []string{"critical", "error", "warning", "info"}[min(int(n.Case.Grade), 3)]
}

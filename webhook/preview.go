package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/foreshock/foreshock/pkg/message"
	"github.com/foreshock/foreshock/webhook/alert"
	"github.com/foreshock/foreshock/webhook/cases"
	"github.com/foreshock/foreshock/webhook/config"
	"github.com/foreshock/foreshock/webhook/notify"
	"github.com/foreshock/foreshock/webhook/policy"
	"github.com/foreshock/foreshock/webhook/stage"
)

// preview is what the sub-commands template and test-channel are told.
type preview struct {
	config, channel, file, lang string
}

// open reads the configuration and opens its channels over a poster.
func (p preview) open(poster *notify.Poster, log io.Writer) (*config.File, notify.Channel, error) {
	file, err := config.Load(p.config)
	if err != nil {
		return nil, nil, err
	}
	c, ok := file.Channels[p.channel]
	if !ok {
		return nil, nil, fmt.Errorf("channel %q: want one of %s", p.channel, strings.Join(file.Channels.Names(), ", "))
	}
	templates, err := notify.LoadTemplates(file.Templates)
	if err != nil {
		return nil, nil, fmt.Errorf("templates: %w", err)
	}
	if p.lang != "" {
		c = c.In(p.lang)
	}
	channel, err := c.Open(notify.Env{Poster: poster, Logger: slog.New(slog.NewTextHandler(log, nil)), Lang: file.Language, ExternalURL: file.ExternalURL, Templates: templates})
	return file, channel, err
}

// maxDelivery bounds what is read of a delivery.
const maxDelivery = 64 << 20

// renderMessage prints what a channel would be sent.
func renderMessage(ctx context.Context, p preview, stdout, stderr io.Writer) int {
	in := io.Reader(os.Stdin)
	if p.file != "-" {
		f, err := os.Open(p.file)
		if err != nil {
			fmt.Fprintf(stderr, "foreshock-webhook: %s\n", err)
			return exitUsage
		}
		defer f.Close()
		in = f
	}
	m, err := alert.Decode(io.LimitReader(in, maxDelivery), alert.DefaultLimits())
	if err != nil || len(m.Alerts) == 0 {
		fmt.Fprintf(stderr, "foreshock-webhook: %s: want a delivery with at least one alert, as Alertmanager posts it: %v\n", p.file, err)
		return exitUsage
	}
	file, channel, err := p.open(notify.NewPreview(stdout), stdout)
	if err != nil {
		fmt.Fprintf(stderr, "foreshock-webhook: %s\n", err)
		return exitUsage
	}
	o := channel.Send(ctx, cases.Message{Key: "preview", Attempt: 1, Channel: p.channel, Notice: noticeOf(m, file.Rules, time.Now())})
	if o.Status != notify.StatusSent {
		fmt.Fprintf(stderr, "foreshock-webhook: %s\n", o.Reason)
		return exitError
	}
	return exitOK
}

// noticeOf is the notice of a new case of all alerts of a message.
func noticeOf(m alert.Message, rules policy.Rules, now time.Time) cases.Notice {
	first := m.Alerts[0]
	n := cases.Notice{What: cases.WhatOpened, At: now, Case: cases.Case{
		ID: "01EXAMPLE0000000000000CASE", Title: stage.Title(first), Labels: first.Labels, State: cases.New, Epoch: 1, Total: len(m.Alerts), StartedAt: first.StartsAt, OpenedAt: now,
	}}
	n.Case.Grade, n.Case.GradeReason = rules.Grade(first.Labels)
	for i, a := range m.Alerts {
		if a.Status == alert.Firing {
			n.Case.Firing++
		}
		if i < cases.MaxNoticeAlerts {
			n.Alerts = append(n.Alerts, a)
		}
	}
	n.More = len(m.Alerts) - len(n.Alerts)
	if n.Case.Firing == 0 {
		n.What, n.Case.State = cases.WhatResolved, cases.Resolved
	}
	return n
}

// testTime bounds a test message.
const testTime = 30 * time.Second

// testChannel sends a test message for real, and its end, so that no incident stays open.
func testChannel(ctx context.Context, p preview, stdout, stderr io.Writer) int {
	file, channel, err := p.open(notify.NewPoster(nil), stdout)
	if err != nil {
		fmt.Fprintf(stderr, "foreshock-webhook: %s\n", err)
		return exitUsage
	}
	ctx, cancel := context.WithTimeout(ctx, testTime)
	defer cancel()
	now := time.Now()
	l := alert.Labels{"alertname": "ForeshockTest", "severity": "info"}
	a := alert.Alert{Status: alert.Firing, Labels: l, StartsAt: now, Fingerprint: l.Fingerprint(), Annotations: alert.Labels{"summary": message.Text(file.Language, "webhook.test.summary")}}
	m := cases.Message{Attempt: 1, Channel: p.channel, Notice: cases.Notice{At: now, Alerts: []alert.Alert{a}, Case: cases.Case{
		ID: "TEST" + now.UTC().Format("20060102150405"), Title: message.Text(file.Language, "webhook.test.title"), Grade: policy.P3, GradeReason: "test-channel", Labels: l,
		State: cases.New, Epoch: 1, Firing: 1, Total: 1, StartedAt: now,
	}}}
	for _, what := range []cases.What{cases.WhatOpened, cases.WhatResolved} {
		m.Notice.What, m.Key = what, m.Notice.Case.ID+"/1/"+string(what)+"/"+p.channel
		if what == cases.WhatResolved {
			m.Notice.Case.State, m.Notice.Case.Firing, m.Notice.Alerts[0].Status, m.Notice.Alerts[0].EndsAt = cases.Resolved, 0, alert.Resolved, time.Now()
		}
		o := channel.Send(ctx, m)
		fmt.Fprintf(stdout, "%s, %s: %s: %s\n", p.channel, what, o.Status, o.Reason)
		if o.Status != notify.StatusSent {
			return exitError
		}
		m.Previous = o.Receipt
	}
	return exitOK
}

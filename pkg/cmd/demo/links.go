package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/foreshock/foreshock/webhook/cases"
)

// target is the alert that a chain follows.
type target struct {
	alertname, label, value string // the label that tells it from others of its name
}

func (t target) matches(labels map[string]string) bool {
	return labels["alertname"] == t.alertname && labels[t.label] == t.value
}

// alertLinks are those that every alert passes, from Prometheus to the notification.
func (d *demo) alertLinks(t target) []*link {
	s := d.stack
	return []*link{
		{
			where: "Prometheus", missing: "no alert " + t.alertname + " fires in Prometheus", hint: d.lastOf(s.scorer),
			look: func(ctx context.Context) (sighting, bool, error) { return prometheusFires(ctx, s.prometheus.URL(), t) },
		}, {
			where: "Alertmanager", missing: "the alert fires in Prometheus, but is not in Alertmanager",
			look: func(ctx context.Context) (sighting, bool, error) {
				return alertmanagerHas(ctx, s.alertmanager.URL(), t)
			},
		}, {
			where: "webhook", missing: "Alertmanager has the alert, but delivered none of it to the webhook",
			hint: func() string { return "Alertmanager says: " + s.alertLog.last() },
			look: func(ctx context.Context) (sighting, bool, error) { return webhookTook(ctx, s.webhookURL(""), t) },
		}, {
			where: "case", missing: "the webhook took the delivery, but has no case of it", hint: d.lastOf(s.webhook),
			look: func(ctx context.Context) (sighting, bool, error) { return caseOf(ctx, s.webhookURL(""), t) },
		}, {
			where: "notification", missing: "the case is there, but nobody was told", hint: d.lastOf(s.webhook),
			look: func(context.Context) (sighting, bool, error) { n, ok := d.told.about(t); return n, ok, nil },
		},
	}
}

// lastOf is a hint: what a program wrote last.
func (d *demo) lastOf(p *process) func() string {
	return func() string {
		if p == nil {
			return ""
		}
		return "the " + p.name + " wrote last: " + p.log.last()
	}
}

// getJSON asks for JSON.
func getJSON(ctx context.Context, url string, out any) error {
	body, err := fetch(ctx, url)
	if err != nil {
		return err
	}
	defer body.Close()
	if err := json.NewDecoder(body).Decode(out); err != nil {
		return fmt.Errorf("%s: %w", url, err)
	}
	return nil
}

func fetch(ctx context.Context, url string) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 300))
		resp.Body.Close()
		return nil, fmt.Errorf("%s: %s: %s", url, resp.Status, strings.TrimSpace(string(text)))
	}
	return resp.Body, nil
}

func prometheusFires(ctx context.Context, base string, t target) (sighting, bool, error) {
	var answer struct {
		Data struct {
			Alerts []struct {
				Labels      map[string]string
				Annotations map[string]string
				State       string
			}
		}
	}
	if err := getJSON(ctx, base+"/api/v1/alerts", &answer); err != nil {
		return sighting{}, false, err
	}
	for _, a := range answer.Data.Alerts {
		if a.State == "firing" && t.matches(a.Labels) {
			return sighting{detail: strings.TrimSpace(fmt.Sprintf("alert %s fires: %s %s", t.alertname, a.Annotations["summary"], a.Annotations["description"]))}, true, nil
		}
	}
	return sighting{}, false, nil
}

func alertmanagerHas(ctx context.Context, base string, t target) (sighting, bool, error) {
	var alerts []struct {
		Labels    map[string]string
		Receivers []struct{ Name string }
	}
	if err := getJSON(ctx, base+"/api/v2/alerts?filter="+url.QueryEscape("alertname="+t.alertname), &alerts); err != nil {
		return sighting{}, false, err
	}
	for _, a := range alerts {
		if t.matches(a.Labels) && len(a.Receivers) > 0 {
			return sighting{detail: "has the alert, for receiver " + a.Receivers[0].Name}, true, nil
		}
	}
	return sighting{}, false, nil
}

func webhookTook(ctx context.Context, base string, t target) (sighting, bool, error) {
	var answer struct{ Deliveries []cases.DeliveryInfo }
	if err := getJSON(ctx, base+"/api/v1/deliveries", &answer); err != nil {
		return sighting{}, false, err
	}
	for _, x := range answer.Deliveries {
		if strings.Contains(x.GroupKey, fmt.Sprintf("alertname=%q", t.alertname)) && strings.Contains(x.GroupKey, fmt.Sprintf("%s=%q", t.label, t.value)) {
			return sighting{fmt.Sprintf("delivery %s is durable: %d alert(s), %d bytes", x.ID, x.Alerts, x.RawSize), x.Received}, true, nil
		}
	}
	return sighting{}, false, nil
}

func caseOf(ctx context.Context, base string, t target) (sighting, bool, error) {
	var answer struct{ Cases []cases.Case }
	if err := getJSON(ctx, base+"/api/v1/cases?state=all", &answer); err != nil {
		return sighting{}, false, err
	}
	for _, c := range answer.Cases {
		if t.matches(c.Labels) {
			return sighting{fmt.Sprintf("%s %s %q (%s)", c.ID, c.Grade, c.Title, c.GradeReason), c.OpenedAt}, true, nil
		}
	}
	return sighting{}, false, nil
}

// scorerSays reads one published series of the scorer itself: that of a rule and a service.
func scorerSays(ctx context.Context, metricsURL, name, rule, service string) (value float64, found bool, err error) {
	body, err := fetch(ctx, metricsURL)
	if err != nil {
		return 0, false, err
	}
	defer body.Close()
	p := expfmt.NewTextParser(model.UTF8Validation)
	families, err := p.TextToMetricFamilies(body)
	if err != nil {
		return 0, false, fmt.Errorf("%s: %w", metricsURL, err)
	}
	for _, m := range families[name].GetMetric() {
		if labelOf(m, "rule") == rule && labelOf(m, "service") == service {
			return m.GetGauge().GetValue(), true, nil
		}
	}
	return 0, false, nil
}

func labelOf(m *dto.Metric, name string) string {
	for _, l := range m.GetLabel() {
		if l.GetName() == name {
			return l.GetValue()
		}
	}
	return ""
}

// told keeps the notifications that arrived.
type told struct {
	mu  sync.Mutex
	all []notice
}

func (t *told) add(n notice) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.all = append(t.all, n)
}

// about is the first notification that a case of this alert was opened.
func (t *told) about(x target) (sighting, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, n := range t.all {
		if n.What == cases.WhatOpened && x.matches(n.Case.Labels) {
			return sighting{fmt.Sprintf("received: %q", n.Subject), n.at}, true
		}
	}
	return sighting{}, false
}

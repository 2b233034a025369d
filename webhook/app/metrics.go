package app

import (
	"context"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/foreshock/foreshock/webhook/cases"
	"github.com/foreshock/foreshock/webhook/policy"
)

// totals publishes what is stored now. The store is asked at a scrape, at most once in totalsFor.
type totals struct {
	store Store
	now   func() time.Time

	mu   sync.Mutex
	last cases.Counts
	at   time.Time

	up, casesNow, open, actions, firing, oldest *prometheus.Desc
}

// totalsFor is how long an answer of the store serves: several Prometheus servers scrape at nearly the same time.
const totalsFor = 2 * time.Second

func newTotals(s Store, now func() time.Time) *totals {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("foreshock_webhook_"+name, help, labels, nil)
	}
	return &totals{
		store: s, now: now,
		up:       desc("store_up", "1 when the store answered the question for the totals."),
		casesNow: desc("cases", "Cases stored now, by state.", "state"),
		open:     desc("open_cases", "Cases that want attention, by grade.", "grade"),
		actions:  desc("actions", "Actions stored now, by state; dead ones are messages that were given up.", "state"),
		firing:   desc("firing_alerts", "Alerts that fire."),
		oldest:   desc("oldest_due_age_seconds", "How long the oldest action that waits is overdue; 0 when none is."),
	}
}

// Describe sends all descriptions.
func (t *totals) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{t.up, t.casesNow, t.open, t.actions, t.firing, t.oldest} {
		ch <- d
	}
}

// Collect sends the totals; without an answer of the store only that it is down.
func (t *totals) Collect(ch chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	c, err := t.read()
	if err != nil {
		gauge(t.up, 0)
		return
	}
	gauge(t.up, 1)
	for _, s := range cases.States() {
		gauge(t.casesNow, float64(c.Cases[s]), string(s))
	}
	for _, g := range policy.Grades() {
		gauge(t.open, float64(c.OpenGrades[g]), g.String())
	}
	for _, s := range cases.ActionStates() {
		gauge(t.actions, float64(c.Actions[s]), string(s))
	}
	gauge(t.firing, float64(c.Firing))
	late := 0.0
	if !c.OldestDue.IsZero() {
		late = max(0, t.now().Sub(c.OldestDue).Seconds())
	}
	gauge(t.oldest, late)
}

func (t *totals) read() (cases.Counts, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	if age := now.Sub(t.at); !t.at.IsZero() && age >= 0 && age < totalsFor {
		return t.last, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	c, err := t.store.Counts(ctx)
	if err != nil {
		return c, err
	}
	t.last, t.at = c, now
	return c, nil
}

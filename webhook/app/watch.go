package app

import (
	"context"
	"slices"
	"time"

	"github.com/foreshock/foreshock/pkg/message"
	"github.com/foreshock/foreshock/webhook/alert"
	"github.com/foreshock/foreshock/webhook/cases"
	"github.com/foreshock/foreshock/webhook/policy"
)

// watchEvery is how often it is looked whether watchdogs are silent: what is told is late by no more than this.
const watchEvery = 5 * time.Second

// watch tells when a watchdog falls silent, and when it is heard again, until the context ends. Any number of processes on one database do
// so: what they tell is one alert.
func (a *App) watch(ctx context.Context) {
	began := time.Now()
	var idle *state // with this configuration there is nothing to look for
	t := time.NewTicker(watchEvery)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		now := a.state.Load()
		if now == idle {
			continue
		}
		// Not by the wall clock, which may jump: while the service did not run it heard nothing, and that is nobody's silence.
		if err := a.look(ctx, a.o.Now().Add(-time.Since(began))); err != nil && ctx.Err() == nil {
			a.o.Log.Warn("it could not be looked whether watchdogs are silent; it is tried again", "err", err)
		} else if err == nil && len(now.file.Watchdogs) == 0 {
			idle = now
		}
	}
}

// look compares what was heard with what must be. What was not heard before began does not count.
func (a *App) look(ctx context.Context, began time.Time) error {
	rules, now := a.rules(), a.o.Now().UTC().Truncate(time.Microsecond)
	beats, err := a.store.Heartbeats(ctx)
	if err != nil {
		return err
	}
	silent := 0
	expected := rules.Expected()
	for _, e := range expected {
		h := cases.Heartbeat{Watchdog: e[0], Cluster: e[1]}
		if i := slices.IndexFunc(beats, func(b cases.Heartbeat) bool { return b.Watchdog == e[0] && b.Cluster == e[1] }); i >= 0 {
			h = beats[i]
		}
		i := slices.IndexFunc(rules.Watchdogs, func(w policy.Watchdog) bool { return w.Name == e[0] })
		most := time.Duration(rules.Watchdogs[i].MaxSilence)
		since := h.LastBeat
		if since.Before(began) {
			since = began
		}
		switch {
		case h.Silent.IsZero() && now.Sub(since) > most:
			h.Silent = since.Add(most).UTC().Truncate(time.Microsecond)
			err = a.bark(ctx, h, alert.Firing, time.Time{})
		case !h.Silent.IsZero() && h.LastBeat.After(h.Silent):
			err = a.bark(ctx, h, alert.Resolved, h.LastBeat)
			h.Silent = time.Time{}
		default:
			if !h.Silent.IsZero() {
				silent++
			}
			continue
		}
		if err != nil {
			return err
		}
		if err := a.store.Silent(ctx, h); err != nil {
			return err
		}
		if !h.Silent.IsZero() {
			silent++
		}
	}
	a.silent.Set(float64(silent))
	return a.forget(ctx, beats, expected, now)
}

// forget ends the alerts about watchdogs that are not configured any more.
func (a *App) forget(ctx context.Context, beats []cases.Heartbeat, expected [][2]string, now time.Time) error {
	for _, h := range beats {
		if h.Silent.IsZero() || slices.Contains(expected, [2]string{h.Watchdog, h.Cluster}) {
			continue
		}
		if err := a.bark(ctx, h, alert.Resolved, now); err != nil {
			return err
		}
		h.Silent = time.Time{}
		if err := a.store.Silent(ctx, h); err != nil {
			return err
		}
	}
	return nil
}

// bark delivers the service's own alert about a watchdog.
func (a *App) bark(ctx context.Context, h cases.Heartbeat, status alert.Status, ends time.Time) error {
	key := "webhook.own.silent"
	switch {
	case status == alert.Resolved:
		key = "webhook.own.heard"
	case h.LastBeat.IsZero():
		key = "webhook.own.never_heard"
	case h.LastSeen.After(h.LastBeat):
		key = "webhook.own.silent_resolved"
	}
	text := message.Text(a.state.Load().file.Language, key, "watchdog", h.Watchdog, "cluster", h.Cluster, "time", h.LastBeat.UTC().Format("2006-01-02 15:04:05 UTC"))
	l := alert.Labels{"alertname": policy.SilentAlert, "watchdog": h.Watchdog, "from": h.Cluster, "service": "foreshock-webhook"}
	return a.deliver(ctx, alert.Alert{
		Status: status, Labels: l, Fingerprint: l.Fingerprint(), StartsAt: h.Silent, EndsAt: ends, Annotations: alert.Labels{"summary": text},
	})
}

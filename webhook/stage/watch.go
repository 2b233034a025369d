package stage

import (
	"context"
	"slices"

	"github.com/foreshock/foreshock/webhook/alert"
	"github.com/foreshock/foreshock/webhook/cases"
	"github.com/foreshock/foreshock/webhook/policy"
)

// Watch takes the signs of life of watchdogs out of the stream: they are no
// problem of anybody, and open no case.
type Watch struct {
	Rules func() policy.Rules
}

// Name is "watch".
func (Watch) Name() string { return "watch" }

// Exec fills Beats, and drops the alerts that are signs of life.
func (w Watch) Exec(_ context.Context, ev Event) (Event, error) {
	rules := w.Rules()
	if len(rules.Watchdogs) == 0 || ev.Delivery.Message.Source == alert.Own {
		return ev, nil
	}
	for i := range ev.Verdicts {
		v := &ev.Verdicts[i]
		dog, ok := rules.Watches(v.Alert.Labels)
		if !ok {
			continue
		}
		v.Decision, v.Reason, v.Note = Dropped, ReasonHeartbeat, "a sign of life of watchdog "+dog.Name
		beat := cases.Heartbeat{Watchdog: dog.Name, Cluster: v.Identity.Cluster, LastSeen: ev.Now}
		if v.Alert.Status == alert.Firing {
			beat.LastBeat = ev.Now
		}
		ev.Beats = append(slices.Clip(ev.Beats), beat)
	}
	return ev, nil
}

package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/foreshock/foreshock/pkg/message"
	"github.com/foreshock/foreshock/webhook/action"
	"github.com/foreshock/foreshock/webhook/alert"
	"github.com/foreshock/foreshock/webhook/cases"
	"github.com/foreshock/foreshock/webhook/policy"
)

// A message that was given up is an alert of the service itself: about its channel, so that any number of them are one case. It takes the way of all alerts;
// where its own channel is the broken one, the fallback carries it on. It is over when the channel takes messages again.

// ownCluster is the cluster of the service's own alerts.
const ownCluster = "foreshock"

// deadPayload is what a cases.DeadLetter action knows.
type deadPayload struct {
	Channel string `json:"channel"`
	Key     string `json:"key"`
	Reason  string `json:"reason"`
}

// dead plans the alert about a message that was given up.
func (a *App) dead(of cases.Action, reason string) []cases.Action {
	payload, err := json.Marshal(deadPayload{of.Channel, of.Key, reason})
	if err != nil {
		panic(fmt.Sprintf("app: a payload has no JSON form: %v", err)) // it is made of texts
	}
	now := a.o.Now()
	return []cases.Action{{
		ID: ulid.Make().String(), Key: of.Key + "/dead", CaseID: of.CaseID, Kind: cases.DeadLetter, Channel: cases.InternalChannel, Lane: "dead/" + of.Channel,
		Epoch: of.Epoch, Urgency: policy.P1, Payload: payload, State: cases.Due, Planned: now, Due: now, CreatedAt: now, UpdatedAt: now,
	}}
}

// own is an alert of the service about a channel.
func own(channel string, status alert.Status, starts, ends time.Time, summary string) alert.Alert {
	l := alert.Labels{"alertname": "ForeshockMessageGivenUp", "channel": channel, "severity": "error", "service": "foreshock-webhook"}
	return alert.Alert{
		Status: status, Labels: l, Fingerprint: l.Fingerprint(), StartsAt: starts, EndsAt: ends,
		Annotations: alert.Labels{"summary": summary, "description": "See the ledger for what was not delivered."},
	}
}

// deliver takes an alert of the service's own through the chain.
func (a *App) deliver(ctx context.Context, al alert.Alert) error {
	_, err := a.intake.Deliver(ctx, alert.Delivery{
		ID: ulid.Make().String(), Cluster: ownCluster, Sender: "foreshock-webhook", Received: a.o.Now().UTC().Truncate(time.Microsecond),
		Message: alert.Message{Source: alert.Own, Version: "4", Receiver: "foreshock", Status: al.Status, Alerts: []alert.Alert{al}},
	})
	return err
}

// deadLetter is the handler of cases.DeadLetter.
type deadLetter struct{ a *App }

// Handle opens the case about the channel, or adds to it.
func (h deadLetter) Handle(ctx context.Context, x cases.Action) (action.Finished, error) {
	var p deadPayload
	if err := json.Unmarshal(x.Payload, &p); err != nil {
		return action.Finished{}, cases.Rejected(cases.Receipt{}, "the stored letter cannot be read: %w", err)
	}
	text := message.Text(h.a.state.Load().file.Language, "webhook.own.given_up", "channel", p.Channel, "reason", message.CutRunes(message.Plain(p.Reason), 300, "…"))
	return action.Finished{}, h.a.deliver(ctx, own(p.Channel, alert.Firing, x.Planned.UTC(), time.Time{}, text))
}

// settleEvery is how often it is looked whether a channel about which there is an alert takes messages again.
const settleEvery = 30 * time.Second

// settle ends the alerts about channels that work again, until the context ends.
func (a *App) settle(ctx context.Context) {
	t := time.NewTicker(settleEvery)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		if err := a.settleOnce(ctx); err != nil && ctx.Err() == nil && !errors.Is(err, context.Canceled) {
			a.o.Log.Warn("alerts about channels could not be settled; it is tried again", "err", err)
		}
	}
}

func (a *App) settleOnce(ctx context.Context) error {
	var ids []alert.Identity
	channels := map[alert.Identity]string{}
	for name := range a.state.Load().channels {
		id := alert.Identity{Cluster: ownCluster, Fingerprint: own(name, alert.Firing, time.Time{}, time.Time{}, "").Fingerprint}
		ids, channels[id] = append(ids, id), name
	}
	known, err := a.store.Prior(ctx, ids, nil)
	if err != nil {
		return err
	}
	for id, k := range known.Alerts {
		// Only what got through after the alert counts.
		h := a.executor.Health(channels[id])
		if !k.Firing() || h.LastGood.IsZero() || !h.LastGood.After(k.LastFired) {
			continue
		}
		text := message.Text(a.state.Load().file.Language, "webhook.own.works_again", "channel", channels[id])
		if err := a.deliver(ctx, own(channels[id], alert.Resolved, k.LastFired, h.LastGood.UTC().Truncate(time.Microsecond), text)); err != nil {
			return err
		}
	}
	return nil
}

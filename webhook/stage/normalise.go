package stage

import (
	"context"
	"time"

	"github.com/foreshock/foreshock/webhook/alert"
)

// Normalise makes one Verdict per alert and repairs what machines leave out: a
// missing status follows from endsAt and from the status of the group; only
// what is over has an end, and never one before its start; times are cut to
// microseconds, as stores keep them, since they are compared with stored ones.
type Normalise struct{}

// Name is "normalise".
func (Normalise) Name() string { return "normalise" }

// Exec fills Verdicts.
func (Normalise) Exec(_ context.Context, ev Event) (Event, error) {
	ev.Now = micros(ev.Now)
	ev.Verdicts = make([]Verdict, len(ev.Delivery.Message.Alerts))
	for i, a := range ev.Delivery.Message.Alerts {
		a.Status = status(a, ev)
		a.StartsAt, a.EndsAt = micros(a.StartsAt), micros(a.EndsAt)
		switch {
		case a.Status == alert.Firing:
			a.EndsAt = time.Time{}
		case a.EndsAt.Before(a.StartsAt):
			a.EndsAt = a.StartsAt
		}
		ev.Verdicts[i] = Verdict{
			Alert:    a,
			Identity: alert.Identity{Cluster: ev.Delivery.Cluster, Fingerprint: a.Fingerprint},
		}
	}
	return ev, nil
}

// status is what the alert says, else what its end says, else what the group
// says, else firing: an alert of unclear state is not to be missed.
func status(a alert.Alert, ev Event) alert.Status {
	switch {
	case a.Status != "":
		return a.Status
	case !a.EndsAt.IsZero() && !a.EndsAt.After(ev.Now):
		return alert.Resolved
	case ev.Delivery.Message.Status == alert.Resolved:
		return alert.Resolved
	}
	return alert.Firing
}

func micros(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }

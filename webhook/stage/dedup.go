package stage

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/foreshock/foreshock/webhook/alert"
	"github.com/foreshock/foreshock/webhook/cases"
)

// Dedup folds each alert into what is known of it and drops what is no news.
type Dedup struct {
	Store Reader
	// Authority settles the one ambiguous order; nil: it can never be asked, and
	// the firing is believed.
	Authority Authority
	Metrics   *Metrics // nil: not counted
}

// Name is "dedup".
func (Dedup) Name() string { return "dedup" }

// Exec fills Prior and each verdict's Decision, Reason, Note and Known.
func (d Dedup) Exec(ctx context.Context, ev Event) (Event, error) {
	ids := identities(ev.Verdicts)
	keys := make([]string, len(ids))
	for i, id := range ids {
		keys[i] = caseKey(id)
	}
	prior, err := d.Store.Prior(ctx, ids, keys)
	if err != nil {
		return ev, err
	}
	ev.Prior = prior
	for i := range ev.Verdicts {
		if v := &ev.Verdicts[i]; v.Alert.StartsAt.IsZero() {
			v.Alert = dated(*v, prior, ev.Now)
		}
	}
	answers := d.ask(ctx, ev)
	before := make(map[alert.Identity]int, len(ids)) // where the delivery says something about the alert
	for i := range ev.Verdicts {
		v := &ev.Verdicts[i]
		k, ok := prior.Alerts[v.Identity]
		if at, again := before[v.Identity]; again {
			k, ok = ev.Verdicts[at].Known, true
		}
		if !ok {
			k = cases.Alert{Identity: v.Identity, FirstSeen: ev.Now, Last: v.Alert}
		}
		ans, asked := answers[i]
		if !asked {
			ans.err = errNotAsked
		}
		v.Known, v.Decision, v.Reason, v.Note = fold(k, v.Alert, ans)
		v.Known = seen(v.Known, v, ev.Now)
		before[v.Identity] = i
	}
	return ev, nil
}

var (
	errNotAsked    = errors.New("it was not asked")
	errNoAuthority = errors.New("no Alertmanager is configured for this cluster")
)

// ask asks the Authority once about everything in the event that may turn out
// to be ambiguous.
func (d Dedup) ask(ctx context.Context, ev Event) map[int]answer {
	ends := map[alert.Identity]bool{} // resolved within this very message
	for i := range ev.Verdicts {
		if v := &ev.Verdicts[i]; v.Alert.Status == alert.Resolved {
			ends[v.Identity] = true
		}
	}
	var at []int
	var doubtful []alert.Alert
	for i := range ev.Verdicts {
		v := &ev.Verdicts[i]
		k := ev.Prior.Alerts[v.Identity]
		if contradicts(k, v.Alert) || (v.Alert.Status == alert.Firing && ends[v.Identity]) {
			at = append(at, i)
			doubtful = append(doubtful, v.Alert)
		}
	}
	if len(at) == 0 {
		return nil
	}
	firing, err := make([]bool, len(at)), errNoAuthority
	if d.Authority != nil {
		firing, err = d.Authority.Firing(ctx, ev.Delivery.Cluster, doubtful)
		if len(firing) != len(doubtful) {
			firing = make([]bool, len(doubtful))
			if err == nil {
				err = errors.New("it gave no full answer")
			}
		}
	}
	out := make(map[int]answer, len(at))
	for n, i := range at {
		a := answer{firing: firing[n]}
		if !a.firing {
			a.err = err
		}
		d.Metrics.asked(a)
		out[i] = a
	}
	return out
}

// dated gives an alert without a start the one that is known to fire, or the
// time of its arrival: the sender knows no better.
func dated(v Verdict, prior cases.Prior, now time.Time) alert.Alert {
	a := v.Alert
	k := prior.Alerts[v.Identity]
	a.StartsAt = now
	if k.Firing() || (a.Status == alert.Resolved && !k.LastFired.IsZero()) {
		a.StartsAt = k.LastFired
	}
	if a.Status == alert.Resolved && a.EndsAt.Before(a.StartsAt) {
		a.EndsAt = a.StartsAt
	}
	return a
}

// seen notes the arrival, and keeps the newest content with the folded state.
func seen(k cases.Alert, v *Verdict, now time.Time) cases.Alert {
	k.LastSeen = later(k.LastSeen, now)
	if v.Decision == Accepted || v.Reason == ReasonRepeat {
		k.Last = v.Alert
	}
	k.Status, k.Last.StartsAt, k.Last.EndsAt = alert.Resolved, k.EndedFrom, k.LastEnded
	if k.Firing() {
		k.Status, k.Last.StartsAt, k.Last.EndsAt = alert.Firing, k.LastFired, time.Time{}
	}
	k.Last.Status = k.Status
	return k
}

// identities lists the alerts of the event, each once, sorted.
func identities(vs []Verdict) []alert.Identity {
	ids := make([]alert.Identity, len(vs))
	for i := range vs {
		ids[i] = vs[i].Identity
	}
	slices.SortFunc(ids, alert.Identity.Compare)
	return slices.Compact(ids)
}

// caseKey is the key of the case of an alert: for now every alert is its own.
func caseKey(id alert.Identity) string { return id.String() }

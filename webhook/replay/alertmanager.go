package replay

import (
	"cmp"
	"slices"
	"time"

	"github.com/foreshock/foreshock/webhook/alert"
)

// Grouping is a route of Alertmanager: by which labels it groups, and its three
// times.
type Grouping struct {
	By       func(l alert.Labels) string // the group of an alert
	Wait     time.Duration               // group_wait
	Interval time.Duration               // group_interval
	Repeat   time.Duration               // repeat_interval
}

// DefaultGrouping is what Alertmanager's own example configuration has: by
// alertname, 30s, 5m, 4h.
func DefaultGrouping() Grouping {
	return Grouping{
		By:   func(l alert.Labels) string { return l["alertname"] },
		Wait: 30 * time.Second, Interval: 5 * time.Minute, Repeat: 4 * time.Hour,
	}
}

// Ungrouped is the route that docs/webhook.md recommends in front of this
// service: every alert is a group of its own, 5s, 30s.
func Ungrouped() Grouping {
	return Grouping{By: alert.Labels.Fingerprint, Wait: 5 * time.Second, Interval: 30 * time.Second, Repeat: 4 * time.Hour}
}

// Notification is one message of Alertmanager.
type Notification struct {
	At     time.Time
	Group  string
	Alerts []alert.Alert // firing and resolved ones, as a webhook has them
}

// change is one alert that begins or ends.
type change struct {
	at time.Time
	a  alert.Alert // as it is then
}

// group is one aggregation group with its entry in the notification log.
type group struct {
	key      string
	next     time.Time // of the next flush; zero: there is no such group
	alerts   map[string]alert.Alert
	sent     time.Time // of the last notification
	firing   map[string]bool
	resolved map[string]bool
}

// Notifications are what Alertmanager sends with send_resolved for these changes
// of alerts until a time: groups are flushed after group_wait, then every
// group_interval; a flush is sent when the log has not all that fires or is
// resolved, or when repeat_interval has passed; resolved alerts leave the group
// after a flush. As dispatch.aggrGroup and notify.DedupStage of Alertmanager
// 0.28 have it.
func (g Grouping) Notifications(changes []change, until time.Time) []Notification {
	groups := map[string]*group{}
	var out []Notification
	flushBefore := func(t time.Time) {
		for {
			var first *group
			for _, gr := range groups {
				if gr.next.IsZero() || gr.next.After(t) {
					continue
				}
				if first == nil || cmp.Or(gr.next.Compare(first.next), cmp.Compare(gr.key, first.key)) < 0 {
					first = gr
				}
			}
			if first == nil {
				return
			}
			if n, ok := first.flush(g); ok {
				out = append(out, n)
			}
		}
	}
	for _, c := range changes {
		flushBefore(c.at)
		key := g.By(c.a.Labels)
		gr := groups[key]
		if gr == nil {
			gr = &group{key: key, alerts: map[string]alert.Alert{}}
			groups[key] = gr
		}
		if gr.next.IsZero() {
			gr.next = c.at.Add(g.Wait)
		}
		gr.alerts[c.a.Fingerprint] = c.a
	}
	flushBefore(until)
	slices.SortStableFunc(out, func(a, b Notification) int { return a.At.Compare(b.At) })
	return out
}

func (gr *group) flush(g Grouping) (Notification, bool) {
	now := gr.next
	n := Notification{At: now, Group: gr.key}
	firing, resolved := map[string]bool{}, map[string]bool{}
	for _, fp := range sortedKeys(gr.alerts) {
		a := gr.alerts[fp]
		n.Alerts = append(n.Alerts, a)
		if a.Status == alert.Firing {
			firing[fp] = true
		} else {
			resolved[fp] = true
		}
	}
	update := gr.needsUpdate(firing, resolved, now, g.Repeat)
	if update {
		gr.sent, gr.firing, gr.resolved = now, firing, resolved
	}
	for fp := range resolved {
		delete(gr.alerts, fp)
	}
	gr.next = now.Add(g.Interval)
	if len(gr.alerts) == 0 {
		gr.next = time.Time{}
	}
	return n, update
}

func (gr *group) needsUpdate(firing, resolved map[string]bool, now time.Time, repeat time.Duration) bool {
	switch {
	case gr.sent.IsZero():
		return len(firing) > 0
	case !subset(firing, gr.firing):
		return true
	case len(firing) == 0:
		return len(gr.firing) > 0
	case !subset(resolved, gr.resolved):
		return true
	}
	return gr.sent.Before(now.Add(-repeat))
}

func subset(a, b map[string]bool) bool {
	for k := range a {
		if !b[k] {
			return false
		}
	}
	return true
}

func sortedKeys[V any](m map[string]V) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

package policy

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/foreshock/foreshock/webhook/alert"
)

// Watchdog is an alert that always fires, so that its silence tells: Prometheus
// does not evaluate, Alertmanager does not send, or the way here is broken.
type Watchdog struct {
	Name     string    `json:"name" yaml:"name"`
	Match    []Matcher `json:"match" yaml:"match"`
	Clusters []string  `json:"clusters,omitempty" yaml:"clusters"` // each must be heard; empty: the one of the service
	// MaxSilence is after how long without it people are told.
	MaxSilence Duration `json:"max_silence" yaml:"max_silence"`
	Channels   []string `json:"channels" yaml:"channels"` // who is told: another way than the alerts take
	Grade      Grade    `json:"grade" yaml:"grade"`       // of the case; P0 unless it says otherwise
}

// SilentAlert is the alertname of the service's own alert about a watchdog that
// is not heard; its label "watchdog" names it, "from" the cluster.
const SilentAlert = "ForeshockWatchdogSilent"

// minSilence is the shortest silence that may be asked for: Alertmanager sends
// at its group_interval, which is rarely below.
const minSilence = Duration(10 * time.Second)

// Watches finds the watchdog that an alert is a sign of life of.
func (r Rules) Watches(l alert.Labels) (Watchdog, bool) {
	for _, w := range r.Watchdogs {
		if MatchAll(w.Match, l) {
			return w, true
		}
	}
	return Watchdog{}, false
}

// WithWatchdogs are the rules with those that grade and route the service's own
// alerts about watchdogs, ahead of all others. cluster is the one of watchdogs
// that name none.
func (r Rules) WithWatchdogs(cluster string) Rules {
	r.Watchdogs = slices.Clone(r.Watchdogs)
	var grades []GradeRule
	var routes []Route
	for i := range r.Watchdogs {
		w := &r.Watchdogs[i]
		if len(w.Clusters) == 0 {
			w.Clusters = []string{cluster}
		}
		match := []Matcher{equals("alertname", SilentAlert), equals("watchdog", w.Name)}
		grades = append(grades, GradeRule{Match: match, Grade: w.Grade})
		routes = append(routes, Route{Name: "watchdog " + w.Name, Match: match, Channels: w.Channels})
	}
	r.Grades, r.Routes = append(grades, r.Grades...), append(routes, r.Routes...)
	return r
}

func equals(name, value string) Matcher { return Matcher{name: name, op: "=", value: value} }

func (r Rules) validWatchdogs(channels []string) error {
	names := map[string]bool{}
	for i, w := range r.Watchdogs {
		at := fmt.Sprintf("watchdogs[%d]", i)
		switch {
		case w.Name == "":
			return fmt.Errorf("%s.name: is empty: want a name to show", at)
		case names[w.Name]:
			return fmt.Errorf("%s.name: %q is taken by an earlier watchdog: want a name of its own", at, w.Name)
		case len(w.Match) == 0:
			return fmt.Errorf(`%s.match: is empty: want matchers of the alert that always fires, such as alertname="Watchdog"`, at)
		case w.MaxSilence < minSilence:
			return fmt.Errorf("%s.max_silence: %q: want at least %s, and more than Alertmanager's repeat_interval for this alert", at, w.MaxSilence, minSilence)
		case len(w.Channels) == 0:
			return fmt.Errorf("%s.channels: is empty: want at least one, best by another way than the alerts take", at)
		}
		names[w.Name] = true
		for _, c := range w.Channels {
			if !slices.Contains(channels, c) {
				return fmt.Errorf("%s.channels: unknown channel %q: want one of %s", at, c, strings.Join(channels, ", "))
			}
		}
		seen := map[string]bool{}
		for _, c := range w.Clusters {
			if c == "" || seen[c] {
				return fmt.Errorf("%s.clusters: got %q empty or twice: want the name of each cluster once", at, c)
			}
			seen[c] = true
		}
	}
	return nil
}

// Expected lists what must be heard: pairs of watchdog and cluster, sorted.
func (r Rules) Expected() [][2]string {
	all := map[[2]string]bool{}
	for _, w := range r.Watchdogs {
		for _, c := range w.Clusters {
			all[[2]string{w.Name, c}] = true
		}
	}
	return slices.SortedFunc(maps.Keys(all), func(a, b [2]string) int { return slices.Compare(a[:], b[:]) })
}

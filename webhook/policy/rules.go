package policy

import (
	"time"

	"github.com/foreshock/foreshock/webhook/alert"
)

// Rules is everything that a person decides about the alert flow. The zero
// value is not usable: start from DefaultRules.
type Rules struct {
	// Grades are tried in order; the first whose matchers all match decides.
	// When none does, the severity label decides: see BySeverity.
	Grades []GradeRule `json:"grades,omitempty" yaml:"grades"`
	// Routes are tried in order; the first that matches decides, and further
	// ones only while Continue is set. At least one must match everything.
	Routes []Route `json:"routes" yaml:"routes"`
	// Retry is the one retry policy of everything that leaves the process.
	Retry Retry `json:"retry" yaml:"retry"`
	// CloseAfter is how long a resolved case waits before it is closed; an alert
	// that fires again within that time reopens its case.
	CloseAfter Duration `json:"close_after" yaml:"close_after"`
	// Escalation is what happens while nobody acknowledges; SLA in which time
	// cases are to be solved.
	Escalation Escalation `json:"escalation" yaml:"escalation"`
	SLA        SLA        `json:"sla" yaml:"sla"`
	// People and Schedules are whom steps of ladders may name.
	People    map[string]Person   `json:"people,omitempty" yaml:"people"`
	Schedules map[string]Schedule `json:"schedules,omitempty" yaml:"schedules"`
	// Watchdogs are alerts whose silence is told.
	Watchdogs []Watchdog `json:"watchdogs,omitempty" yaml:"watchdogs"`
	// Noise says how many messages are made of many alerts.
	Noise Noise `json:"noise" yaml:"noise"`
	// Mutes hold back messages for a time.
	Mutes Mutes `json:"mutes,omitempty" yaml:"mutes"`
}

// GradeRule gives alerts that match all Match the grade Grade.
type GradeRule struct {
	Match []Matcher `json:"match" yaml:"match"`
	Grade Grade     `json:"grade" yaml:"grade"`
}

// Route sends cases of alerts that match all Match, and whose grade is in
// Grades when that is not empty, to Channels (names of configured channels).
type Route struct {
	Name     string    `json:"name" yaml:"name"`
	Match    []Matcher `json:"match,omitempty" yaml:"match"`
	Grades   []Grade   `json:"grades,omitempty" yaml:"grades"`
	Channels []string  `json:"channels" yaml:"channels"`
	Continue bool      `json:"continue,omitempty" yaml:"continue"`
}

// Reason says in one short phrase why a decision fell, e.g. `severity="critical"`
// or `rule 2: team="db"`.
type Reason string

// DefaultRules grades by severity and sends everything to the given channels, at
// once: the holds of DefaultNoise are for configurations.
func DefaultRules(channels ...string) Rules {
	noise := DefaultNoise()
	noise.Hold = Hold{}
	return Rules{
		Routes:     []Route{{Name: "default", Channels: channels}},
		Retry:      DefaultRetry(),
		CloseAfter: Duration(24 * time.Hour),
		Escalation: DefaultEscalation(),
		SLA:        DefaultSLA(),
		Noise:      noise,
	}
}

// Grade is the base grade of an alert with these labels, and why.
func (r Rules) Grade(l alert.Labels) (Grade, Reason) {
	for i, rule := range r.Grades {
		if MatchAll(rule.Match, l) {
			return rule.Grade, ruleReason(i, rule.Match)
		}
	}
	return BySeverity(l["severity"])
}

// Channels names, without repetition and in rule order, the channels that hear
// of a case of this grade and these labels, and the routes that chose them.
// No route, no channels: the case exists but nobody is told.
func (r Rules) Channels(g Grade, l alert.Labels) (channels, routes []string) {
	seen := map[string]bool{}
	for _, route := range r.Routes {
		if !route.matches(g, l) {
			continue
		}
		routes = append(routes, route.Name)
		for _, c := range route.Channels {
			if !seen[c] {
				seen[c] = true
				channels = append(channels, c)
			}
		}
		if !route.Continue {
			break
		}
	}
	return channels, routes
}

func (r Route) matches(g Grade, l alert.Labels) bool {
	if !MatchAll(r.Match, l) {
		return false
	}
	if len(r.Grades) == 0 {
		return true
	}
	for _, want := range r.Grades {
		if want == g {
			return true
		}
	}
	return false
}

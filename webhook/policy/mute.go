package policy

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/foreshock/foreshock/webhook/alert"
)

// Mute holds back messages for a time: a maintenance window, a calendar, or a
// switch of a route, a channel or a person. It has an owner and an end, always,
// since it holds back P0 as well. What it holds back is told when it ends, if it
// is still true then.
type Mute struct {
	Name  string `json:"name" yaml:"name"`
	Owner string `json:"owner" yaml:"owner"`
	Note  string `json:"note,omitempty" yaml:"note"` // why
	// Match are the alerts; empty matches all of them.
	Match  []Matcher `json:"match,omitempty" yaml:"match"`
	Grades []Grade   `json:"grades,omitempty" yaml:"grades"` // empty: all
	// Routes, Channels and People restrict it to messages that would go there;
	// empty: all messages.
	Routes   []string  `json:"routes,omitempty" yaml:"routes"`
	Channels []string  `json:"channels,omitempty" yaml:"channels"`
	People   []string  `json:"people,omitempty" yaml:"people"`
	Starts   time.Time `json:"starts,omitzero" yaml:"starts"` // zero: since ever
	Ends     time.Time `json:"ends" yaml:"ends"`
	// Within restricts it to times of the week and days of the calendar.
	Within Calendar `json:"within,omitzero" yaml:"within"`
}

// farthest bounds how far ahead the end of a stretch of a calendar is looked for.
const farthest = 8 * 24 * time.Hour

// Validate checks a mute; see Rules.Validate for the form of errors.
func (m Mute) Validate() error {
	switch {
	case strings.TrimSpace(m.Name) == "":
		return errors.New("name: is empty: want a name to show on pages")
	case strings.TrimSpace(m.Owner) == "":
		return errors.New("owner: is empty: want the name of who answers for it")
	case m.Ends.IsZero():
		return errors.New("ends: is missing: want a time like 2026-12-01T18:00:00Z")
	case !m.Starts.IsZero() && !m.Ends.After(m.Starts):
		return fmt.Errorf("ends: %s is not after starts (%s)", m.Ends.Format(time.RFC3339), m.Starts.Format(time.RFC3339))
	case len(m.Match)+len(m.Grades)+len(m.Routes)+len(m.Channels)+len(m.People) == 0:
		return errors.New("match: is empty: want at least one matcher, grade, route, channel or person; alertname=~\".*\" means everything")
	}
	return m.Within.validate()
}

// Active reports whether it is in force at a time.
func (m Mute) Active(now time.Time) bool {
	return !now.Before(m.Starts) && now.Before(m.Ends) && m.Within.Contains(now)
}

// Until is when the stretch that is in force at now ends.
func (m Mute) Until(now time.Time) time.Time {
	until := m.Within.Until(now, farthest)
	if m.Within.always() || m.Ends.Before(until) {
		return m.Ends
	}
	return until
}

// Covers reports whether alerts of these labels and this grade are meant.
func (m Mute) Covers(g Grade, l alert.Labels) bool {
	return (len(m.Grades) == 0 || slices.Contains(m.Grades, g)) && MatchAll(m.Match, l)
}

// Whole reports whether it holds back every message of what it covers, not only
// those to some.
func (m Mute) Whole() bool { return len(m.Routes)+len(m.Channels)+len(m.People) == 0 }

// Mutes are all that there are, those of the configuration first.
type Mutes []Mute

// Whole finds the mute that holds back everything about such alerts now, the one
// that ends last.
func (ms Mutes) Whole(now time.Time, g Grade, l alert.Labels) (Mute, bool) {
	var found Mute
	for _, m := range ms {
		if m.Whole() && m.Active(now) && m.Covers(g, l) && (found.Owner == "" || m.Until(now).After(found.Until(now))) {
			found = m
		}
	}
	return found, found.Owner != ""
}

// Listener is whom a message would reach.
type Listener struct {
	Routes  []string // that chose the channel
	Channel string
	Person  string // "" when it is for nobody in particular
}

// Holds finds the mute that holds back a message to a target.
func (ms Mutes) Holds(now time.Time, g Grade, l alert.Labels, to Listener) (Mute, bool) {
	for _, m := range ms {
		if m.Active(now) && m.Covers(g, l) && m.hits(to) {
			return m, true
		}
	}
	return Mute{}, false
}

func (m Mute) hits(to Listener) bool {
	if m.Whole() {
		return true
	}
	if to.Person != "" && slices.Contains(m.People, to.Person) {
		return true
	}
	if slices.Contains(m.Channels, to.Channel) {
		return true
	}
	// A channel that two routes chose is silent when both are.
	return len(to.Routes) > 0 && !slices.ContainsFunc(to.Routes, func(r string) bool { return !slices.Contains(m.Routes, r) })
}

package policy

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/foreshock/foreshock/webhook/alert"
)

// PerGrade is a length of time for each grade.
type PerGrade struct {
	P0 Duration `json:"p0" yaml:"p0"`
	P1 Duration `json:"p1" yaml:"p1"`
	P2 Duration `json:"p2" yaml:"p2"`
	P3 Duration `json:"p3" yaml:"p3"`
}

// At is the length for a grade.
func (p PerGrade) At(g Grade) time.Duration {
	return time.Duration([]Duration{p.P0, p.P1, p.P2, p.P3}[min(int(g), 3)])
}

// Escalation says what happens while nobody acknowledges a case.
type Escalation struct {
	// Ladders are tried in order; the first that matches decides. When none
	// does, the grade's DefaultLadder decides.
	Ladders []Ladder `json:"ladders,omitempty" yaml:"ladders"`
	// Acknowledge is how long an acknowledgement holds unless it says otherwise;
	// 0 is for ever.
	Acknowledge PerGrade `json:"acknowledge" yaml:"acknowledge"`
}

// Ladder is a row of steps, walked one after the other until somebody
// acknowledges the case or it ends. No steps: nothing escalates.
type Ladder struct {
	Name   string    `json:"name" yaml:"name"`
	Match  []Matcher `json:"match,omitempty" yaml:"match"`
	Grades []Grade   `json:"grades,omitempty" yaml:"grades"` // empty: all
	Steps  []Step    `json:"steps" yaml:"steps"`
	Repeat int       `json:"repeat,omitempty" yaml:"repeat"` // how often all steps are walked again after the first time
}

// Step is one rung: after Wait since the notification before it, Targets are
// told. Without targets the channels of the case are told again.
type Step struct {
	Wait    Duration `json:"wait" yaml:"wait"`
	Targets []Target `json:"targets,omitempty" yaml:"targets"`
}

// TargetKind says what a target names.
type TargetKind string

// The kinds of targets.
const (
	ToChannel  TargetKind = "channel"
	ToPerson   TargetKind = "person"
	ToSchedule TargetKind = "schedule" // whoever is on call when the step is due
)

// Target is who or what a step tells, in the text form "channel:NAME",
// "person:NAME" or "schedule:NAME".
type Target struct {
	Kind TargetKind
	Name string
}

// String is the text form.
func (t Target) String() string { return string(t.Kind) + ":" + t.Name }

// MarshalText writes what String says.
func (t Target) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// UnmarshalText reads the text form.
func (t *Target) UnmarshalText(text []byte) error {
	kind, name, ok := strings.Cut(string(text), ":")
	kinds := []TargetKind{ToChannel, ToPerson, ToSchedule}
	if !ok || name == "" || !slices.Contains(kinds, TargetKind(kind)) {
		return fmt.Errorf("target %q: want channel:NAME, person:NAME or schedule:NAME", clip(string(text), 80))
	}
	*t = Target{TargetKind(kind), strings.TrimSpace(name)}
	return nil
}

// Person is somebody who can be told, by channels of their own.
type Person struct {
	Name     string   `json:"name,omitempty" yaml:"name"`   // for people to read; empty: the key
	Email    string   `json:"email,omitempty" yaml:"email"` // as calendars name them
	Channels []string `json:"channels" yaml:"channels"`     // names of configured channels
	Zone     string   `json:"zone,omitempty" yaml:"zone"`   // IANA time zone; empty: UTC
}

// Called is what a person is called: their name, else their key.
func (r Rules) Called(person string) string {
	if n := r.People[person].Name; n != "" {
		return n
	}
	return person
}

// DefaultEscalation has no ladders of its own, and lets an acknowledgement hold
// for half the time that the grade has to be solved in, at most a working day.
func DefaultEscalation() Escalation {
	return Escalation{Acknowledge: PerGrade{
		P0: Duration(30 * time.Minute), P1: Duration(2 * time.Hour), P2: Duration(8 * time.Hour),
	}}
}

// DefaultLadder is the ladder of a grade for which none is configured: P0 after
// 1, 2 and 5 minutes, P1 after 5, 10 and 30, P2 after 30 and 60, P3 never; each
// tells the channels of the case again.
func DefaultLadder(g Grade) Ladder {
	l := Ladder{Name: "default " + g.String()}
	for _, m := range [][]int{{1, 2, 5}, {5, 10, 30}, {30, 60}, nil}[min(int(g), 3)] {
		l.Steps = append(l.Steps, Step{Wait: Duration(time.Duration(m) * time.Minute)})
	}
	return l
}

// Ladder finds the ladder of a case of this grade and these labels.
func (r Rules) Ladder(g Grade, l alert.Labels) Ladder {
	for _, x := range r.Escalation.Ladders {
		if (len(x.Grades) == 0 || slices.Contains(x.Grades, g)) && MatchAll(x.Match, l) {
			return x
		}
	}
	return DefaultLadder(g)
}

// Rung is a place on a ladder: the step, from 0, and how often the whole ladder
// was walked before.
type Rung struct {
	Step  int `json:"step"`
	Round int `json:"round"`
}

// Next is the rung after this one; false at the end of the ladder.
func (l Ladder) Next(r Rung) (Rung, bool) {
	if r.Step+1 < len(l.Steps) {
		return Rung{r.Step + 1, r.Round}, true
	}
	if r.Round < l.Repeat && len(l.Steps) > 0 {
		return Rung{0, r.Round + 1}, true
	}
	return r, false
}

// Has reports whether the rung is on the ladder.
func (l Ladder) Has(r Rung) bool {
	return r.Step >= 0 && r.Step < len(l.Steps) && r.Round >= 0 && r.Round <= l.Repeat
}

// maxSteps and maxRepeat bound a ladder: beyond it nobody reads any more.
const (
	maxSteps  = 50
	maxRepeat = 1000
)

func (r Rules) validEscalation(channels []string) error {
	names := map[string]bool{}
	for i, l := range r.Escalation.Ladders {
		at := fmt.Sprintf("escalation.ladders[%d]", i)
		switch {
		case l.Name == "":
			return fmt.Errorf("%s.name: is empty: want a name to show in timelines", at)
		case names[l.Name]:
			return fmt.Errorf("%s.name: %q is taken by an earlier ladder: want a name of its own", at, l.Name)
		case len(l.Steps) > maxSteps:
			return fmt.Errorf("%s.steps: got %d, want at most %d", at, len(l.Steps), maxSteps)
		case l.Repeat < 0 || l.Repeat > maxRepeat:
			return fmt.Errorf("%s.repeat: got %d, want 0 to %d", at, l.Repeat, maxRepeat)
		}
		names[l.Name] = true
		for k, s := range l.Steps {
			if s.Wait <= 0 {
				return fmt.Errorf("%s.steps[%d].wait: %q: want a duration above 0", at, k, s.Wait)
			}
			for j, t := range s.Targets {
				if err := r.validTarget(t, channels); err != nil {
					return fmt.Errorf("%s.steps[%d].targets[%d]: %w", at, k, j, err)
				}
			}
		}
	}
	for _, g := range Grades() {
		if age := r.Escalation.Acknowledge.At(g); age < 0 {
			return fmt.Errorf("escalation.acknowledge.p%d: %q: want a duration, or 0 for ever", g, Duration(age))
		}
	}
	return nil
}

func (r Rules) validTarget(t Target, channels []string) error {
	known := map[TargetKind][]string{
		ToChannel: channels, ToPerson: slices.Sorted(maps.Keys(r.People)), ToSchedule: slices.Sorted(maps.Keys(r.Schedules)),
	}[t.Kind]
	switch {
	case slices.Contains(known, t.Name):
		return nil
	case len(known) == 0:
		return fmt.Errorf("unknown %s %q: none is configured", t.Kind, t.Name)
	}
	return fmt.Errorf("unknown %s %q: want one of %s", t.Kind, t.Name, strings.Join(known, ", "))
}

func (r Rules) validPeople(channels []string) error {
	for _, name := range slices.Sorted(maps.Keys(r.People)) {
		p, at := r.People[name], "people."+name
		if len(p.Channels) == 0 {
			return fmt.Errorf("%s.channels: is empty: want at least one configured channel, or this person can never be told", at)
		}
		for _, c := range p.Channels {
			if !slices.Contains(channels, c) {
				return fmt.Errorf("%s.channels: unknown channel %q: want one of %s", at, c, strings.Join(channels, ", "))
			}
		}
		if _, err := zone(p.Zone); err != nil {
			return fmt.Errorf("%s.zone: %w", at, err)
		}
	}
	return nil
}

// zone finds a time zone; "" is UTC.
func zone(name string) (*time.Location, error) {
	if name == "Local" {
		return nil, errors.New(`got "Local": want the name of a time zone, such as Europe/Berlin`)
	}
	loc, err := time.LoadLocation(name)
	if err != nil {
		return nil, fmt.Errorf("unknown time zone %q: want a name such as Europe/Berlin or Asia/Shanghai", clip(name, 60))
	}
	return loc, nil
}

// SLA says in which time cases are to be solved.
type SLA struct {
	Targets PerGrade `json:"targets" yaml:"targets"` // from the opening; 0: none
	WarnAt  float64  `json:"warn_at" yaml:"warn_at"` // part of the target after which people are warned; 1: not before
}

// DefaultSLA is one hour for P0, four for P1, a day for P2, three for P3, with a
// warning after three quarters.
func DefaultSLA() SLA {
	h := func(n int) Duration { return Duration(time.Duration(n) * time.Hour) }
	return SLA{Targets: PerGrade{P0: h(1), P1: h(4), P2: h(24), P3: h(72)}, WarnAt: 0.75}
}

// Due is when a case that was opened at since must be solved, and when people
// are warned; false when its grade has no target.
func (s SLA) Due(g Grade, since time.Time) (warn, due time.Time, ok bool) {
	d := s.Targets.At(g)
	if d <= 0 {
		return time.Time{}, time.Time{}, false
	}
	return since.Add(time.Duration(float64(d) * s.WarnAt)), since.Add(d), true
}

func (s SLA) validate() error {
	for _, g := range Grades() {
		if d := s.Targets.At(g); d < 0 {
			return fmt.Errorf("sla.targets.p%d: %q: want a duration, or 0 for none", g, Duration(d))
		}
	}
	if !(s.WarnAt > 0 && s.WarnAt <= 1) {
		return fmt.Errorf("sla.warn_at: got %v, want a part above 0 and up to 1", s.WarnAt)
	}
	return nil
}

package policy

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Validate checks the rules against the names of the configured channels. The
// error is one sentence with the field, the value and what is allowed.
func (r Rules) Validate(channels []string) error {
	known := slices.Clone(channels)
	slices.Sort(known)
	for i, g := range r.Grades {
		if len(g.Match) == 0 {
			return fmt.Errorf("grades[%d].match: is empty: want at least one matcher, or leave the rule out", i)
		}
		if g.Grade > P3 {
			return fmt.Errorf("grades[%d].grade: want one of P0, P1, P2, P3", i)
		}
	}
	if err := validRoutes(r.Routes, known); err != nil {
		return err
	}
	if err := r.Retry.Validate(); err != nil {
		return err
	}
	if r.CloseAfter <= 0 {
		return fmt.Errorf("close_after: %q: want a duration above 0", r.CloseAfter)
	}
	if err := r.validPeople(known); err != nil {
		return err
	}
	if err := r.validSchedules(); err != nil {
		return err
	}
	if err := r.validEscalation(known); err != nil {
		return err
	}
	if err := r.validWatchdogs(known); err != nil {
		return err
	}
	if err := r.SLA.validate(); err != nil {
		return err
	}
	if err := r.Noise.Validate(); err != nil {
		return err
	}
	return r.validMutes(known)
}

func (r Rules) validMutes(known []string) error {
	names := map[string]bool{}
	for i, m := range r.Mutes {
		if err := m.Validate(); err != nil {
			return fmt.Errorf("mutes[%d].%w", i, err)
		}
		if names[m.Name] {
			return fmt.Errorf("mutes[%d].name: %q is taken by an earlier mute: want a name of its own", i, m.Name)
		}
		names[m.Name] = true
		for _, c := range m.Channels {
			if !slices.Contains(known, c) {
				return fmt.Errorf("mutes[%d].channels: unknown channel %q: want one of %s", i, c, strings.Join(known, ", "))
			}
		}
		for _, name := range m.Routes {
			if !slices.ContainsFunc(r.Routes, func(route Route) bool { return route.Name == name }) {
				return fmt.Errorf("mutes[%d].routes: unknown route %q: want the name of one in routes", i, name)
			}
		}
	}
	return nil
}

func validRoutes(routes []Route, known []string) error {
	if len(routes) == 0 {
		return errors.New("routes: is empty: want at least one route without match and grades, which takes what no other takes")
	}
	names, rest := map[string]bool{}, false
	for i, route := range routes {
		if route.Name == "" {
			return fmt.Errorf("routes[%d].name: is empty: want a name to show in timelines", i)
		}
		if names[route.Name] {
			return fmt.Errorf("routes[%d].name: %q is taken by an earlier route: want a name of its own", i, route.Name)
		}
		names[route.Name] = true
		for _, c := range route.Channels {
			if !slices.Contains(known, c) {
				return fmt.Errorf("routes[%d].channels: unknown channel %q: want one of %s", i, c, strings.Join(known, ", "))
			}
		}
		rest = rest || (len(route.Match) == 0 && len(route.Grades) == 0)
	}
	if !rest {
		return errors.New("routes: every route has match or grades, so some alerts would reach nobody: add a last route without them (its channels may be empty)")
	}
	return nil
}

// Validate checks the retry policy; see Rules.Validate for the form of errors.
func (r Retry) Validate() error {
	switch {
	case r.Base <= 0:
		return fmt.Errorf("retry.base: %q: want a duration above 0", r.Base)
	case r.Max < r.Base:
		return fmt.Errorf("retry.max: %q: want at least retry.base (%s)", r.Max, r.Base)
	case r.MaxAttempts < 1:
		return fmt.Errorf("retry.max_attempts: %d: want at least 1", r.MaxAttempts)
	case r.MaxAge <= 0:
		return fmt.Errorf("retry.max_age: %q: want a duration above 0", r.MaxAge)
	}
	return nil
}

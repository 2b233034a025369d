package policy

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

func (r Rules) validSchedules() error {
	people := slices.Sorted(maps.Keys(r.People))
	person := func(name string) error {
		switch {
		case slices.Contains(people, name):
			return nil
		case len(people) == 0:
			return fmt.Errorf("unknown person %q: none is configured under people", name)
		}
		return fmt.Errorf("unknown person %q: want one of %s", name, strings.Join(people, ", "))
	}
	for _, name := range slices.Sorted(maps.Keys(r.Schedules)) {
		s, at := r.Schedules[name], "schedules."+name
		if _, err := zone(s.Zone); err != nil {
			return fmt.Errorf("%s.zone: %w", at, err)
		}
		if len(s.Layers) == 0 {
			return fmt.Errorf("%s.layers: is empty: want at least one", at)
		}
		for i, l := range s.Layers {
			if err := l.validate(person); err != nil {
				return fmt.Errorf("%s.layers[%d].%w", at, i, err)
			}
		}
		for i, o := range s.Overrides {
			if err := person(o.Person); err != nil {
				return fmt.Errorf("%s.overrides[%d].person: %w", at, i, err)
			}
			if !o.From.Before(o.Until) {
				return fmt.Errorf("%s.overrides[%d].until: %q: want a time after from", at, i, o.Until.Format("2006-01-02T15:04:05Z07:00"))
			}
		}
	}
	return nil
}

func (l Layer) validate(person func(string) error) error {
	if l.Name == "" || l.Name == OverrideLayer {
		return fmt.Errorf("name: got %q, want a name to show, and not %s", l.Name, OverrideLayer)
	}
	for i, w := range l.Restrict {
		if w.From == w.To {
			return fmt.Errorf("restrict[%d].to: %q is where it begins: want another time of day (all day is 00:00 to 24:00)", i, w.To)
		}
	}
	if l.Calendar != "" {
		if len(l.People) > 0 || l.Start != "" {
			return fmt.Errorf("calendar: %q stands beside people or start: want either turns or a calendar", l.Calendar)
		}
		return nil
	}
	if len(l.People) == 0 {
		return fmt.Errorf("people: is empty: want at least one person, or a calendar")
	}
	for i, p := range l.People {
		if err := person(p); err != nil {
			return fmt.Errorf("people[%d]: %w", i, err)
		}
	}
	start, err := parseNaive(l.Start)
	if err != nil {
		return fmt.Errorf("start: %w", err)
	}
	if l.Until != "" {
		end, err := parseNaive(l.Until)
		if err != nil {
			return fmt.Errorf("until: %w", err)
		}
		if !start.Before(end.Time) {
			return fmt.Errorf("until: %q: want a time after start", l.Until)
		}
	}
	return nil
}

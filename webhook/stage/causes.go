package stage

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/foreshock/foreshock/webhook/alert"
	"github.com/foreshock/foreshock/webhook/cases"
	"github.com/foreshock/foreshock/webhook/policy"
)

// frequent and rare are how many causes a digest names of either end: with the
// frequent ones alone, something rare among much of the same would go under.
const (
	frequent = 12
	rare     = 8
)

type class struct{ name, place string }

func classOf(m cases.Alert, rules policy.Correlate) class {
	place := first(m.Last.Labels, rules.ServiceLabels)
	if place == "" {
		place = hostOf(m.Last.Labels, rules.HostLabels)
	}
	return class{m.Last.Name(), place}
}

// representatives picks the alerts that a message shows: those that fire first,
// of each name one before any name has two, and then those of rare names, so that
// nothing rare goes under. more is how many were left off.
func representatives(members []cases.Alert, rules policy.Correlate) (shown []alert.Alert, more int) {
	type ranked struct {
		m          cases.Alert
		name, turn int // how many of its name, and of its class, are before it
	}
	sorted := slices.Clone(members)
	slices.SortStableFunc(sorted, func(a, b cases.Alert) int {
		return cmp.Or(cmp.Compare(b2i(!a.Counts()), b2i(!b.Counts())), cmp.Compare(a.Grade, b.Grade), a.LastFired.Compare(b.LastFired), a.Identity.Compare(b.Identity))
	})
	turns, names := map[class]int{}, map[string]int{}
	all := make([]ranked, len(sorted))
	for i, m := range sorted {
		c := classOf(m, rules)
		all[i] = ranked{m, names[c.name], turns[c]}
		names[c.name]++
		turns[c]++
	}
	slices.SortStableFunc(all, func(a, b ranked) int {
		return cmp.Or(cmp.Compare(b2i(a.name > 0), b2i(b.name > 0)), cmp.Compare(names[a.m.Last.Name()], names[b.m.Last.Name()]), cmp.Compare(a.turn, b.turn))
	})
	for _, r := range all {
		if len(shown) == cases.MaxNoticeAlerts {
			more++
			continue
		}
		shown = append(shown, r.m.Last)
	}
	return shown, more
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// causes counts the alerts by class, the most frequent first: "HighLatency
// (checkout): 812, DiskFull (db): 3".
func causes(members []cases.Alert, rules policy.Correlate) string {
	n := map[class]int{}
	for _, m := range members {
		n[classOf(m, rules)]++
	}
	all := make([]class, 0, len(n))
	for c := range n {
		all = append(all, c)
	}
	slices.SortFunc(all, func(a, b class) int {
		return cmp.Or(cmp.Compare(n[b], n[a]), cmp.Compare(a.name, b.name), cmp.Compare(a.place, b.place))
	})
	var parts []string
	left := 0
	for i, c := range all {
		if i >= frequent && i < len(all)-rare {
			left += n[c]
			continue
		}
		if left > 0 {
			parts, left = append(parts, fmt.Sprintf("others: %d", left)), 0
		}
		text := c.name
		if c.place != "" {
			text += " (" + c.place + ")"
		}
		parts = append(parts, fmt.Sprintf("%s: %d", text, n[c]))
	}
	return strings.Join(parts, ", ")
}

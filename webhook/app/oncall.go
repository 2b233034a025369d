package app

import (
	"context"
	"slices"
	"time"

	"github.com/foreshock/foreshock/webhook/policy"
)

// roster is a schedule of the configuration in force with what is not in it: overrides of people, and imported calendars. False when
// there is no schedule of that name.
func (a *App) roster(ctx context.Context, name string) (policy.Roster, bool, error) {
	s, ok := a.rules().Schedules[name]
	if !ok {
		return policy.Roster{}, false, nil
	}
	r := policy.Roster{Schedule: s}
	given, err := a.store.Overrides(ctx, a.o.Now().Add(-rosterPast))
	if err != nil {
		return r, false, err
	}
	for _, o := range given {
		if o.Schedule == name {
			r.Given = append(r.Given, policy.Override{Person: o.Person, From: o.From, Until: o.Until})
		}
	}
	r.Given = slices.Clip(r.Given)
	return r, true, nil
}

// rosterPast is how far back shifts are shown as they were.
const rosterPast = 400 * 24 * time.Hour

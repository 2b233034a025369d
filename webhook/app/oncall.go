package app

import (
	"context"
	"maps"
	"time"

	"github.com/foreshock/foreshock/webhook/policy"
)

// onCall is the store with the schedules of the configuration in force: what the API needs.
type onCall struct {
	Store
	a *App
}

// Roster is a schedule with what is not in the configuration.
func (o onCall) Roster(ctx context.Context, name string) (policy.Roster, bool, error) {
	return o.a.roster(ctx, name)
}

// rosterPast is how far back overrides count: shifts of that time are shown as they were.
const rosterPast = 400 * 24 * time.Hour

// roster is a schedule of the configuration in force with overrides of people and imported calendars. False when there is no schedule of
// that name.
func (a *App) roster(ctx context.Context, name string) (policy.Roster, bool, error) {
	s, ok := a.rules().Schedules[name]
	if !ok {
		return policy.Roster{}, false, nil
	}
	a.calendars.mu.Lock()
	r := policy.Roster{Schedule: s, Calendars: maps.Clone(a.calendars.shifts)}
	a.calendars.mu.Unlock()
	given, err := a.store.Overrides(ctx, a.o.Now().Add(-rosterPast))
	if err != nil {
		return r, false, err
	}
	for _, o := range given {
		if o.Schedule == name {
			r.Given = append(r.Given, policy.Override{Person: o.Person, From: o.From, Until: o.Until})
		}
	}
	return r, true, nil
}

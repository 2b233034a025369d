package app

import (
	"context"
	"time"

	"github.com/foreshock/foreshock/webhook/action"
	"github.com/foreshock/foreshock/webhook/cases"
)

// closer carries out cases.AutoClose: a case that stayed resolved for close_after is closed.
type closer struct {
	store Store
	now   func() time.Time
}

// Handle closes the case if it is still resolved in the epoch in which the closing was planned.
func (c closer) Handle(ctx context.Context, a cases.Action) (action.Finished, error) {
	s, err := c.store.Story(ctx, a.CaseID)
	if err != nil {
		return action.Finished{}, err
	}
	if s.Case.State != cases.Resolved || s.Case.Epoch != a.Epoch {
		return action.Finished{Outcome: cases.OutcomeObsolete}, nil
	}
	to, err := cases.NextState(s.Case.State, cases.Close)
	if err != nil {
		return action.Finished{}, err
	}
	now := c.now().UTC().Truncate(time.Microsecond)
	from := s.Case.State
	s.Case.State, s.Case.ClosedAt, s.Case.UpdatedAt = to, now, now
	return action.Finished{Change: cases.Change{
		Cases: []cases.Case{s.Case},
		Events: []cases.Event{{
			CaseID: s.Case.ID, At: now, Kind: cases.StateChanged, Actor: cases.System, From: string(from), To: string(to), Note: "stayed resolved",
		}},
	}}, nil
}

package app

import (
	"context"

	"github.com/foreshock/foreshock/webhook/action"
	"github.com/foreshock/foreshock/webhook/cases"
	"github.com/foreshock/foreshock/webhook/stage"
)

// review is the handler of cases.Review.
type review struct{ stage.Reviewer }

// Handle decides; the executor commits.
func (r review) Handle(ctx context.Context, a cases.Action) (action.Finished, error) {
	ch, done, err := r.Review(ctx, a.CaseID)
	if err != nil {
		return action.Finished{}, err
	}
	if !done {
		return action.Finished{Outcome: cases.OutcomeObsolete}, nil
	}
	return action.Finished{Change: ch}, nil
}

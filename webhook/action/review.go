package action

import (
	"context"

	"github.com/foreshock/foreshock/webhook/cases"
)

// Reviews is the handler of cases.Review.
type Reviews struct {
	// Review decides what becomes of a case now; false when there is nothing to
	// decide.
	Review func(ctx context.Context, caseID string) (cases.Change, bool, error)
}

// Handle decides; the executor commits.
func (r Reviews) Handle(ctx context.Context, a cases.Action) (Finished, error) {
	ch, done, err := r.Review(ctx, a.CaseID)
	if err != nil {
		return Finished{}, err
	}
	if !done {
		return obsolete()
	}
	return Finished{Change: ch}, nil
}

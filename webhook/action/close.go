package action

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/foreshock/foreshock/webhook/cases"
)

// CaseReader reads one case; cases.ErrNotFound.
type CaseReader interface {
	Case(ctx context.Context, caseID string) (cases.Case, error)
}

// Close is the handler of cases.AutoClose: it closes a case that is still
// resolved in the epoch in which that was planned.
type Close struct {
	Cases CaseReader
	Now   func() time.Time // nil: time.Now
}

// Handle decides; the executor commits.
func (h Close) Handle(ctx context.Context, a cases.Action) (Finished, error) {
	c, err := h.Cases.Case(ctx, a.CaseID)
	if errors.Is(err, cases.ErrNotFound) || (err == nil && (c.State != cases.Resolved || c.Epoch != a.Epoch)) {
		return Finished{Outcome: cases.OutcomeObsolete}, nil
	}
	if err != nil {
		return Finished{}, err
	}
	now := time.Now
	if h.Now != nil {
		now = h.Now
	}
	to, err := cases.NextState(c.State, cases.Close)
	if err != nil {
		return Finished{}, fmt.Errorf("closing case %s: %w", c.ID, err)
	}
	e := cases.Event{CaseID: c.ID, At: now(), Kind: cases.StateChanged, Actor: cases.System, From: string(c.State), To: string(to), Note: string(cases.Close)}
	c.State, c.ClosedAt, c.UpdatedAt = to, e.At, c.Next(e.At)
	return Finished{Change: cases.Change{Cases: []cases.Case{c}, Events: []cases.Event{e}}}, nil
}

package store

import (
	"context"
	"time"

	"github.com/foreshock/foreshock/webhook/cases"
)

// callOff settles the picked actions whose condition does not hold of their case
// now, with a line in the timeline each, and returns the others. It runs in the
// transaction of the claim: an action is never begun after what calls it off was
// recorded.
func callOff(ctx context.Context, t tx, now time.Time, picked []cases.Action) ([]cases.Action, error) {
	kept := picked[:0]
	for _, a := range picked {
		if a.While == cases.Always {
			kept = append(kept, a)
			continue
		}
		// A case that is gone wants nothing any more.
		var of cases.Case
		found := false
		rows, err := t.query(ctx, `SELECT state, epoch FROM cases WHERE id = ?`, a.CaseID)
		if err := each(rows, err, func(scan func(...any) error) error {
			found = true
			return scan(&of.State, &of.Epoch)
		}); err != nil {
			return nil, err
		}
		if found && a.While.Holds(of, a.Epoch) {
			kept = append(kept, a)
			continue
		}
		const reason = "no longer needed when its time came"
		if _, err := t.exec(ctx, `UPDATE actions SET state = 'done', outcome = 'cancelled', updated_at = ?, last_error = ? WHERE id = ?`,
			micros(now), reason, a.ID); err != nil {
			return nil, err
		}
		if _, err := eventTable.insert(ctx, t, [][]any{eventRow(cases.Event{
			CaseID: a.CaseID, At: now, Kind: cases.Cancelled, Actor: cases.System, Channel: a.Channel, ActionID: a.ID, Note: reason,
		})}); err != nil {
			return nil, err
		}
	}
	return kept, nil
}

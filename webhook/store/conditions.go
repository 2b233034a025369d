package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"

	"github.com/foreshock/foreshock/webhook/cases"
	"github.com/foreshock/foreshock/webhook/policy"
)

var (
	conditionTable = upsert("conditions", "channel", "state version")
	newConditions  = newTable("conditions", "channel state version", "ON CONFLICT (channel) DO NOTHING")
)

// Conditions says how channels do. See Store.
func (db *DB) Conditions(ctx context.Context, channels ...string) ([]policy.Condition, error) {
	where, args := "", make([]any, len(channels))
	for i, c := range channels {
		args[i] = text(c)
	}
	if len(channels) > 0 {
		where = " WHERE channel IN (" + marks(len(channels)) + ")"
	}
	out, err := readConditions(ctx, db.read, where+" ORDER BY channel", args...)
	if err != nil {
		return nil, fmt.Errorf("reading how channels do: %w", err)
	}
	return out, nil
}

func readConditions(
	ctx context.Context, query func(context.Context, string, ...any) (*sql.Rows, error), rest string, args ...any,
) ([]policy.Condition, error) {
	rows, err := query(ctx, "SELECT channel, state, version FROM conditions"+rest, args...)
	return gather(rows, err, func(scan func(...any) error) (policy.Condition, error) {
		var c policy.Condition
		var state []byte
		if err := scan(&c.Channel, &state, &c.Version); err != nil {
			return c, err
		}
		if err := json.Unmarshal(state, &c); err != nil {
			return c, fmt.Errorf("decoding the condition of %s: %w", c.Channel, err)
		}
		return c, nil
	})
}

// saveCondition replaces the condition of the version that this one was made from.
func saveCondition(ctx context.Context, t tx, c policy.Condition) error {
	state, err := structure(c)
	if err != nil {
		return err
	}
	n, err := conditionTable.insert(ctx, t, [][]any{{text(c.Channel), text(state), c.Version + 1}})
	if err == nil && n == 0 {
		err = cases.ErrConflict
	}
	return err
}

// tried takes a message into the condition of its channel. It comes last in its transaction: whoever holds the row waits for no other.
func tried(ctx context.Context, t tx, channel string, try *policy.Try) error {
	if try == nil {
		return nil
	}
	if _, err := newConditions.insert(ctx, t, [][]any{{text(channel), "{}", int64(0)}}); err != nil {
		return err
	}
	lock := ""
	if t.dialectName() == "postgres" {
		lock = " FOR UPDATE" // SQLite has one writer
	}
	found, err := readConditions(ctx, t.query, " WHERE channel = ?"+lock, text(channel))
	if err != nil {
		return err
	}
	if len(found) != 1 {
		return fmt.Errorf("the condition of channel %q is not there", channel)
	}
	return saveCondition(ctx, t, found[0].After(*try))
}

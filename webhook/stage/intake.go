package stage

import (
	"context"
	"errors"

	"github.com/foreshock/foreshock/webhook/alert"
)

// Receipt says what became of a delivery that is durable now.
type Receipt struct {
	DeliveryID string                      `json:"delivery"`
	Alerts     int                         `json:"alerts"`
	Decisions  map[Decision]map[Reason]int `json:"decisions"`
	CaseIDs    []string                    `json:"cases"` // touched, sorted
	Actions    int                         `json:"actions"`
}

// IntakeOptions make an Intake.
type IntakeOptions struct {
	Chain Chain
	Store Committer
	// Committed is called after every commit that added actions: wake the
	// executor with it. May be nil.
	Committed func()
	Metrics   *Metrics // nil: not counted
}

// Intake takes deliveries through the chain and makes the outcome durable. It
// may be used concurrently; deliveries that share an alert go one after the
// other.
type Intake struct{ o IntakeOptions }

// NewIntake makes an Intake.
func NewIntake(o IntakeOptions) *Intake { return &Intake{o: o} }

// Deliver decides on a delivery and commits it. When it returns nil the
// delivery is durable; any error means that it is not, and that the sender
// should try again (503).
func (in *Intake) Deliver(ctx context.Context, d alert.Delivery) (Receipt, error) {
	return Receipt{}, errors.New("not written yet")
}

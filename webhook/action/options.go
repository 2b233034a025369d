package action

import (
	"errors"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/foreshock/foreshock/webhook/cases"
	"github.com/foreshock/foreshock/webhook/policy"
)

// Options make an Executor. Queue, Senders and Retry are needed; the zero value
// of everything else is the default named beside it.
type Options struct {
	Queue   Queue
	Senders Senders
	// Retry is read before every decision, so that a reload takes effect.
	Retry func() policy.Retry
	// Fallback is read before every decision; nil: no message goes another way.
	Fallback func() policy.Fallback
	// Dead is called for a message that was given up, and returns what is to be
	// stored with that, such as an action that tells people; may be nil.
	Dead func(a cases.Action, reason string) []cases.Action
	// Handlers carry out kinds other than cases.Notify.
	Handlers map[cases.Kind]Handler

	Holder     string        // name of this process in leases; a new ULID
	Lease      time.Duration // 20 s: after a crash another process takes over within this and Sweep
	Timeout    time.Duration // 15 s for one attempt
	PerChannel int           // 1 attempt at a time per channel: messages go out in order
	Total      int           // 32 attempts at a time in all
	Poll       time.Duration // 2 s: looks for work of other processes at least so often
	Sweep      time.Duration // 5 s: looks for lapsed leases so often

	Now     func() time.Time // Clock.Now
	Clock   *Clock           // one made of Now
	Rand    *rand.Rand       // source of jitter; seeded from the clock; used under a lock
	Log     *slog.Logger     // nothing is logged
	Metrics *Metrics         // nothing is counted
}

func (o Options) withDefaults() (Options, error) {
	if o.Queue == nil || o.Senders == nil || o.Retry == nil {
		return o, errors.New("action: Options need Queue, Senders and Retry")
	}
	o.Queue = patient{o.Queue}
	if o.Clock == nil {
		o.Clock = NewClock(o.Now, nil)
	}
	o.Now = o.Clock.Now
	if o.Holder == "" {
		o.Holder = ulid.Make().String()
	}
	if o.Rand == nil {
		seed := uint64(o.Now().UnixNano())
		o.Rand = rand.New(rand.NewPCG(seed, seed>>32))
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	for _, d := range []struct {
		p   *time.Duration
		def time.Duration
	}{{&o.Lease, 20 * time.Second}, {&o.Timeout, 15 * time.Second}, {&o.Poll, 2 * time.Second}, {&o.Sweep, 5 * time.Second}} {
		if *d.p <= 0 {
			*d.p = d.def
		}
	}
	if o.PerChannel <= 0 {
		o.PerChannel = 1
	}
	if o.Total <= 0 {
		o.Total = 32
	}
	return o, nil
}

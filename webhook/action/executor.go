package action

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/foreshock/foreshock/webhook/cases"
)

// Executor runs due actions. Make it with New, start Run once.
type Executor struct {
	o     Options
	wake  chan struct{}
	slots chan struct{} // one token per attempt that may run
	wg    sync.WaitGroup

	epoch  int64 // how often what waits was moved after jumps of the clock, as known here; of Run alone
	warned bool  // that the clock is wrong; of Run alone

	mu      sync.Mutex
	lines   map[string]*line              // by channel
	running map[string]context.CancelFunc // attempts by action ID
	later   map[string]time.Time          // channels that must wait, and until when

	health *tracker
}

// line is the work on one channel.
type line struct {
	workers int
	again   bool // something became due while all workers were busy
}

// New makes an Executor; the error says which option is missing.
func New(o Options) (*Executor, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	return &Executor{
		o: o, wake: make(chan struct{}, 1), slots: make(chan struct{}, o.Total),
		lines: map[string]*line{}, running: map[string]context.CancelFunc{}, later: map[string]time.Time{}, health: newTracker(o.Metrics),
	}, nil
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
// returns nil.
func (x *Executor) Run(ctx context.Context) error {
	defer x.wg.Wait()
	x.know(ctx)
	x.sweep(ctx)
	sweep := time.NewTicker(min(x.o.Sweep, x.o.Lease/3))
	defer sweep.Stop()
	for {
		x.clock(ctx)
		timer := time.NewTimer(x.dispatch(ctx))
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-x.wake:
		case <-timer.C:
		case <-sweep.C:
			if x.o.Clock.Jump() == 0 {
				x.know(ctx)
			}
			x.sweep(ctx)
		}
		timer.Stop()
	}
}

// dispatch sets workers on every channel with something due, and returns how
// long there is nothing to do unless it is woken.
func (x *Executor) dispatch(ctx context.Context) time.Duration {
	now := x.o.Now()
	channels, err := x.o.Queue.DueChannels(ctx, now)
	if err != nil {
		x.trouble(ctx, "looking for due actions", err)
		return x.o.Poll
	}
	for _, c := range channels {
		x.start(ctx, c)
	}
	next, err := x.o.Queue.NextDue(ctx, now)
	if err != nil {
		x.trouble(ctx, "looking for the next due action", err)
		return x.o.Poll
	}
	wait := x.o.Poll
	if !next.IsZero() {
		wait = min(wait, next.Sub(x.o.Now()))
	}
	return max(time.Millisecond, wait)
}

// notBefore remembers that a channel has to wait, and wakes the dispatcher when
// that is over sooner than it would look by itself.
func (x *Executor) notBefore(ctx context.Context, channel string, wait time.Duration) {
	if wait >= x.o.Poll {
		return // it looks anyway
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	now := x.o.Now()
	at := now.Add(wait)
	if was := x.later[channel]; was.After(now) && !was.After(at) {
		return // it is woken in time
	}
	x.later[channel] = at
	x.wg.Go(func() {
		t := time.NewTimer(wait)
		defer t.Stop()
		select {
		case <-t.C:
			x.Wake()
		case <-ctx.Done():
		}
	})
}

// start adds a worker to a channel, or tells the busy ones that there is more.
func (x *Executor) start(ctx context.Context, channel string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	l := x.lines[channel]
	if l == nil {
		l = &line{}
		x.lines[channel] = l
	}
	if l.workers >= x.width(channel) {
		l.again = true
		return
	}
	l.workers++
	x.wg.Go(func() { x.work(ctx, channel, l) })
}

// work runs actions of one channel, one after the other, until none is left.
func (x *Executor) work(ctx context.Context, channel string, l *line) {
	for {
		ran := x.one(ctx, channel)
		x.mu.Lock()
		if !ran && !l.again || ctx.Err() != nil {
			if l.workers--; l.workers == 0 {
				delete(x.lines, channel)
			}
			x.mu.Unlock()
			return
		}
		if !ran {
			l.again = false
		}
		more := l.workers < x.width(channel)
		x.mu.Unlock()
		if ran && more {
			x.Wake() // there may be enough for another worker
		}
	}
}

// width is how many attempts run at a time on a channel. The service's own steps
// wait for the store alone, which takes several in one commit; their lanes keep
// those of a case in order.
func (x *Executor) width(channel string) int {
	if channel == cases.InternalChannel {
		return max(x.o.PerChannel, internalWorkers)
	}
	return x.o.PerChannel
}

// internalWorkers is how many steps of the service itself run at a time.
const internalWorkers = 4

// one claims and runs one action; false when there was none.
func (x *Executor) one(ctx context.Context, channel string) bool {
	select {
	case x.slots <- struct{}{}:
		defer func() { <-x.slots }()
	case <-ctx.Done():
		return false
	}
	claimed, wait, err := x.pick(ctx, channel)
	switch {
	case err != nil:
		x.trouble(ctx, "claiming an action", err)
		return false
	case len(claimed) == 0:
		if wait > 0 {
			x.notBefore(ctx, channel, wait)
		}
		return false
	case len(claimed) == 1:
		// What has begun is finished, also while stopping.
		x.attempt(context.WithoutCancel(ctx), claimed[0])
	default:
		x.attemptAll(context.WithoutCancel(ctx), claimed)
	}
	return true
}

// sweep keeps the leases of what runs here and collects those of the dead. The
// order matters: after a jump of the clock the own ones look lapsed, too. A claim
// of which this process never heard, since the store's answer was lost, is not
// kept: it lapses and is collected.
func (x *Executor) sweep(ctx context.Context) {
	x.mu.Lock()
	before := make([]string, 0, len(x.running))
	for id := range x.running {
		before = append(before, id)
	}
	x.mu.Unlock()
	if len(before) > 0 {
		held, err := x.o.Queue.Extend(ctx, x.o.Holder, before, x.o.Now().Add(x.o.Lease))
		if err != nil {
			x.trouble(ctx, "extending leases", err)
			return
		}
		x.abandon(before, held)
	}
	lost, err := x.o.Queue.Reap(ctx, x.o.Now())
	if err != nil {
		x.trouble(ctx, "collecting lapsed leases", err)
		return
	}
	for _, a := range lost {
		x.o.Log.Warn("an attempt was interrupted and is repeated", "action", a.ID, "case", a.CaseID, "channel", a.Channel, "attempt", a.Attempts)
		x.o.Metrics.attempt(a.Channel, resultUnknown)
	}
	if len(lost) > 0 {
		x.Wake()
	}
	x.survey(ctx)
	x.relay(ctx)
}

// abandon cancels the attempts whose lease somebody else has.
func (x *Executor) abandon(before, held []string) {
	still := make(map[string]bool, len(held))
	for _, id := range held {
		still[id] = true
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, id := range before {
		if cancel := x.running[id]; cancel != nil && !still[id] {
			cancel()
		}
	}
}

func (x *Executor) trouble(ctx context.Context, doing string, err error) {
	if ctx.Err() != nil {
		return // stopping
	}
	x.o.Metrics.storeError()
	x.o.Log.LogAttrs(ctx, slog.LevelError, "the store is in trouble; trying again", slog.String("while", doing), slog.Any("error", err))
}

package action

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// JumpBound is how far the wall clock may be off without anything being done
// about it: what waits is early or late by no more than this, and one Poll, when
// the clock jumps. It is far above what time services correct by slowing a clock
// down, and far below the shortest wait of a ladder.
const JumpBound = 10 * time.Second

// Clock is the time by which everything is planned and done. It follows the
// wall clock, but not its jumps: when that is suddenly somewhere else, Clock goes
// on as before until what waits in the store has been moved by the jump (see
// Executor), and only then jumps, too. It may be used concurrently.
type Clock struct {
	wall   func() time.Time
	passed func() time.Duration

	mu   sync.Mutex
	base time.Time // the wall clock's time when from had passed
	from time.Duration
}

// NewClock makes a Clock of a wall clock and of how much time has passed since
// some moment, which never jumps; nil functions are the machine's.
func NewClock(wall func() time.Time, passed func() time.Duration) *Clock {
	if wall == nil {
		wall = time.Now
	}
	if passed == nil {
		began := time.Now()
		passed = func() time.Duration { return time.Since(began) }
	}
	return &Clock{wall: wall, passed: passed, base: wall().Round(0), from: passed()}
}

// Now is the wall clock's time, or where that would be without its last jump.
func (c *Clock) Now() time.Time {
	now, _ := c.look()
	return now
}

// Jump is how far the wall clock is away from Now; 0 below JumpBound.
func (c *Clock) Jump() time.Duration {
	_, jump := c.look()
	return jump
}

func (c *Clock) look() (now time.Time, jump time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	wall, steady := c.wall(), c.base.Add(c.passed()-c.from)
	jump = wall.Round(0).Sub(steady)
	if jump.Abs() < JumpBound {
		return wall, 0
	}
	return steady.In(wall.Location()), jump
}

// follow makes the wall clock right again after a jump.
func (c *Clock) follow() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.base, c.from = c.wall().Round(0), c.passed()
}

// clock moves what waits when the wall clock has jumped. While that fails, Now
// goes on as before, and it is tried again.
//
// With a store that has a clock of its own, which several processes share, that
// one decides: when it did not jump, nothing is moved, and this process goes on
// in its time. When it did, one of the processes moves what waits.
func (x *Executor) clock(ctx context.Context) {
	jump := x.o.Clock.Jump()
	if jump == 0 {
		x.warned = false
		return
	}
	now := x.o.Clock.Now()
	ref, epoch, err := x.o.Queue.Clock(ctx)
	if err != nil {
		x.trouble(ctx, "reading its clock", err)
		return
	}
	if !ref.IsZero() && ref.Sub(now.Add(jump)).Abs() > JumpBound {
		if !x.warned {
			x.warned = true
			x.o.Metrics.jumped()
			x.o.Log.LogAttrs(ctx, slog.LevelWarn, "the clock of this machine jumped, that of the database did not: going on in the database's time", slog.Duration("by", jump))
		}
		return
	}
	if epoch == x.epoch {
		var moved int64
		if moved, epoch, err = x.o.Queue.Shift(ctx, jump, epoch); err != nil {
			x.trouble(ctx, "moving what waits after a jump of the clock", err)
			return
		}
		x.o.Log.LogAttrs(ctx, slog.LevelWarn, "the clock jumped: what waits was moved with it", slog.Duration("by", jump), slog.Int64("actions", moved))
	}
	x.o.Metrics.jumped()
	x.epoch = epoch
	x.o.Clock.follow()
}

// know reads how often what waits was moved so far.
func (x *Executor) know(ctx context.Context) {
	if _, epoch, err := x.o.Queue.Clock(ctx); err == nil {
		x.epoch = epoch
	} else {
		x.trouble(ctx, "reading its clock", err)
	}
}

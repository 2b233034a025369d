package follow

import (
	"context"
	"sync"
	"time"
)

// Governor keeps the work of all streams together to a share of one core. It is safe for concurrent use.
//
// The clock on the wall is measured, not that of the CPU: on a host that is busy with other work the streams take less than their share, never more.
type Governor struct {
	share float64
	mu    sync.Mutex
	free  time.Time // when the next slice may begin
}

// NewGovernor returns one for a share of a core, above 0; 1 or more is no limit.
func NewGovernor(share float64) *Governor { return &Governor{share: share} }

// Wait returns when a slice may begin, or when ctx ends.
func (g *Governor) Wait(ctx context.Context) {
	g.mu.Lock()
	free := g.free
	g.mu.Unlock()
	sleep(ctx, time.Until(free))
}

// maxRest bounds the rest after one slice, so that a call that hung is not paid for by minutes without any reading.
const maxRest = 5 * time.Second

// Spent tells how long a slice took.
func (g *Governor) Spent(d time.Duration) {
	if g.share >= 1 {
		return
	}
	rest := min(time.Duration(float64(d)*(1/g.share-1)), maxRest)
	g.mu.Lock()
	defer g.mu.Unlock()
	if now := time.Now(); g.free.Before(now) {
		g.free = now
	}
	g.free = g.free.Add(rest)
}

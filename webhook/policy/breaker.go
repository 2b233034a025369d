package policy

import "time"

// Breaker keeps a channel that fails from being tried with every message: after some failures in a row it opens, and only a probe goes out
// from time to time until one gets through. The zero value is closed.
type Breaker struct {
	Failures int       // in a row
	Until    time.Time // while open: when the next probe may go
	wait     time.Duration
}

// Bounds of a breaker.
const (
	// breakAfter failures in a row open it: one is chance, and a restart of the other side costs two or three.
	breakAfter = 5
	// breakFirst and breakMax bound the time between probes; it doubles. A probe
	// every ten seconds burdens nobody, and a page is not late for the breaker's sake.
	breakFirst = 5 * time.Second
	breakMax   = 10 * time.Second
)

// Open reports whether it is open, a probe now included.
func (b Breaker) Open() bool { return b.Failures >= breakAfter }

// Wait is how long nothing may be tried; 0 when a message, or the next probe, may go.
func (b Breaker) Wait(now time.Time) time.Duration {
	if !b.Open() {
		return 0
	}
	// After a jump of the clock backwards a probe is due within the longest wait all the same.
	return min(max(0, b.Until.Sub(now)), breakMax)
}

// Probing reports whether what goes next is a probe: one message alone, and nothing beside it.
func (b Breaker) Probing() bool { return b.Open() }

// Failed is the breaker after a failure.
func (b Breaker) Failed(now time.Time) Breaker {
	b.Failures++
	if b.Open() {
		b.wait = min(max(2*b.wait, breakFirst), breakMax)
		b.Until = now.Add(b.wait)
	}
	return b
}

// Worked is the breaker after a success.
func (Breaker) Worked() Breaker { return Breaker{} }

// Health of a channel.
type Health string

// How a channel does, by its last ten messages.
const (
	Healthy  Health = "healthy"  // more than 90 % got through
	Degraded Health = "degraded" // more than 50 %
	Down     Health = "down"     // less, or the breaker is open
	Untried  Health = "untried"  // nothing was sent yet
)

// HealthOver is how many messages health is judged by.
const HealthOver = 10

// Judge is the health of a channel of which so many messages got through.
func Judge(good, all int) Health {
	switch {
	case all == 0:
		return Untried
	case good*10 > all*9:
		return Healthy
	case good*2 > all:
		return Degraded
	}
	return Down
}

package policy

import "time"

// Breaker keeps a channel that fails from being tried with every message: after some failures in a row it opens, and only a probe goes out
// from time to time until one gets through. The zero value is closed.
type Breaker struct {
	Failures int           `json:"failures,omitempty"` // in a row
	Until    time.Time     `json:"until,omitzero"`     // while open: when the next probe may go
	Pause    time.Duration `json:"pause,omitempty"`    // between the last probe and the next
}

// Bounds of a breaker.
const (
	// breakAfter failures in a row open it: one is chance, and a restart of the other side costs two or three.
	breakAfter = 5
	// breakFirst and breakMax bound the time between probes; it doubles. A probe
	// every ten seconds burdens nobody, and a page is not late for the breaker's sake.
	breakFirst = 5 * time.Second
	breakMax   = 10 * time.Second
	// breakFar is beyond every time to which a probe is put off: the clock went back.
	breakFar = time.Minute
)

// Open reports whether it is open, a probe now included.
func (b Breaker) Open() bool { return b.Failures >= breakAfter }

// Wait is how long nothing may be tried; 0 when a message, or the next probe, may go.
func (b Breaker) Wait(now time.Time) time.Duration {
	wait := b.Until.Sub(now)
	if !b.Open() || wait < 0 || wait > breakFar {
		return 0
	}
	return min(wait, breakMax)
}

// Probing is the breaker while one message is tried, by whoever has it for so long: meanwhile nobody else tries another.
func (b Breaker) Probing(now time.Time, lease time.Duration) Breaker {
	b.Until = now.Add(min(lease, breakFar))
	return b
}

// Failed is the breaker after a failure.
func (b Breaker) Failed(now time.Time) Breaker {
	b.Failures++
	if b.Open() {
		b.Pause = min(max(2*b.Pause, breakFirst), breakMax)
		b.Until = now.Add(b.Pause)
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

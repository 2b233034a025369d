package policy

import (
	"slices"
	"time"
)

// Condition is how a channel does, by the messages of all replicas: what its health is judged by, and its breaker. The zero value is of a channel that nothing was
// sent to.
type Condition struct {
	Channel string    `json:"-"`
	Last    []Try     `json:"last,omitempty"` // the newest HealthOver, oldest first
	Breaker Breaker   `json:"breaker,omitzero"`
	At      time.Time `json:"at,omitzero"`     // of the newest
	GoodAt  time.Time `json:"goodAt,omitzero"` // of the newest that got through
	Error   string    `json:"error,omitempty"` // of the newest
	Version int64     `json:"-"`               // counts the changes
}

// Try is how one message went.
type Try struct {
	Good  bool          `json:"good,omitempty"`
	Took  time.Duration `json:"took"`
	At    time.Time     `json:"-"` // its end
	Error string        `json:"-"`
}

// After is the condition after one more message. It does not change c.
func (c Condition) After(t Try) Condition {
	c.Last = append(slices.Clone(c.Last), t)
	if n := len(c.Last) - HealthOver; n > 0 {
		c.Last = c.Last[n:]
	}
	c.At, c.Error = t.At, t.Error
	if !t.Good {
		c.Breaker = c.Breaker.Failed(t.At)
		return c
	}
	c.GoodAt, c.Breaker = t.At, c.Breaker.Worked()
	return c
}

// Health is the judgement, with how many of the last messages got through and how long those took on average.
func (c Condition) Health() (state Health, good int, latency time.Duration) {
	for _, t := range c.Last {
		if t.Good {
			good++
			latency += t.Took
		}
	}
	if good > 0 {
		latency /= time.Duration(good)
	}
	if c.Breaker.Open() {
		return Down, good, latency
	}
	return Judge(good, len(c.Last)), good, latency
}

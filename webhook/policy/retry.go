package policy

import (
	"math/rand/v2"
	"time"
)

// Retry says when an attempt that failed is made again: exponential backoff
// with full jitter, not before the other side's Retry-After, until attempts or
// age run out; the last try falls on the end of the age.
//
// Full jitter: AWS Architecture Blog, "Exponential Backoff And Jitter" (2015).
type Retry struct {
	Base        Duration `json:"base" yaml:"base"`                 // upper bound of the first wait
	Max         Duration `json:"max" yaml:"max"`                   // upper bound of every wait
	MaxAttempts int      `json:"max_attempts" yaml:"max_attempts"` // attempts in all, the first included
	MaxAge      Duration `json:"max_age" yaml:"max_age"`           // since the action was first due
}

// DefaultRetry waits up to 1, 2, 4, … s, at most 5 min, and gives up after 200
// attempts or 24 h: a notification that is a day late helps nobody, and a
// channel that is down for an evening comes back.
func DefaultRetry() Retry {
	return Retry{
		Base: Duration(time.Second), Max: Duration(5 * time.Minute),
		MaxAttempts: 200, MaxAge: Duration(24 * time.Hour),
	}
}

// Failure is an attempt that did not succeed.
type Failure struct {
	Attempt    int           // number of this attempt, from 1
	First      time.Time     // when the action was first due
	Now        time.Time     // when the attempt failed
	RetryAfter time.Duration // what the other side asked for; 0 when nothing
	Permanent  bool          // the other side will never accept it
}

// Next is when to try again, at the latest when MaxAge is reached. ok is false
// when the action is given up: the failure is permanent, the attempts are used,
// or MaxAge is reached. rnd is the source of jitter; it is not safe for concurrent use.
func (r Retry) Next(f Failure, rnd *rand.Rand) (at time.Time, ok bool) {
	if f.Permanent || f.Attempt >= r.MaxAttempts {
		return time.Time{}, false
	}
	wait := time.Duration(rnd.Int64N(int64(r.ceiling(f.Attempt)) + 1))
	if f.RetryAfter > 0 {
		// Not before the time asked for, and spread over one base interval.
		wait = f.RetryAfter + time.Duration(rnd.Int64N(int64(r.Base)+1))
	}
	at = f.Now.Add(wait)
	if last := f.First.Add(time.Duration(r.MaxAge)); at.After(last) {
		// One last try at the end, rather than none: who asks for a long wait may be back sooner.
		return last, f.Now.Before(last)
	}
	return at, true
}

// ceiling is min(Max, Base·2^(attempt-1)), without overflow.
func (r Retry) ceiling(attempt int) time.Duration {
	c := time.Duration(r.Base)
	for i := 1; i < attempt && c < time.Duration(r.Max); i++ {
		c *= 2
	}
	return min(c, time.Duration(r.Max))
}

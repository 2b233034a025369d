package policy

import (
	"slices"
	"time"
)

// Rate is a promise of a service: it takes at most N messages in any time of length Per.
type Rate struct {
	N   int
	Per time.Duration
}

// Quota is what a destination takes. The zero value is no limit.
//
// It is a token bucket whose tokens come back one window after they were spent, so that no window of any position holds more than N:
// services count in ways that they do not document, and being silenced for ten minutes is worse than waiting. A part of the tokens is
// kept for what is urgent, spaced so that there is always one within reserveEvery.
type Quota struct {
	Rates []Rate
}

const (
	// margin is what a window is longer than documented: messages arrive at other distances than they were sent.
	marginDivisor = 50
	// reserveEvery is how often something urgent can be sent at least, as far as half of the quota allows.
	reserveEvery = 8 * time.Second
)

// MaxBlocked is how long a destination can want silence at most: beyond a day, its clock or ours is wrong.
const MaxBlocked = 24 * time.Hour

// Bucket is what was spent at one destination. The zero value is a full bucket.
type Bucket struct {
	Name    string    `json:"name"`
	Spent   []Spend   `json:"spent"` // ascending, those within the longest window
	Blocked time.Time `json:"blocked,omitzero"`
	Version int64     `json:"-"` // as of cases.Case
}

// Spend is one token.
type Spend struct {
	At       time.Time `json:"at"`
	Reserved bool      `json:"reserved,omitempty"` // of the part for what is urgent
}

// length is how long a token of the window is gone.
func (w Rate) length() time.Duration { return w.Per + w.Per/marginDivisor }

// reserve is how many tokens of the window are for what is urgent.
func (w Rate) reserve() int {
	if w.Per <= reserveEvery {
		return 0
	}
	return min(int((w.Per+reserveEvery-1)/reserveEvery), w.N/2)
}

// None reports whether there is no limit.
func (q Quota) None() bool { return len(q.Rates) == 0 }

// Wait is how long nothing of this urgency may be sent; 0 when a token can be taken now.
func (q Quota) Wait(b Bucket, urgent bool, now time.Time) time.Duration {
	wait := max(0, b.Blocked.Sub(now))
	if wait > MaxBlocked {
		wait = 0 // the clock went back
	}
	for _, w := range q.Rates {
		at, _ := w.next(b.Spent, urgent, now)
		wait = max(wait, at.Sub(now))
	}
	return wait
}

// next is when the window has a token, and whether it is one of its reserve.
func (w Rate) next(spent []Spend, urgent bool, now time.Time) (at time.Time, reserved bool) {
	r := w.reserve()
	var all, general []time.Time
	var last time.Time // of the reserve
	for _, s := range spent {
		t := s.At
		if t.After(now) {
			t = now // the clock went back: a token is never gone for longer than its window
		}
		if !t.Add(w.length()).After(now) {
			continue
		}
		all = append(all, t)
		if s.Reserved {
			last = t
		} else {
			general = append(general, t)
		}
	}
	free := func(spent []time.Time, n int) time.Time {
		if len(spent) < n {
			return now
		}
		return spent[len(spent)-n].Add(w.length())
	}
	at = free(general, w.N-r)
	if urgent && r > 0 && at.After(now) {
		mine := now
		if !last.IsZero() {
			mine = last.Add(w.length() / time.Duration(r))
		}
		if mine.Before(at) {
			at, reserved = mine, true
		}
	}
	if whole := free(all, w.N); whole.After(at) {
		at = whole
	}
	if at.Before(now) {
		at = now
	}
	return at, reserved
}

// Take spends one token at now, whether or not there is one.
func (q Quota) Take(b Bucket, urgent bool, now time.Time) Bucket {
	reserved, longest := false, time.Duration(0)
	for _, w := range q.Rates {
		_, r := w.next(b.Spent, urgent, now)
		reserved = reserved || r
		longest = max(longest, w.length())
	}
	kept := make([]Spend, 0, len(b.Spent)+1)
	for _, s := range b.Spent {
		if s.At.After(now) {
			s.At = now
		}
		if s.At.Add(longest).After(now) {
			kept = append(kept, s)
		}
	}
	b.Spent = append(kept, Spend{now, reserved})
	if !b.Blocked.After(now) {
		b.Blocked = time.Time{}
	}
	return b
}

// Soon is how many messages of this urgency could go within the time, one after the other; at most enough.
func (q Quota) Soon(b Bucket, urgent bool, now time.Time, within time.Duration, enough int) int {
	if q.None() && b.Blocked.IsZero() {
		return enough
	}
	b.Spent = slices.Clone(b.Spent)
	for n := range enough {
		at := now.Add(q.Wait(b, urgent, now))
		if at.Sub(now) > within {
			return n
		}
		within -= at.Sub(now)
		now = at
		b = q.Take(b, urgent, now)
	}
	return enough
}

// Waiting counts what is due at a destination.
type Waiting struct {
	Urgent int // P0
	Other  int
}

// Send is what to do next at a destination.
type Send struct {
	After  time.Duration // above 0: nothing before
	Urgent bool          // something urgent, else anything
	Digest bool          // everything of that urgency in one message, else one message
}

// How long messages may queue one by one before they are put into one: nobody reads faster, and a page must not wait.
const (
	urgentPatience = 5 * time.Second
	otherPatience  = 30 * time.Second
)

// Next says what to do, most urgent first. Messages go one by one while that is soon done, else in one.
func (q Quota) Next(b Bucket, w Waiting, now time.Time) Send {
	s := Send{Urgent: w.Urgent > 0}
	n, patience := w.Other, otherPatience
	if s.Urgent {
		n, patience = w.Urgent, urgentPatience
	}
	if s.After = q.Wait(b, s.Urgent, now); s.After > 0 {
		return s
	}
	s.Digest = n > 1 && q.Soon(b, s.Urgent, now, patience, n) < n
	return s
}

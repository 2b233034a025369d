package main

import (
	"context"
	"fmt"
	"time"
)

// link is one place that an alert passes on its way.
type link struct {
	where string // who has it then: "Prometheus"
	// look asks whether it got there. Errors count as "not yet": a part may be busy, and the last error is told when it never gets there.
	look func(ctx context.Context) (sighting, bool, error)
	// missing completes "the chain broke at …:", and hint says where to look; it may be nil.
	missing string
	hint    func() string
}

// sighting is an alert at a link.
type sighting struct {
	detail string
	at     time.Time // when it got there; zero: when it was seen
}

// chain is the way of one alert, in order.
type chain struct {
	name  string
	links []*link
}

// glance is how often a link is asked.
const glance = 100 * time.Millisecond

// brokenChain says where an alert was lost.
type brokenChain struct {
	chain string
	link  *link
	limit time.Duration
	err   error // of the last look, nil when it only was not there
}

func (b *brokenChain) Error() string {
	text := fmt.Sprintf("the chain of %s broke at %s: %s within %s", b.chain, b.link.where, b.link.missing, b.limit)
	if b.link.hint != nil {
		text += "; " + b.link.hint()
	}
	if b.err != nil {
		text += "; asking for it failed: " + b.err.Error()
	}
	return text
}

// follow waits for one link after the other; each is told to the story as it is reached. When the limit passes first, the error is a
// *brokenChain with the link that was not reached.
func (c *chain) follow(ctx context.Context, s *story, limit time.Duration) error {
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for _, l := range c.links {
		seen, err := l.wait(limited)
		switch {
		case ctx.Err() != nil:
			return errStopped
		case limited.Err() != nil:
			return &brokenChain{c.name, l, limit, err}
		}
		s.event(seen.at, l.where, "%s", seen.detail)
	}
	return nil
}

// wait looks until the alert is there or ctx ends; then the error is that of the last look.
func (l *link) wait(ctx context.Context) (sighting, error) {
	var last error
	for {
		seen, ok, err := l.look(ctx)
		switch {
		case ok:
			if seen.at.IsZero() {
				seen.at = time.Now()
			}
			return seen, nil
		case ctx.Err() == nil:
			last = err
		}
		select {
		case <-ctx.Done():
			return sighting{}, last
		case <-time.After(glance):
		}
	}
}

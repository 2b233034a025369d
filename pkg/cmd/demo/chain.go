package main

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// link is one place that an alert passes on its way.
type link struct {
	where string // who has it then: "Prometheus"
	// look asks whether it got there; detail is told to the user. Errors count as "not yet": a part may be busy, and the last error is told
	// when it never gets there.
	look func(ctx context.Context) (detail string, ok bool, err error)
	// missing completes "the chain broke at …:", and hint says where to look.
	missing string
	hint    func() string

	at  time.Time
	err error
}

// chain is the way of one alert, in order.
type chain struct {
	name  string
	links []*link
	// every is how often each link is asked.
	every time.Duration
}

// brokenChain says where an alert was lost.
type brokenChain struct {
	chain string
	link  *link
	limit time.Duration
}

func (b *brokenChain) Error() string {
	text := fmt.Sprintf("the chain of %s broke at %s: %s within %s", b.chain, b.link.where, b.link.missing, b.limit)
	if b.link.hint != nil {
		if h := b.link.hint(); h != "" {
			text += "; " + h
		}
	}
	if b.link.err != nil {
		text += "; asking for it failed: " + b.link.err.Error()
	}
	return text
}

// follow waits until all links were reached, each of which is told to the story as it is. When the limit passes first, the error is a
// *brokenChain that names the first link that was not reached.
func (c *chain) follow(ctx context.Context, s *story, limit time.Duration) error {
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	var all sync.WaitGroup
	for _, l := range c.links {
		all.Go(func() { l.wait(limited, s, c.every) })
	}
	all.Wait()
	if ctx.Err() != nil {
		return errStopped
	}
	for _, l := range c.links {
		if l.at.IsZero() {
			return &brokenChain{c.name, l, limit}
		}
	}
	return nil
}

func (l *link) wait(ctx context.Context, s *story, every time.Duration) {
	for {
		detail, ok, err := l.look(ctx)
		switch {
		case ok:
			l.at, l.err = time.Now(), nil
			s.event(l.at, l.where, "%s", detail)
			return
		case ctx.Err() == nil:
			l.err = err
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(every):
		}
	}
}

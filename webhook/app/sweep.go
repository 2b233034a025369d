package app

import (
	"context"
	"time"

	"github.com/foreshock/foreshock/webhook/config"
	"github.com/foreshock/foreshock/webhook/policy"
	"github.com/foreshock/foreshock/webhook/store"
)

// sweepEvery is how often what is past its retention is deleted: often enough that each time is little.
const sweepEvery = 10 * time.Minute

// linksFor is how long alerts may find cases by links: the longest window that can be configured, twice.
const linksFor = 48 * time.Hour

// reviewsFor is how long it is kept when cases were looked at again.
const reviewsFor = 24 * time.Hour

// sweep deletes what is past its retention until the context ends.
func (a *App) sweep(ctx context.Context) {
	t := time.NewTicker(sweepEvery)
	defer t.Stop()
	for {
		n, err := a.store.Trim(ctx, expired(a.state.Load().file.Retention, a.o.Now()))
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			a.o.Log.Warn("what is past its retention could not be deleted; it is tried again", "err", err)
		case n > 0:
			a.o.Log.Info("deleted what is past its retention", "rows", n)
		}
		select {
		case <-t.C:
		case <-ctx.Done():
			return
		}
	}
}

// expired says before which time things may go; 0 keeps them.
func expired(r config.Retention, now time.Time) store.Retention {
	before := func(d policy.Duration) time.Time {
		if d <= 0 {
			return time.Time{}
		}
		return now.Add(-time.Duration(d))
	}
	return store.Retention{
		Bodies: before(r.Bodies), Deliveries: before(r.Deliveries), Cases: before(r.Cases), Links: now.Add(-linksFor), Reviews: now.Add(-reviewsFor),
		Once: now.Add(-7 * 24 * time.Hour),
	}
}

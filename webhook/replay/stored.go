package replay

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/foreshock/foreshock/webhook/alert"
	"github.com/foreshock/foreshock/webhook/cases"
)

// Archive is where stored deliveries come from; store.DB is one.
type Archive interface {
	Deliveries(ctx context.Context, before string, limit int) ([]cases.DeliveryInfo, error)
	Body(ctx context.Context, deliveryID string) (body []byte, cut bool, err error)
}

// Coverage says how much of what was delivered could be replayed.
type Coverage struct {
	Deliveries int `json:"deliveries"` // replayed
	Alerts     int `json:"alerts"`
	Gone       int `json:"gone"`   // whose body is past its retention, or was not kept
	Cut        int `json:"cut"`    // whose body was kept in part only, and cannot be read
	Broken     int `json:"broken"` // that cannot be read for another reason
}

// page is how many deliveries are listed at once.
const page = 500

// Stored replays the deliveries received in [since, until), in the order in which
// they came, and then lets the clock run on for rest.
func (w *World) Stored(ctx context.Context, from Archive, since, until time.Time, rest time.Duration) (Coverage, error) {
	var c Coverage
	infos, err := listed(ctx, from, since, until)
	if err != nil {
		return c, err
	}
	last := since
	for _, i := range infos {
		d, ok, err := c.read(ctx, from, i)
		if err != nil {
			return c, err
		}
		last = i.Received
		if !ok {
			continue
		}
		if err := w.Deliver(ctx, d); err != nil {
			return c, err
		}
	}
	return c, w.Until(ctx, last.Add(rest))
}

// listed are the deliveries of a time, oldest first.
func listed(ctx context.Context, from Archive, since, until time.Time) ([]cases.DeliveryInfo, error) {
	var out []cases.DeliveryInfo
	for before := ""; ; {
		some, err := from.Deliveries(ctx, before, page)
		if err != nil {
			return nil, err
		}
		for _, i := range some {
			if !i.Received.Before(since) && i.Received.Before(until) {
				out = append(out, i)
			}
		}
		// IDs sort by time; an hour allows for clocks that disagree.
		if len(some) < page || some[len(some)-1].Received.Before(since.Add(-time.Hour)) {
			break
		}
		before = some[len(some)-1].ID
	}
	slices.SortStableFunc(out, func(a, b cases.DeliveryInfo) int { return a.Received.Compare(b.Received) })
	return out, nil
}

// read makes a delivery of what was stored of it; false when that is not enough.
func (c *Coverage) read(ctx context.Context, from Archive, i cases.DeliveryInfo) (alert.Delivery, bool, error) {
	body, cut, err := from.Body(ctx, i.ID)
	if errors.Is(err, cases.ErrNotFound) {
		c.Gone++
		return alert.Delivery{}, false, nil
	}
	if err != nil {
		return alert.Delivery{}, false, err
	}
	m, unreadable := alert.Decode(bytes.NewReader(body), alert.DefaultLimits())
	if unreadable != nil { // counted: the others are replayed
		if cut {
			c.Cut++
		} else {
			c.Broken++
		}
		return alert.Delivery{}, false, nil
	}
	m.Source = i.Source
	c.Deliveries++
	c.Alerts += len(m.Alerts)
	return alert.Delivery{ID: i.ID, Cluster: i.Cluster, Sender: i.Sender, Received: i.Received, Message: m}, true, nil
}

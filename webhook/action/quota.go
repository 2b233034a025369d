package action

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/foreshock/foreshock/webhook/cases"
	"github.com/foreshock/foreshock/webhook/policy"
)

// maxDigest is how many messages go into one digest at most: as many as a commit writes quickly.
const maxDigest = 500

// limits are the quota of a channel, if it has one.
func (x *Executor) limits(channel string) (q policy.Quota, destination string, digest bool) {
	s, ok := x.o.Senders.Sender(channel)
	if !ok {
		return policy.Quota{}, "", false
	}
	l, ok := s.(Limited)
	if !ok {
		return policy.Quota{}, "", false
	}
	return l.Limits()
}

// pick claims what the channel shall send next: one action, or several that go out as one message; nothing when nothing is due or when it has to wait.
// The token is spent in the step that claims, so that a crash costs a token and never a throttled channel.
func (x *Executor) pick(ctx context.Context, channel string) (claimed []cases.Action, wait time.Duration, err error) {
	q, destination, digest := x.limits(channel)
	for range maxDecisions {
		r := cases.ClaimRequest{Holder: x.o.Holder, Channel: channel, Now: x.o.Now(), Lease: x.o.Lease, Limit: 1}
		if channel != cases.InternalChannel {
			c, err := x.condition(ctx, channel)
			if err != nil {
				return nil, 0, err
			}
			if wait := c.Breaker.Wait(r.Now); wait > 0 {
				return nil, wait, nil
			}
			if c.Breaker.Open() { // one message alone is tried, by one replica
				c.Breaker = c.Breaker.Probing(r.Now, r.Lease)
				r.Probe = &c
			}
		}
		if q.None() {
			claimed, err = x.o.Queue.Claim(ctx, r)
		} else {
			claimed, wait, err = x.pickWithin(ctx, r, q, destination, digest && r.Probe == nil)
		}
		if !errors.Is(err, cases.ErrConflict) {
			return claimed, wait, err
		}
		// Another process sent to the same destination meanwhile, or tries the channel.
	}
	return nil, 0, err
}

// pickWithin decides by what was spent and what waits.
func (x *Executor) pickWithin(ctx context.Context, r cases.ClaimRequest, q policy.Quota, destination string, digest bool) ([]cases.Action, time.Duration, error) {
	waiting, err := x.o.Queue.Waiting(ctx, r.Channel, r.Now)
	if err != nil || waiting == (policy.Waiting{}) {
		return nil, 0, err
	}
	bucket, err := x.o.Queue.Bucket(ctx, destination)
	if err != nil {
		return nil, 0, err
	}
	for {
		next := q.Next(bucket, waiting, r.Now)
		if next.After > 0 {
			x.o.Metrics.throttled(r.Channel)
			return nil, next.After, nil
		}
		spent := q.Take(bucket, next.Urgent, r.Now)
		r.UrgentOnly, r.Limit, r.Bucket = next.Urgent, 1, &spent
		if next.Digest && digest {
			r.Limit = maxDigest
		}
		claimed, err := x.o.Queue.Claim(ctx, r)
		if err != nil || len(claimed) > 0 || !next.Urgent || waiting.Other == 0 {
			return claimed, 0, err
		}
		waiting.Urgent = 0 // all of them wait behind others of their lanes
	}
}

// attemptAll sends the messages of several actions as one, and records for each how that went.
func (x *Executor) attemptAll(ctx context.Context, all []cases.Action) {
	channel := all[0].Channel
	run, cancel := context.WithTimeout(ctx, x.o.Timeout)
	defer cancel()
	x.mu.Lock()
	for _, a := range all {
		x.o.Metrics.began(channel, x.o.Now().Sub(a.Due))
		x.running[a.ID] = cancel
	}
	x.mu.Unlock()
	defer func() {
		x.mu.Lock()
		for _, a := range all {
			delete(x.running, a.ID)
			x.o.Metrics.ended()
		}
		x.mu.Unlock()
	}()
	began := time.Now()
	receipt, err := x.sendAll(run, all)
	took := time.Since(began)
	x.o.Metrics.took(channel, took)
	results := make([]cases.Result, len(all))
	for i, a := range all {
		done := Finished{Receipt: cases.Receipt{ID: receipt.ID, Status: receipt.Status, Reply: receipt.Reply}}
		if err == nil {
			done.Note = fmt.Sprintf("in a digest of %d messages", len(all))
			done.Receipt.Reply = strings.TrimSuffix(done.Note+": "+done.Receipt.Reply, ": ")
		}
		results[i] = x.result(a, done, err)
	}
	results[0].Try = x.learn(ctx, results[0], took)
	if err == nil {
		x.o.Metrics.digest(channel, len(all))
	}
	x.recordAll(ctx, results)
}

// sendAll sends one message for all.
func (x *Executor) sendAll(ctx context.Context, all []cases.Action) (receipt cases.Receipt, err error) {
	defer func() {
		if p := recover(); p != nil {
			x.o.Log.Error("a channel panicked", "channel", all[0].Channel, "panic", p)
			err = fmt.Errorf("the channel %s panicked", all[0].Channel)
		}
	}()
	sender, ok := x.o.Senders.Sender(all[0].Channel)
	if !ok {
		return receipt, fmt.Errorf("no channel is named %q in the configuration", all[0].Channel)
	}
	m := cases.Message{Channel: all[0].Channel, Attempt: 1}
	keys := make([]string, len(all))
	for i, a := range all {
		var n cases.Notice
		if err := json.Unmarshal(a.Payload, &n); err != nil {
			return receipt, cases.Rejected(cases.Receipt{}, "the stored notice cannot be read: %w", err)
		}
		m.Batch = append(m.Batch, n)
		m.Attempt, m.Interrupted = max(m.Attempt, a.Attempts), m.Interrupted || a.Interrupted
		keys[i] = a.Key
	}
	slices.SortStableFunc(m.Batch, func(a, b cases.Notice) int { return int(a.Urgency()) - int(b.Urgency()) })
	m.Notice = m.Batch[0]
	slices.Sort(keys)
	sum := sha256.Sum256([]byte(strings.Join(keys, "\n")))
	m.Key = "digest/" + hex.EncodeToString(sum[:16])
	return sender.Send(ctx, m)
}

// recordAll writes the results; while the store is in trouble it tries again, for as long as the leases may last.
func (x *Executor) recordAll(ctx context.Context, results []cases.Result) {
	ctx, cancel := context.WithTimeout(ctx, x.o.Lease)
	defer cancel()
	for wait := 50 * time.Millisecond; ; wait = min(2*wait, time.Second) {
		lost, err := x.o.Queue.FinishAll(ctx, results)
		if err == nil {
			for _, r := range results {
				if slices.Contains(lost, r.Action.ID) {
					x.o.Metrics.attempt(r.Action.Channel, resultLost)
					continue
				}
				x.tell(r)
			}
			_, _ = x.condition(ctx, results[0].Action.Channel) // it is read again anyway
			return
		}
		x.o.Metrics.storeError()
		t := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			t.Stop()
			x.trouble(ctx, "recording a digest", err)
			return
		case <-t.C:
		}
	}
}

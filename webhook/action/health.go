package action

import (
	"context"
	"sync"
	"time"

	"github.com/foreshock/foreshock/webhook/cases"
	"github.com/foreshock/foreshock/webhook/policy"
)

// ChannelHealth is how a channel does, as all replicas see it.
type ChannelHealth struct {
	Channel string        `json:"channel"`
	State   policy.Health `json:"state"`
	Good    int           `json:"good"` // of the last All messages got through
	All     int           `json:"all"`  // at most policy.HealthOver
	// Latency is the mean time that those took which got through.
	Latency time.Duration `json:"latency"`
	// Probe is when a message is tried next while the breaker is open; zero while it is closed.
	Probe     time.Time `json:"probe,omitzero"`
	Last      time.Time `json:"last,omitzero"`     // of the newest message
	LastGood  time.Time `json:"lastGood,omitzero"` // of the newest that got through
	LastError string    `json:"lastError,omitempty"`
}

func healthOf(c policy.Condition) ChannelHealth {
	h := ChannelHealth{Channel: c.Channel, All: len(c.Last), Last: c.At, LastGood: c.GoodAt, LastError: c.Error}
	h.State, h.Good, h.Latency = c.Health()
	if c.Breaker.Open() {
		h.Probe = c.Breaker.Until
	}
	return h
}

// tracker is what was read last of how the channels do. The store has the truth, which all replicas add to; this is for decisions in between, and for times in
// which the store does not answer.
type tracker struct {
	metrics *Metrics
	mu      sync.Mutex
	by      map[string]policy.Condition
}

func newTracker(m *Metrics) *tracker { return &tracker{metrics: m, by: map[string]policy.Condition{}} }

// take takes in what was read.
func (t *tracker) take(all []policy.Condition) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, c := range all {
		if c.Version >= t.by[c.Channel].Version {
			t.by[c.Channel] = c
			t.metrics.health(healthOf(c))
		}
	}
}

func (t *tracker) of(channel string) policy.Condition {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.by[channel]
	c.Channel = channel
	return c
}

// open reports whether the breaker of the channel is open.
func (t *tracker) open(channel string) bool { return t.of(channel).Breaker.Open() }

// down lists the channels that are down.
func (t *tracker) down() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var out []string
	for name, c := range t.by {
		if c.Breaker.Open() {
			out = append(out, name)
		}
	}
	return out
}

// Health is how the channel does; what was known last while the store does not answer.
func (x *Executor) Health(channel string) ChannelHealth {
	c, _ := x.condition(context.Background(), channel)
	return healthOf(c)
}

// condition reads how a channel does. With an error it is what was known last.
func (x *Executor) condition(ctx context.Context, channel string) (policy.Condition, error) {
	all, err := x.o.Queue.Conditions(ctx, channel)
	if err == nil && len(all) == 0 {
		all = []policy.Condition{{Channel: channel}} // nothing was sent yet
	}
	x.health.take(all)
	return x.health.of(channel), err
}

// survey reads how all channels do.
func (x *Executor) survey(ctx context.Context) {
	all, err := x.o.Queue.Conditions(ctx)
	if err != nil {
		x.trouble(ctx, "reading how channels do", err)
	}
	x.health.take(all)
}

// learn finds what an attempt says of its channel, nil: nothing. Being asked to wait is no illness: the destination's bucket is closed for so long.
func (x *Executor) learn(ctx context.Context, r cases.Result, took time.Duration) *policy.Try {
	a := r.Action
	if a.Kind != cases.Notify || r.Outcome == cases.OutcomeObsolete || r.Outcome == cases.OutcomeCancelled {
		return nil
	}
	if r.State == cases.Retry && r.Asked > 0 && r.Receipt.Status/100 != 5 {
		if _, destination, _ := x.limits(a.Channel); destination != "" {
			if err := x.o.Queue.Block(ctx, destination, r.At.Add(r.Asked)); err != nil {
				x.trouble(ctx, "closing a channel that asked for silence", err)
			}
		}
		x.o.Metrics.asked(a.Channel)
		return nil
	}
	return &policy.Try{Good: r.State == cases.Done, Took: took, At: r.At, Error: r.Error}
}

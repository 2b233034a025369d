package action

import (
	"context"
	"sync"
	"time"

	"github.com/foreshock/foreshock/webhook/cases"
	"github.com/foreshock/foreshock/webhook/policy"
)

// ChannelHealth is how a channel does, as this process sees it.
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
	LastGood  time.Time `json:"lastGood,omitzero"` // of the newest that got through, as far as this process knows
	LastError string    `json:"lastError,omitempty"`
}

// tracker keeps the health of all channels.
type tracker struct {
	metrics *Metrics
	mu      sync.Mutex
	by      map[string]*record
}

// record is what is known of one channel.
type record struct {
	loaded  bool // what was sent before this process began is known
	last    []outcome
	breaker policy.Breaker
	at      time.Time
	goodAt  time.Time
	err     string
}

type outcome struct {
	good bool
	took time.Duration
}

func newTracker(m *Metrics) *tracker { return &tracker{metrics: m, by: map[string]*record{}} }

func (t *tracker) record(channel string) *record {
	r := t.by[channel]
	if r == nil {
		r = &record{}
		t.by[channel] = r
	}
	return r
}

func (r *record) add(o outcome) {
	r.last = append(r.last, o)
	if len(r.last) > policy.HealthOver {
		r.last = r.last[1:]
	}
}

func (r *record) health(channel string) ChannelHealth {
	h := ChannelHealth{Channel: channel, All: len(r.last), Last: r.at, LastGood: r.goodAt, LastError: r.err}
	for _, o := range r.last {
		if o.good {
			h.Good++
			h.Latency += o.took
		}
	}
	if h.Good > 0 {
		h.Latency /= time.Duration(h.Good)
	}
	h.State = policy.Judge(h.Good, h.All)
	if r.breaker.Open() {
		h.State, h.Probe = policy.Down, r.breaker.Until
	}
	return h
}

// note takes the end of an attempt in.
func (t *tracker) note(channel string, good bool, took time.Duration, at time.Time, err string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	r := t.record(channel)
	r.add(outcome{good, took})
	r.at, r.err = at, err
	if good {
		r.goodAt = at
		r.breaker = r.breaker.Worked()
	} else {
		r.breaker = r.breaker.Failed(at)
	}
	t.metrics.health(r.health(channel))
}

// wait is how long nothing may be tried on a channel.
func (t *tracker) wait(channel string, now time.Time) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.record(channel).breaker.Wait(now)
}

// open reports whether the breaker of the channel is open.
func (t *tracker) open(channel string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.record(channel).breaker.Open()
}

func (t *tracker) of(channel string) ChannelHealth {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.record(channel).health(channel)
}

// down lists the channels that are down.
func (t *tracker) down() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var out []string
	for name, r := range t.by {
		if r.breaker.Open() {
			out = append(out, name)
		}
	}
	return out
}

// Health is how the channel does.
func (x *Executor) Health(channel string) ChannelHealth {
	x.remember(context.Background(), channel)
	return x.health.of(channel)
}

// remember reads the last messages of a channel from the ledger, once: health survives a restart.
func (x *Executor) remember(ctx context.Context, channel string) {
	x.health.mu.Lock()
	known := x.health.record(channel).loaded
	x.health.mu.Unlock()
	if known {
		return
	}
	lines, err := x.o.Queue.Ledger(ctx, cases.LedgerQuery{Channel: channel, Limit: policy.HealthOver})
	if err != nil {
		return // it is asked again
	}
	x.health.mu.Lock()
	defer x.health.mu.Unlock()
	r := x.health.record(channel)
	if r.loaded {
		return
	}
	r.loaded = true
	fresh := r.last
	r.last = nil
	for i := len(lines) - 1; i >= 0; i-- {
		l := lines[i]
		r.add(outcome{l.Result == string(cases.OutcomeSent), l.Ended.Sub(l.Began)})
		if r.at.IsZero() || l.Began.After(r.at) {
			r.at, r.err = l.Began, l.Error
		}
		if l.Result == string(cases.OutcomeSent) && l.Began.After(r.goodAt) {
			r.goodAt = l.Began
		}
	}
	for _, o := range fresh {
		r.add(o)
	}
	x.o.Metrics.health(r.health(channel))
}

// learn takes the result of an attempt into the health of its channel. Being asked to wait is no illness: the destination's bucket is closed for so long.
func (x *Executor) learn(ctx context.Context, r cases.Result, took time.Duration) {
	a := r.Action
	if a.Kind != cases.Notify || r.Outcome == cases.OutcomeObsolete || r.Outcome == cases.OutcomeCancelled {
		return
	}
	if r.State == cases.Retry && r.Asked > 0 && r.Receipt.Status/100 != 5 {
		if _, destination, _ := x.limits(a.Channel); destination != "" {
			if err := x.o.Queue.Block(ctx, destination, r.At.Add(r.Asked)); err != nil {
				x.trouble(ctx, "closing a channel that asked for silence", err)
			}
		}
		x.o.Metrics.asked(a.Channel)
		return
	}
	x.health.note(a.Channel, r.State == cases.Done, took, r.At, r.Error)
}

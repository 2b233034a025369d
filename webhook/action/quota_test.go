package action_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/foreshock/foreshock/webhook/action"
	"github.com/foreshock/foreshock/webhook/cases"
	"github.com/foreshock/foreshock/webhook/policy"
)

// robots are channels of chat services that take so many messages in a window and no more, as they document, and answer the next ones like
// DingTalk: nothing is taken for ten minutes.
type robots struct {
	mu        sync.Mutex
	rates     map[string][]policy.Rate
	digest    map[string]bool // takes several messages in one
	sent      map[string][]sending
	throttled int
	takes     time.Duration // one exchange
}

type sending struct {
	at   time.Time
	keys []string // cases in it
}

type robotSender struct {
	*robots
	name string
}

func (r *robots) Sender(channel string) (action.Sender, bool) {
	_, ok := r.rates[channel]
	return robotSender{r, channel}, ok
}

func (r robotSender) Limits() (policy.Quota, string, bool) {
	return policy.Quota{Rates: r.rates[r.name]}, "robot-" + r.name, r.digest[r.name]
}

func (r robotSender) Send(_ context.Context, m cases.Message) (cases.Receipt, error) {
	time.Sleep(r.takes)
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	for _, rate := range r.rates[r.name] {
		n := 0
		for _, s := range r.sent[r.name] {
			if now.Sub(s.at) < rate.Per {
				n++
			}
		}
		if n >= rate.N {
			r.throttled++
			return cases.Receipt{}, cases.Later(10*time.Minute, cases.Receipt{Status: 200}, "send too fast")
		}
	}
	s := sending{at: now}
	for _, n := range m.Batch {
		s.keys = append(s.keys, n.Case.ID)
	}
	if len(m.Batch) == 0 {
		s.keys = []string{m.Notice.Case.ID}
	}
	r.sent[r.name] = append(r.sent[r.name], s)
	return cases.Receipt{ID: fmt.Sprint(len(r.sent[r.name]))}, nil
}

func graded(id, channel string, g policy.Grade, due time.Time) cases.Action {
	n := cases.Notice{What: cases.WhatOpened, Case: cases.Case{ID: id, Grade: g, Title: id}}
	payload, _ := json.Marshal(n) // a plain value
	return cases.Action{
		ID: id + channel, Key: id + "/1/opened/" + channel, CaseID: id, Kind: cases.Notify, Channel: channel, Lane: channel + "/" + id, Epoch: 1, Payload: payload,
		Urgency: g, State: cases.Due, Planned: due, Due: due, CreatedAt: due, UpdatedAt: due,
	}
}

// A storm: thousands of cases within a minute, one in a hundred of them P0, each told on every robot. No robot gets more than it takes, none is ever
// throttled, every P0 is out within 10 s, and every message goes out exactly once, alone or in a digest. FORESHOCK_STORM=10000 for the full size.
func TestStorm(t *testing.T) {
	size := 300
	if _, err := fmt.Sscan(os.Getenv("FORESHOCK_STORM"), &size); err != nil && os.Getenv("FORESHOCK_STORM") != "" {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		r := &robots{
			sent: map[string][]sending{}, takes: 150 * time.Millisecond,
			rates: map[string][]policy.Rate{
				"dingtalk": {{N: 20, Per: time.Minute}}, "wecom": {{N: 20, Per: time.Minute}}, "slack": {{N: 1, Per: time.Second}},
				"feishu": {{N: 100, Per: time.Minute}, {N: 5, Per: time.Second}}, "telegram": {{N: 20, Per: time.Minute}, {N: 1, Per: time.Second}},
			},
			digest: map[string]bool{"dingtalk": true, "wecom": true, "slack": true, "feishu": true, "telegram": true},
		}
		w := newWorld(t, func(o *action.Options) { o.Senders = r })
		stop := w.run()
		rnd := rand.New(rand.NewPCG(7, 7))
		born := map[string]time.Time{}
		urgent := map[string]bool{}
		for i := 0; i < size; {
			var batch []cases.Action
			for range min(1+rnd.IntN(2*size/120+1), size-i) {
				id := fmt.Sprintf("c%05d", i)
				i++
				g := policy.Grade(1 + rnd.IntN(3))
				if rnd.IntN(100) == 0 {
					g = policy.P0
				}
				born[id], urgent[id] = time.Now(), g == policy.P0
				for name := range r.rates {
					batch = append(batch, graded(id, name, g, time.Now()))
				}
			}
			w.add(batch...)
			time.Sleep(500 * time.Millisecond)
		}
		time.Sleep(15 * time.Minute)
		stop()
		if r.throttled > 0 {
			t.Errorf("%d messages were answered that they come too fast", r.throttled)
		}
		for name, rates := range r.rates {
			seen := map[string]int{}
			var slowest, last time.Duration
			digests := 0
			for i, s := range r.sent[name] {
				for _, rate := range rates {
					if j := i + rate.N; j < len(r.sent[name]) && r.sent[name][j].at.Sub(s.at) < rate.Per {
						t.Errorf("%s got more than %d messages in %s", name, rate.N, rate.Per)
					}
				}
				if len(s.keys) > 1 {
					digests++
				}
				for _, id := range s.keys {
					seen[id]++
					if wait := s.at.Sub(born[id]); urgent[id] {
						slowest = max(slowest, wait)
					} else {
						last = max(last, wait)
					}
				}
			}
			for id := range born {
				if seen[id] != 1 {
					t.Fatalf("%s: %s went out %d times", name, id, seen[id])
				}
			}
			if slowest >= 10*time.Second {
				t.Errorf("%s: a P0 was out after %s", name, slowest)
			}
			t.Logf("%s: %d cases in %d messages (%d digests); P0 at most %s, the others at most %s", name, len(born), len(r.sent[name]), digests, slowest.Round(time.Millisecond), last.Round(time.Second))
		}
		if c, err := w.db.Counts(context.Background()); err != nil || c.Actions[cases.Done] != size*len(r.rates) {
			t.Errorf("%v, %v", c.Actions, err)
		}
	})
}

// What was sent is known after a restart: the new process does not begin with a full bucket.
func TestQuotaSurvivesRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &robots{sent: map[string][]sending{}, rates: map[string][]policy.Rate{"slack": {{N: 20, Per: time.Minute}}}, digest: map[string]bool{}}
		w := newWorld(t, func(o *action.Options) { o.Senders = r })
		for i := range 30 {
			w.add(graded(fmt.Sprint("c", i), "slack", policy.P1, time.Now()))
		}
		for range 3 {
			x, err := action.New(w.o)
			if err != nil {
				t.Fatal(err)
			}
			w.x = x
			stop := w.run()
			time.Sleep(5 * time.Second)
			stop()
		}
		if n := len(r.sent["slack"]); n != 12 || r.throttled > 0 {
			t.Errorf("%d messages in 15 s and three processes, %d throttled", n, r.throttled)
		}
	})
}

// Two replicas share the quota of a robot.
func TestQuotaIsShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &robots{sent: map[string][]sending{}, rates: map[string][]policy.Rate{"slack": {{N: 20, Per: time.Minute}}}, digest: map[string]bool{}, takes: time.Second}
		w := newWorld(t, func(o *action.Options) { o.Senders = r })
		other := w.o
		other.Holder, other.Metrics = "other", nil
		x, err := action.New(other)
		if err != nil {
			t.Fatal(err)
		}
		for i := range 40 {
			w.add(graded(fmt.Sprint("c", i), "slack", policy.P1, time.Now()))
		}
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error)
		go func() { done <- x.Run(ctx) }()
		stop := w.run()
		time.Sleep(4 * time.Minute)
		stop()
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if len(r.sent["slack"]) != 40 || r.throttled > 0 {
			t.Errorf("%d messages, %d throttled", len(r.sent["slack"]), r.throttled)
		}
	})
}

// A destination that asks for silence gets it, and nothing is lost.
func TestSilenceIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &robots{sent: map[string][]sending{}, rates: map[string][]policy.Rate{"slack": {{N: 20, Per: time.Minute}}}, digest: map[string]bool{"slack": true}}
		w := newWorld(t, func(o *action.Options) { o.Senders = r })
		for range 20 { // somebody else used the robot
			r.sent["slack"] = append(r.sent["slack"], sending{at: time.Now(), keys: []string{"x"}})
		}
		w.add(graded("c1", "slack", policy.P1, time.Now()), graded("c2", "slack", policy.P0, time.Now()))
		stop := w.run()
		time.Sleep(9*time.Minute + 30*time.Second)
		if r.throttled != 1 {
			t.Errorf("%d messages were refused, want 1 and then silence", r.throttled)
		}
		if h := w.x.Health("slack"); h.State != policy.Untried {
			t.Errorf("a plea for silence is taken for an illness: %+v", h)
		}
		time.Sleep(2 * time.Minute)
		stop()
		if len(r.sent["slack"]) != 22 || r.throttled != 1 {
			t.Errorf("%d messages, %d refused", len(r.sent["slack"]), r.throttled)
		}
	})
}

// flaky is a set of channels some of which fail.
type flaky struct {
	mu   sync.Mutex
	fail map[string]error
	sent []string // "channel key"
}

type flakySender struct {
	*flaky
	name string
}

func (f *flaky) Sender(channel string) (action.Sender, bool) {
	return flakySender{f, channel}, slices.Contains([]string{"pager", "slack", "mail"}, channel)
}

func (f flakySender) Send(_ context.Context, m cases.Message) (cases.Receipt, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sent = append(f.sent, f.name+" "+m.Notice.Case.ID)
	return cases.Receipt{}, f.fail[f.name]
}

func (f *flaky) set(channel string, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fail[channel] = err
}

func (f *flaky) count(line string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := 0
	for _, s := range f.sent {
		if s == line {
			n++
		}
	}
	return n
}

func fallback() policy.Fallback {
	f := policy.DefaultFallback()
	f.Order = policy.FallbackOrder{P0: []string{"pager", "slack", "mail"}, P1: []string{"slack", "mail"}, P2: []string{"mail"}}
	return f
}

// A channel that fails: the breaker opens, the message goes another way at once when it is urgent, probes go on, and what waits gets through when it is back.
func TestChannelDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &flaky{fail: map[string]error{"pager": errors.New("no route to host")}}
		w := newWorld(t, func(o *action.Options) {
			o.Senders, o.Fallback = f, fallback
			o.Retry = func() policy.Retry {
				return policy.Retry{Base: policy.Duration(time.Second), Max: policy.Duration(30 * time.Second), MaxAttempts: 100, MaxAge: policy.Duration(24 * time.Hour)}
			}
		})
		stop := w.run()
		w.add(graded("c1", "pager", policy.P0, time.Now()))
		time.Sleep(45 * time.Second)
		if f.count("slack c1") != 1 || f.count("mail c1") != 0 {
			t.Errorf("the next channel is told %d times, the one after it %d times", f.count("slack c1"), f.count("mail c1"))
		}
		if h := w.x.Health("pager"); h.State != policy.Down || h.Probe.IsZero() || !strings.Contains(h.LastError, "no route") {
			t.Errorf("health: %+v", h)
		}
		tries := f.count("pager c1")
		time.Sleep(10 * time.Minute)
		if n := f.count("pager c1") - tries; n > 61 {
			t.Errorf("%d probes in 10 minutes", n)
		}
		w.add(graded("c2", "pager", policy.P0, time.Now()), graded("c3", "pager", policy.P1, time.Now()))
		time.Sleep(6 * time.Second)
		if f.count("slack c2") != 1 || f.count("slack c3") != 1 {
			t.Errorf("a channel that is down is waited for: %v", f.sent)
		}
		f.set("pager", nil)
		time.Sleep(5 * time.Minute)
		stop()
		if h := w.x.Health("pager"); !h.Probe.IsZero() {
			t.Errorf("the breaker stays open: %+v", h)
		}
		for _, id := range []string{"c1", "c2", "c3"} {
			s := w.story(id)
			if len(s.Actions) != 2 || s.Actions[0].State != cases.Done || s.Actions[1].State != cases.Done {
				t.Errorf("%s: %+v", id, s.Actions)
			}
		}
	})
}

// While no channel works a message waits for the first that does, and is given to that one, once.
func TestAllChannelsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := errors.New("no route to host")
		f := &flaky{fail: map[string]error{"pager": broken, "slack": broken, "mail": broken}}
		w := newWorld(t, func(o *action.Options) {
			o.Senders, o.Fallback = f, fallback
			o.Retry = func() policy.Retry {
				return policy.Retry{Base: policy.Duration(time.Second), Max: policy.Duration(30 * time.Second), MaxAttempts: 1000, MaxAge: policy.Duration(24 * time.Hour)}
			}
		})
		stop := w.run()
		w.add(graded("c1", "slack", policy.P2, time.Now()), graded("c2", "mail", policy.P2, time.Now())) // so that their breakers open
		time.Sleep(2 * time.Minute)
		w.add(graded("c3", "pager", policy.P0, time.Now()))
		time.Sleep(5 * time.Minute)
		if h := w.x.Health("mail"); h.Probe.IsZero() || len(w.story("c3").Actions) != 1 {
			t.Fatalf("mail: %+v, and the message: %+v", h, w.story("c3").Actions)
		}
		f.set("mail", nil)
		time.Sleep(time.Minute)
		if f.count("mail c3") != 1 || f.count("slack c3") != 0 {
			t.Errorf("mail works, and got it %d times; slack %d times", f.count("mail c3"), f.count("slack c3"))
		}
		f.set("slack", nil)
		f.set("pager", nil)
		time.Sleep(5 * time.Minute)
		stop()
		if n := len(w.story("c3").Actions); n != 2 || f.count("mail c3") != 1 || f.count("slack c3") != 0 {
			t.Errorf("%d messages, and sent %v", n, f.sent)
		}
	})
}

// A message that was given up while no other channel works waits for the first of the order.
func TestDeadLetterWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &flaky{fail: map[string]error{"slack": cases.Rejected(cases.Receipt{Status: 404}, "no such channel"), "mail": errors.New("no route to host")}}
		w := newWorld(t, func(o *action.Options) {
			o.Senders, o.Fallback = f, fallback
			o.Retry = func() policy.Retry {
				return policy.Retry{Base: policy.Duration(time.Second), Max: policy.Duration(30 * time.Second), MaxAttempts: 1000, MaxAge: policy.Duration(24 * time.Hour)}
			}
		})
		stop := w.run()
		w.add(graded("c1", "mail", policy.P2, time.Now()))
		time.Sleep(2 * time.Minute)
		w.add(graded("c2", "slack", policy.P1, time.Now()))
		time.Sleep(2 * time.Minute)
		f.set("mail", nil)
		time.Sleep(2 * time.Minute)
		stop()
		got := map[string]cases.ActionState{}
		for _, a := range w.story("c2").Actions {
			got[a.Channel] = a.State
		}
		if len(got) != 2 || got["slack"] != cases.Dead || got["mail"] != cases.Done {
			t.Errorf("got %v, and sent %v", got, f.sent)
		}
	})
}

// A message that was refused for good goes to the next channel in the same step, and people hear that it was given up.
func TestDeadLetter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &flaky{fail: map[string]error{"slack": cases.Rejected(cases.Receipt{Status: 404}, "no such channel")}}
		w := newWorld(t, func(o *action.Options) {
			o.Senders, o.Fallback = f, fallback
			o.Dead = func(a cases.Action, reason string) []cases.Action {
				n := graded("dead-"+a.CaseID, "mail", policy.P1, time.Now())
				n.LastError = reason
				return []cases.Action{n}
			}
		})
		stop := w.run()
		w.add(graded("c1", "slack", policy.P1, time.Now()))
		time.Sleep(10 * time.Second)
		stop()
		if f.count("mail c1") != 1 || f.count("mail dead-c1") != 1 {
			t.Errorf("got %v", f.sent)
		}
		var kinds []cases.EventKind
		for _, e := range w.story("c1").Events {
			kinds = append(kinds, e.Kind)
		}
		if !slices.Equal(kinds, []cases.EventKind{cases.GaveUp, cases.Relayed, cases.Sent}) {
			t.Errorf("the timeline says %v", kinds)
		}
	})
}

// Health is known after a restart, from the store.
func TestHealthSurvivesRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &flaky{fail: map[string]error{}}
		w := newWorld(t, func(o *action.Options) { o.Senders = f })
		stop := w.run()
		for i := range 12 {
			if i == 9 {
				f.set("slack", cases.Rejected(cases.Receipt{}, "no"))
			}
			w.add(graded(fmt.Sprint("c", i), "slack", policy.P1, time.Now()))
			time.Sleep(time.Second)
		}
		stop()
		before := w.x.Health("slack")
		if before.State != policy.Degraded || before.Good != 7 || before.All != 10 {
			t.Errorf("got %+v", before)
		}
		x, err := action.New(w.o)
		if err != nil {
			t.Fatal(err)
		}
		if after := x.Health("slack"); after.State != before.State || after.Good != before.Good || after.LastError != "no" {
			t.Errorf("after a restart: %+v", after)
		}
	})
}

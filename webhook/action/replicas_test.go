package action_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/foreshock/foreshock/webhook/action"
	"github.com/foreshock/foreshock/webhook/cases"
	"github.com/foreshock/foreshock/webhook/policy"
)

// Two replicas on one store know the same of a channel: where one opened the breaker, the other sends nothing but its share of the probes, and what waited gets
// through when a probe of either does.
func TestReplicasShareTheBreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := errors.New("no route to host")
		one, two := &flaky{fail: map[string]error{"slack": broken}}, &flaky{fail: map[string]error{"slack": broken}}
		retry := policy.Retry{Base: policy.Duration(time.Second), Max: policy.Duration(5 * time.Second), MaxAttempts: 1000, MaxAge: policy.Duration(24 * time.Hour)}
		w := newWorld(t, func(o *action.Options) {
			o.Senders, o.Holder, o.Retry = one, "one", func() policy.Retry { return retry }
		})
		o := w.o
		o.Senders, o.Holder, o.Metrics = two, "two", nil
		x, err := action.New(o)
		if err != nil {
			t.Fatal(err)
		}
		other := &world{t: t, x: x}
		same := func(when string) action.ChannelHealth {
			t.Helper()
			a, b := w.x.Health("slack"), x.Health("slack")
			if d := cmp.Diff(a, b); d != "" {
				t.Errorf("%s the replicas disagree (-one +two):\n%s", when, d)
			}
			return a
		}
		stop := w.run()
		w.add(graded("c1", "slack", policy.P1, time.Now()))
		for w.x.Health("slack").Probe.IsZero() {
			time.Sleep(100 * time.Millisecond)
		}
		stop()
		h := same("after the breaker opened")
		if h.State != policy.Down || h.LastError == "" || one.tries() != 5 {
			t.Fatalf("after %d messages: %+v", one.tries(), h)
		}
		// The other replica, which has sent nothing yet, gets much to send.
		stopTwo := other.run()
		for _, id := range []string{"c2", "c3", "c4", "c5"} {
			w.add(graded(id, "slack", policy.P1, time.Now()))
		}
		time.Sleep(time.Until(h.Probe) - 100*time.Millisecond)
		if n := two.tries(); n != 0 {
			t.Errorf("the other replica sent %d messages into a dead channel", n)
		}
		stop = w.run()
		before := one.tries()
		time.Sleep(10 * time.Minute)
		if n := one.tries() - before + two.tries(); n < 50 || n > 65 {
			t.Errorf("%d probes of both in 10 minutes, want one every 10 s", n)
		}
		same("while the channel is dead")
		one.set("slack", nil)
		two.set("slack", nil)
		time.Sleep(time.Minute)
		if h := same("after it came back"); !h.Probe.IsZero() || h.LastError != "" {
			t.Errorf("the breaker stays open: %+v", h)
		}
		stop()
		stopTwo()
		for _, id := range []string{"c1", "c2", "c3", "c4", "c5"} {
			if s := w.story(id); len(s.Actions) != 1 || s.Actions[0].State != cases.Done {
				t.Errorf("%s: %+v", id, s.Actions)
			}
		}
	})
}

// tries counts what was sent, on any channel.
func (f *flaky) tries() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.sent)
}

package policy_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/foreshock/foreshock/webhook/policy"
)

var (
	robot = policy.Quota{Rates: []policy.Rate{{N: 20, Per: time.Minute}}}
	lark  = policy.Quota{Rates: []policy.Rate{{N: 100, Per: time.Minute}, {N: 5, Per: time.Second}}}
	slack = policy.Quota{Rates: []policy.Rate{{N: 1, Per: time.Second}}}
	t0    = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
)

// Whoever always sends as soon as there is a token never puts more into any window than the service takes, whatever the mixture; and what is
// urgent never waits longer than the reserve promises.
func TestQuotaNeverExceeded(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		q     policy.Quota
		bound time.Duration // longest wait of something urgent
	}{"robot": {robot, 8 * time.Second}, "lark": {lark, 8 * time.Second}, "slack": {slack, 1100 * time.Millisecond}} {
		for seed := range uint64(10) {
			rnd := rand.New(rand.NewPCG(seed, 1))
			var b policy.Bucket
			var sent []time.Time
			now := t0
			for range 3000 {
				urgent := rnd.IntN(3) == 0
				wait := tt.q.Wait(b, urgent, now)
				if urgent && wait > tt.bound {
					t.Fatalf("%s: something urgent waits %s", name, wait)
				}
				if wait > 0 {
					now = now.Add(min(wait, time.Duration(rnd.IntN(3000))*time.Millisecond))
					continue
				}
				b = tt.q.Take(b, urgent, now)
				sent = append(sent, now)
				if rnd.IntN(4) == 0 {
					now = now.Add(time.Duration(rnd.IntN(2000)) * time.Millisecond)
				}
			}
			for _, w := range tt.q.Rates {
				for i := range sent {
					if j := i + w.N; j < len(sent) && sent[j].Sub(sent[i]) <= w.Per {
						t.Fatalf("%s, seed %d: more than %d messages within %s", name, seed, w.N, w.Per)
					}
				}
			}
			if len(sent) < 100 {
				t.Fatalf("%s: only %d were sent", name, len(sent))
			}
		}
	}
}

func TestQuotaNext(t *testing.T) {
	t.Parallel()
	var full policy.Bucket
	spent := full
	for range 12 {
		spent = robot.Take(spent, false, t0)
	}
	drained := robot.Take(spent, true, t0)
	for name, tt := range map[string]struct {
		q    policy.Quota
		b    policy.Bucket
		w    policy.Waiting
		want policy.Send
	}{
		"one":                     {robot, full, policy.Waiting{Other: 1}, policy.Send{}},
		"as many as there are":    {robot, full, policy.Waiting{Other: 12}, policy.Send{}},
		"more":                    {robot, full, policy.Waiting{Other: 13}, policy.Send{Digest: true}},
		"urgent first":            {robot, full, policy.Waiting{Urgent: 1, Other: 500}, policy.Send{Urgent: true}},
		"many urgent":             {robot, full, policy.Waiting{Urgent: 100}, policy.Send{Urgent: true, Digest: true}},
		"the rest is reserved":    {robot, spent, policy.Waiting{Other: 1}, policy.Send{After: 61200 * time.Millisecond}},
		"the reserve":             {robot, spent, policy.Waiting{Urgent: 1, Other: 7}, policy.Send{Urgent: true}},
		"all urgent ones at once": {robot, spent, policy.Waiting{Urgent: 2}, policy.Send{Urgent: true, Digest: true}},
		"the reserve is spaced":   {robot, drained, policy.Waiting{Urgent: 1}, policy.Send{Urgent: true, After: 7650 * time.Millisecond}},
		"no limit":                {policy.Quota{}, full, policy.Waiting{Urgent: 3, Other: 9000}, policy.Send{Urgent: true}},
		"blocked":                 {robot, policy.Bucket{Blocked: t0.Add(time.Minute)}, policy.Waiting{Urgent: 1}, policy.Send{Urgent: true, After: time.Minute}},
	} {
		if got := tt.q.Next(tt.b, tt.w, t0); got != tt.want {
			t.Errorf("%s: got %+v, want %+v", name, got, tt.want)
		}
	}
	// A clock that goes back an hour costs one window, no more.
	if wait := robot.Wait(drained, true, t0.Add(-time.Hour)); wait > 8*time.Second {
		t.Errorf("after the clock went back, something urgent waits %s", wait)
	}
	if wait := (policy.Quota{}).Wait(policy.Bucket{Blocked: t0}, true, t0.Add(-48*time.Hour)); wait > policy.MaxBlocked {
		t.Errorf("after the clock went back two days, a closed destination waits %s", wait)
	}
}

func TestBreaker(t *testing.T) {
	t.Parallel()
	var b policy.Breaker
	now := t0
	for range 4 {
		b = b.Failed(now)
	}
	if b.Open() || b.Wait(now) != 0 {
		t.Error("four failures open it")
	}
	var waits []time.Duration
	for range 8 {
		b = b.Failed(now)
		waits = append(waits, b.Wait(now))
		now = now.Add(b.Wait(now))
	}
	if !b.Open() || waits[0] != 5*time.Second || waits[1] != 10*time.Second || waits[7] != 10*time.Second {
		t.Errorf("probes come after %v", waits)
	}
	if b.Wait(now) != 0 || b.Wait(t0.Add(-time.Hour)) > 10*time.Second {
		t.Error("a probe is not due")
	}
	if b = b.Worked(); b.Open() {
		t.Error("a probe that got through does not close it")
	}
}

func TestJudge(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		good, all int
		want      policy.Health
	}{{0, 0, policy.Untried}, {10, 10, policy.Healthy}, {9, 10, policy.Degraded}, {6, 10, policy.Degraded}, {5, 10, policy.Down}, {1, 1, policy.Healthy}, {0, 1, policy.Down}} {
		if got := policy.Judge(tt.good, tt.all); got != tt.want {
			t.Errorf("%d of %d: %s, want %s", tt.good, tt.all, got, tt.want)
		}
	}
}

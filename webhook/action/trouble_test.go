package action_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/foreshock/foreshock/webhook/action"
	"github.com/foreshock/foreshock/webhook/cases"
)

// silent is a queue of which some calls never return by themselves, as over a
// connection that died.
type silent struct {
	action.Queue
	mu     sync.Mutex
	hang   int  // so many of the next calls
	commit bool // a hanging claim has claimed all the same
}

func (s *silent) hung(ctx context.Context) bool {
	s.mu.Lock()
	hang := s.hang > 0
	if hang {
		s.hang--
	}
	s.mu.Unlock()
	if hang {
		<-ctx.Done()
	}
	return hang
}

func (s *silent) Claim(ctx context.Context, r cases.ClaimRequest) ([]cases.Action, error) {
	if s.commit && s.hang > 0 {
		if _, err := s.Queue.Claim(ctx, r); err != nil {
			return nil, err
		}
	}
	if s.hung(ctx) {
		return nil, ctx.Err()
	}
	return s.Queue.Claim(ctx, r)
}

// A call of the store that never ends holds sending up for seconds only.
func TestDeadConnection(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(o *action.Options) { o.Queue = &silent{Queue: o.Queue, hang: 2} })
		w.add(notice("a", "slack", "c1", 0))
		stop := w.run()
		w.wait(40 * time.Second)
		stop()
		if len(w.f.all()) != 1 || w.f.all()[0].at > 20*time.Second {
			t.Errorf("sent %+v, want it within 20 s", w.f.all())
		}
	})
}

// A claim of which the executor never heard is collected when its lease ends,
// however busy the executor is.
func TestLostClaimIsCollected(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(o *action.Options) {
			o.Queue = &silent{Queue: o.Queue, hang: 1, commit: true}
			o.Timeout = 10 * time.Minute
		})
		w.f.how = func(_ context.Context, m cases.Message) (cases.Receipt, error) {
			if m.Key == "busy" {
				time.Sleep(5 * time.Minute)
			}
			return cases.Receipt{}, nil
		}
		w.add(notice("lost", "slack", "c1", 0))
		stop := w.run()
		w.wait(time.Second)
		w.add(notice("busy", "log", "c2", 0))
		w.wait(2 * time.Minute)
		if got := w.f.keys(); !slices.Equal(got, []string{"busy", "lost"}) {
			t.Errorf("sent %v", got)
		}
		w.wait(10 * time.Minute)
		stop()
	})
}

// A long attempt keeps its lease: nobody else takes it, also after the clock
// has jumped.
func TestLeaseIsKept(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var jump time.Duration
		var mu sync.Mutex
		w := newWorld(t, func(o *action.Options) {
			o.Timeout = 10 * time.Minute
			o.Now = func() time.Time {
				mu.Lock()
				defer mu.Unlock()
				return time.Now().Add(jump)
			}
		})
		w.f.how = func(context.Context, cases.Message) (cases.Receipt, error) {
			time.Sleep(5 * time.Minute)
			return cases.Receipt{}, nil
		}
		w.add(notice("a", "slack", "c1", 0))
		stop := w.run()
		w.wait(time.Minute)
		mu.Lock()
		jump = time.Hour
		mu.Unlock()
		w.wait(10 * time.Minute)
		stop()
		if len(w.f.all()) != 1 {
			t.Errorf("sent %+v: the lease was lost", w.f.all())
		}
		if s := w.story("c1"); len(s.Attempts) != 1 || s.Actions[0].State != cases.Done {
			t.Errorf("recorded %+v", s)
		}
	})
}

// stumbling is a store that fails for a while.
type stumbling struct {
	action.Queue
	mu   sync.Mutex
	down bool
}

func (s *stumbling) err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down {
		return errors.New("disk full")
	}
	return nil
}

func (s *stumbling) Finish(ctx context.Context, r cases.Result) error {
	if err := s.err(); err != nil {
		return err
	}
	return s.Queue.Finish(ctx, r)
}

func (s *stumbling) Claim(ctx context.Context, r cases.ClaimRequest) ([]cases.Action, error) {
	if err := s.err(); err != nil {
		return nil, err
	}
	return s.Queue.Claim(ctx, r)
}

// A store that fails between sending and recording does not make a message go
// out twice when it comes back in time.
func TestStoreTrouble(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var q *stumbling
		w := newWorld(t, func(o *action.Options) {
			q = &stumbling{Queue: o.Queue}
			o.Queue = q
		})
		set := func(down bool) { q.mu.Lock(); q.down = down; q.mu.Unlock() }
		w.f.how = func(context.Context, cases.Message) (cases.Receipt, error) {
			set(true)
			return cases.Receipt{}, nil
		}
		w.add(notice("a", "slack", "c1", 0))
		stop := w.run()
		w.wait(10 * time.Second)
		set(false)
		w.wait(time.Minute)
		stop()
		if len(w.f.all()) != 1 {
			t.Errorf("sent %+v", w.f.all())
		}
		if s := w.story("c1"); s.Actions[0].State != cases.Done {
			t.Errorf("not recorded: %+v", s.Actions[0])
		}
	})
}

// late is a queue in which something becomes due just after a claim has found
// nothing, before the worker knows.
type late struct {
	action.Queue
	once sync.Once
	add  func()
}

func (l *late) Claim(ctx context.Context, r cases.ClaimRequest) ([]cases.Action, error) {
	got, err := l.Queue.Claim(ctx, r)
	if len(got) == 0 {
		l.once.Do(func() {
			l.add()
			time.Sleep(time.Millisecond) // virtual: the dispatcher looks meanwhile
		})
	}
	return got, err
}

// What becomes due while a worker is about to go is not left to the next poll.
func TestNothingIsOverlooked(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := &late{}
		w := newWorld(t, func(o *action.Options) {
			q.Queue = o.Queue
			o.Queue, o.Poll = q, time.Hour
		})
		q.add = func() { w.add(notice("late", "slack", "c2", 0)) }
		w.add(notice("first", "slack", "c1", 0))
		stop := w.run()
		w.wait(time.Second)
		stop()
		if got := w.f.keys(); !slices.Equal(got, []string{"first", "late"}) {
			t.Errorf("sent %v", got)
		}
	})
}

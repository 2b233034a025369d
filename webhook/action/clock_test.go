package action_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/foreshock/foreshock/webhook/action"
	"github.com/foreshock/foreshock/webhook/cases"
)

// sharedClock is a store with a clock of its own, as PostgreSQL has.
type sharedClock struct {
	action.Queue
	mu     sync.Mutex
	jump   time.Duration // of the database's clock
	shifts []time.Duration
}

func (s *sharedClock) Clock(ctx context.Context) (time.Time, int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, n, err := s.Queue.Clock(ctx)
	return time.Now().Add(s.jump), n, err
}

func (s *sharedClock) Shift(ctx context.Context, by time.Duration, n int64) (int64, int64, error) {
	s.mu.Lock()
	s.shifts = append(s.shifts, by)
	s.mu.Unlock()
	return s.Queue.Shift(ctx, by, n)
}

// In a fleet the database's clock decides: a process whose own clock jumps goes on in the database's time and moves nothing; when the
// database's clock jumps, too, what waits is moved, once, whoever notes it.
func TestClockOfTheDatabase(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		process, database time.Duration
		others            bool // another process has moved what waits
		shifts            int
	}{
		"the process alone":                   {time.Hour, 0, false, 0},
		"the process alone, back":             {-time.Hour, 0, false, 0},
		"both":                                {time.Hour, time.Hour, false, 1},
		"both, and another process was first": {-time.Hour, -time.Hour, true, 0},
		"slowly, by less than is noted":       {5 * time.Second, 0, false, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var mu sync.Mutex
				skew := time.Duration(0)
				shared := &sharedClock{}
				w := newWorld(t, func(o *action.Options) {
					shared.Queue = o.Queue
					o.Queue, o.Sweep = shared, time.Hour // so that only the look at the clock tells what others did
					o.Now = func() time.Time { mu.Lock(); defer mu.Unlock(); return time.Now().Add(skew) }
				})
				w.add(notice("a", "slack", "c1", 10*time.Minute))
				stop := w.run()
				w.wait(5 * time.Minute)
				mu.Lock()
				skew = tt.process
				mu.Unlock()
				shared.mu.Lock()
				shared.jump = tt.database
				shared.mu.Unlock()
				if tt.others {
					if _, _, err := w.db.Shift(context.Background(), tt.database, 0); err != nil {
						t.Fatal(err)
					}
				}
				w.wait(5*time.Minute - 20*time.Second)
				if len(w.f.all()) != 0 {
					t.Errorf("too early: %+v", w.f.all())
				}
				w.wait(40 * time.Second)
				stop()
				if len(w.f.all()) != 1 {
					t.Errorf("sent %+v", w.f.all())
				}
				if len(shared.shifts) != tt.shifts {
					t.Errorf("moved by %v", shared.shifts)
				}
				jumps := "1"
				if tt.process < action.JumpBound && tt.process > -action.JumpBound {
					jumps = "0"
				}
				want := "# HELP foreshock_webhook_clock_jumps_total Jumps of the wall clock; what waits is moved with them.\n" +
					"# TYPE foreshock_webhook_clock_jumps_total counter\nforeshock_webhook_clock_jumps_total " + jumps + "\n"
				if err := testutil.GatherAndCompare(w.reg, strings.NewReader(want), "foreshock_webhook_clock_jumps_total"); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// Steps of a ladder that fall due at once, acknowledgements and crashes of the clock's sort never tell about a case that was acknowledged
// before the attempt began: the store's answer to the claim decides.
func TestNothingBeginsAfterAnAcknowledgement(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.f.how = func(_ context.Context, m cases.Message) (cases.Receipt, error) {
			if m.Attempt < 3 {
				return cases.Receipt{}, cases.Later(time.Minute, cases.Receipt{Status: 503}, "down")
			}
			return cases.Receipt{}, nil
		}
		c := cases.Case{ID: "c1", Key: "k1", State: cases.New, Epoch: 1}
		if err := w.db.Commit(context.Background(), cases.Change{Cases: []cases.Case{c}}); err != nil {
			t.Fatal(err)
		}
		a := notice("page", "slack", "c1", 0)
		a.While = cases.WhileUnacknowledged
		w.add(a)
		stop := w.run()
		w.wait(90 * time.Second) // two attempts have failed, the third waits
		c.State, c.Version = cases.Triage, 1
		if err := w.db.Commit(context.Background(), cases.Change{Cases: []cases.Case{c}}); err != nil { // without calling anything off
			t.Fatal(err)
		}
		w.wait(10 * time.Minute)
		stop()
		s := w.story("c1")
		if len(w.f.all()) != 2 || s.Actions[0].State != cases.Done || s.Actions[0].Outcome != cases.OutcomeCancelled {
			t.Errorf("sent %+v, then %+v", w.f.all(), s.Actions[0])
		}
	})
}

package action_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/foreshock/foreshock/webhook/action"
	"github.com/foreshock/foreshock/webhook/cases"
	"github.com/foreshock/foreshock/webhook/policy"
	"github.com/foreshock/foreshock/webhook/store"
)

// fake is a set of channels that note what they are asked to send.
type fake struct {
	mu   sync.Mutex
	sent []sent
	how  func(ctx context.Context, m cases.Message) (cases.Receipt, error)
	gone map[string]bool
}

type sent struct {
	at      time.Duration // since the start of the test
	key     string
	attempt int
	again   bool
}

func (f *fake) Sender(channel string) (action.Sender, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f, !f.gone[channel]
}

func (f *fake) Send(ctx context.Context, m cases.Message) (cases.Receipt, error) {
	f.mu.Lock()
	f.sent = append(f.sent, sent{time.Since(begin), m.Key, m.Attempt, m.Interrupted})
	how := f.how
	f.mu.Unlock()
	if how == nil {
		return cases.Receipt{ID: "r-" + m.Key}, nil
	}
	return how(ctx, m)
}

// all is what was sent so far.
func (f *fake) all() []sent {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.sent)
}

func (f *fake) keys() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []string
	for _, s := range f.sent {
		out = append(out, s.key)
	}
	return out
}

// begin is where the clock of synctest starts.
var begin = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// world is an executor on a real SQLite store, within a synctest bubble.
type world struct {
	t   *testing.T
	db  *store.DB
	f   *fake
	x   *action.Executor
	o   action.Options
	reg *prometheus.Registry
}

func newWorld(t *testing.T, change func(*action.Options)) *world {
	t.Helper()
	db, err := store.Open(context.Background(), store.Options{URL: "sqlite://" + filepath.Join(t.TempDir(), "w.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	w := &world{t: t, db: db, f: &fake{}, reg: prometheus.NewRegistry()}
	retry := policy.Retry{Base: policy.Duration(time.Second), Max: policy.Duration(10 * time.Second), MaxAttempts: 5, MaxAge: policy.Duration(time.Hour)}
	w.o = action.Options{
		Queue: db, Senders: w.f, Retry: func() policy.Retry { return retry }, Rand: rand.New(rand.NewPCG(1, 1)), Holder: "me",
		Metrics: action.NewMetrics(w.reg, "slack"),
	}
	if change != nil {
		change(&w.o)
	}
	w.x, err = action.New(w.o)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// run starts the executor and returns how to stop it.
func (w *world) run() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- w.x.Run(ctx) }()
	return func() {
		cancel()
		if err := <-done; err != nil {
			w.t.Errorf("Run: %v", err)
		}
	}
}

func notice(id, channel, caseID string, due time.Duration) cases.Action {
	payload, _ := json.Marshal(cases.Notice{What: cases.WhatOpened, Case: cases.Case{ID: caseID}}) // a plain value
	return cases.Action{
		ID: id, Key: id, CaseID: caseID, Kind: cases.Notify, Channel: channel, Lane: channel + "/" + caseID, Epoch: 1, Payload: payload,
		State: cases.Due, Planned: begin.Add(due), Due: begin.Add(due), CreatedAt: begin, UpdatedAt: begin,
	}
}

func (w *world) add(actions ...cases.Action) {
	w.t.Helper()
	if err := w.db.Commit(context.Background(), cases.Change{Actions: actions}); err != nil {
		w.t.Fatal(err)
	}
	w.x.Wake()
}

func (w *world) story(id string) cases.Story {
	w.t.Helper()
	ch := cases.Change{Cases: []cases.Case{{ID: id, Key: id, State: cases.New}}}
	if err := w.db.Commit(context.Background(), ch); err != nil && !errors.Is(err, cases.ErrConflict) {
		w.t.Fatal(err)
	}
	s, err := w.db.Story(context.Background(), id)
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

func (w *world) wait(d time.Duration) {
	time.Sleep(d) // virtual
	synctest.Wait()
}

func TestRunsWhatIsDue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(o *action.Options) { o.Poll = time.Minute })
		w.add(notice("future", "slack", "c1", 90*time.Minute), notice("now", "log", "c1", 0))
		stop := w.run()
		w.wait(time.Millisecond)
		if got := w.f.keys(); !slices.Equal(got, []string{"now"}) {
			t.Errorf("sent %v", got)
		}
		w.add(notice("woken", "log", "c2", 0))
		w.wait(time.Millisecond)
		if got := w.f.keys(); !slices.Equal(got, []string{"now", "woken"}) {
			t.Errorf("sent %v: a wake must not wait for the poll", got)
		}
		w.wait(2 * time.Hour)
		stop()
		if got := w.f.all()[2]; got.key != "future" || got.at != 90*time.Minute {
			t.Errorf("sent %+v, want it at 90 min sharp", got)
		}
		s := w.story("c1")
		if s.Actions[0].State != cases.Done || s.Actions[0].Outcome != cases.OutcomeSent || s.Actions[0].Receipt.ID != "r-future" || s.Events[0].Kind != cases.Sent {
			t.Errorf("recorded %+v", s)
		}
	})
}

func TestRetriesThenGivesUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.f.how = func(context.Context, cases.Message) (cases.Receipt, error) {
			return cases.Receipt{}, errors.New("no route to host")
		}
		w.add(notice("a", "slack", "c1", 0))
		stop := w.run()
		w.wait(10 * time.Minute)
		stop()
		if len(w.f.all()) != 5 {
			t.Fatalf("%d attempts, want 5", len(w.f.all()))
		}
		for i := range 4 {
			if gap, most := w.f.all()[i+1].at-w.f.all()[i].at, min(10*time.Second, time.Second<<i)+10*time.Millisecond; gap < 0 || gap > most {
				t.Errorf("wait %d was %v, want at most %v", i+1, gap, most)
			}
		}
		s := w.story("c1")
		last := s.Events[len(s.Events)-1]
		if s.Actions[0].State != cases.Dead || s.Actions[0].Outcome != cases.OutcomeExpired || last.Kind != cases.GaveUp || !strings.Contains(last.Note, "no route to host") {
			t.Errorf("ended as %+v, %+v", s.Actions[0], last)
		}
		if len(s.Attempts) != 5 || len(s.Events) != 5 {
			t.Errorf("%d lines in the ledger, %d in the timeline", len(s.Attempts), len(s.Events))
		}
		want := `
# HELP foreshock_webhook_action_attempts_total Attempts of actions, by what they led to.
# TYPE foreshock_webhook_action_attempts_total counter
foreshock_webhook_action_attempts_total{channel="internal",result="dead"} 0
foreshock_webhook_action_attempts_total{channel="internal",result="done"} 0
foreshock_webhook_action_attempts_total{channel="internal",result="lost"} 0
foreshock_webhook_action_attempts_total{channel="internal",result="retry"} 0
foreshock_webhook_action_attempts_total{channel="internal",result="unknown"} 0
foreshock_webhook_action_attempts_total{channel="slack",result="dead"} 1
foreshock_webhook_action_attempts_total{channel="slack",result="done"} 0
foreshock_webhook_action_attempts_total{channel="slack",result="lost"} 0
foreshock_webhook_action_attempts_total{channel="slack",result="retry"} 4
foreshock_webhook_action_attempts_total{channel="slack",result="unknown"} 0
`
		if err := testutil.GatherAndCompare(w.reg, strings.NewReader(want), "foreshock_webhook_action_attempts_total"); err != nil {
			t.Error(err)
		}
	})
}

func TestRetryAfterAndRejection(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.f.how = func(_ context.Context, m cases.Message) (cases.Receipt, error) {
			if m.Attempt == 1 && m.Key == "late" {
				return cases.Receipt{}, cases.Later(5*time.Minute, cases.Receipt{Status: 429}, "too many requests")
			}
			if m.Key == "bad" {
				return cases.Receipt{}, cases.Rejected(cases.Receipt{Status: 400}, "no such channel")
			}
			return cases.Receipt{}, nil
		}
		w.add(notice("late", "slack", "c1", 0), notice("bad", "slack", "c2", 0))
		stop := w.run()
		w.wait(time.Hour)
		stop()
		if got := w.f.all(); len(got) != 3 || got[2].at < 5*time.Minute || got[2].at > 5*time.Minute+2*time.Second {
			t.Errorf("sent %+v, want the second attempt after 5 min", got)
		}
		if s := w.story("c2"); s.Actions[0].State != cases.Dead || s.Actions[0].Outcome != cases.OutcomeRejected || s.Attempts[0].Receipt.Status != 400 {
			t.Errorf("rejected: %+v", s)
		}
	})
}

// One channel that hangs does not hold up another; within a channel and within
// a lane the order stays.
func TestNoHeadOfLineBlocking(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.f.how = func(ctx context.Context, m cases.Message) (cases.Receipt, error) {
			if m.Channel == "slack" && m.Attempt == 1 && m.Key == "s1" {
				<-ctx.Done() // hangs until its time limit
				return cases.Receipt{}, ctx.Err()
			}
			return cases.Receipt{}, nil
		}
		w.add(notice("s1", "slack", "c1", 0), notice("s2", "slack", "c1", time.Millisecond), notice("s3", "slack", "c2", 2*time.Millisecond))
		w.add(notice("l1", "log", "c1", 0), notice("l2", "log", "c1", time.Millisecond), notice("l3", "log", "c2", 2*time.Millisecond))
		stop := w.run()
		w.wait(10 * time.Millisecond)
		if got := w.f.keys(); !slices.Equal(sorted(got), []string{"l1", "l2", "l3", "s1"}) {
			t.Errorf("after 10 ms: %v", got)
		}
		w.wait(time.Minute)
		stop()
		var slack []string
		for _, s := range w.f.all() {
			if s.key[0] == 's' {
				slack = append(slack, fmt.Sprint(s.key, s.attempt))
			}
		}
		// s3 is of another case: it passes while s1 waits for its second attempt.
		if d := cmp.Diff([]string{"s11", "s31", "s12", "s21"}, slack); d != "" {
			t.Errorf("(-want +got):\n%s", d)
		}
	})
}

func sorted(s []string) []string { s = slices.Clone(s); slices.Sort(s); return s }

func TestBounds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(o *action.Options) { o.PerChannel, o.Total = 3, 4 })
		var mu sync.Mutex
		now, most := map[string]int{}, map[string]int{}
		count := func(channel string, d int) {
			mu.Lock()
			defer mu.Unlock()
			for _, k := range []string{channel, "all"} {
				now[k] += d
				most[k] = max(most[k], now[k])
			}
		}
		w.f.how = func(_ context.Context, m cases.Message) (cases.Receipt, error) {
			count(m.Channel, 1)
			defer count(m.Channel, -1)
			time.Sleep(time.Second)
			return cases.Receipt{}, nil
		}
		for i := range 30 {
			w.add(notice(fmt.Sprint("a", i), "slack", fmt.Sprint("c", i), 0), notice(fmt.Sprint("b", i), "log", fmt.Sprint("c", i), 0))
		}
		stop := w.run()
		w.wait(time.Minute)
		stop()
		if d := cmp.Diff(map[string]int{"slack": 3, "log": 3, "all": 4}, most); d != "" {
			t.Errorf("at once (-want +got):\n%s", d)
		}
		if len(w.f.all()) != 60 {
			t.Errorf("%d sent", len(w.f.all()))
		}
	})
}

// Stopping begins nothing new, and records what runs.
func TestStop(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.f.how = func(context.Context, cases.Message) (cases.Receipt, error) {
			time.Sleep(5 * time.Second)
			return cases.Receipt{}, nil
		}
		w.add(notice("a", "slack", "c1", 0), notice("b", "slack", "c2", 0))
		stop := w.run()
		w.wait(time.Second)
		stop()
		if got := w.f.keys(); !slices.Equal(got, []string{"a"}) || time.Since(begin) != 5*time.Second {
			t.Errorf("sent %v, stopped after %v", got, time.Since(begin))
		}
		if s := w.story("c1"); s.Actions[0].State != cases.Done {
			t.Errorf("what ran was not recorded: %+v", s.Actions[0])
		}
		if s := w.story("c2"); s.Actions[0].State != cases.Due || s.Actions[0].Attempts != 0 {
			t.Errorf("something began while stopping: %+v", s.Actions[0])
		}
	})
}

// What another process began and never ended is run again, with the same key,
// once its lease is over, and the other side is told that it may know it.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.add(notice("a", "slack", "c1", 0))
		if got, err := w.db.Claim(context.Background(), cases.ClaimRequest{Holder: "dead", Channel: "slack", Now: time.Now(), Lease: 20 * time.Second, Limit: 1}); err != nil || len(got) != 1 {
			t.Fatal(got, err)
		}
		stop := w.run()
		w.wait(30 * time.Second)
		stop()
		if len(w.f.all()) != 1 || !w.f.all()[0].again || w.f.all()[0].attempt != 2 || w.f.all()[0].key != "a" || w.f.all()[0].at < 20*time.Second {
			t.Errorf("sent %+v", w.f.all())
		}
		s := w.story("c1")
		if len(s.Attempts) != 2 || s.Attempts[0].Result != "unknown" || s.Attempts[1].Result != "sent" || s.Events[0].Kind != cases.SendUnknown {
			t.Errorf("recorded %+v", s)
		}
	})
}

// An attempt after which no answer came is told to the next one, as after a crash.
func TestUnknownOutcome(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.f.how = func(_ context.Context, m cases.Message) (cases.Receipt, error) {
			if m.Attempt == 1 {
				return cases.Receipt{}, &cases.SendError{Err: errors.New("no reply"), Unknown: true}
			}
			return cases.Receipt{}, nil
		}
		w.add(notice("a", "slack", "c1", 0))
		stop := w.run()
		w.wait(30 * time.Second)
		stop()
		if len(w.f.all()) != 2 || w.f.all()[0].again || !w.f.all()[1].again {
			t.Errorf("sent %+v", w.f.all())
		}
	})
}

func TestUnknownChannelAndKind(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.f.gone = map[string]bool{"old": true}
		kind := notice("k", "internal", "c2", 0)
		kind.Kind = "telepathy"
		w.add(notice("a", "old", "c1", 0), kind)
		stop := w.run()
		w.wait(3 * time.Second)
		w.f.mu.Lock()
		w.f.gone = nil // a reload brings the channel back
		w.f.mu.Unlock()
		w.wait(time.Minute)
		stop()
		if got := w.f.keys(); !slices.Equal(got, []string{"a"}) {
			t.Errorf("sent %v", got)
		}
		if s := w.story("c2"); s.Actions[0].State != cases.Dead || !strings.Contains(s.Actions[0].LastError, "telepathy") {
			t.Errorf("unknown kind: %+v", s.Actions[0])
		}
	})
}

func TestPanicIsAFailure(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.f.how = func(_ context.Context, m cases.Message) (cases.Receipt, error) {
			if m.Attempt == 1 {
				panic("boom")
			}
			return cases.Receipt{}, nil
		}
		w.add(notice("a", "slack", "c1", 0))
		stop := w.run()
		w.wait(time.Minute)
		stop()
		if s := w.story("c1"); s.Actions[0].State != cases.Done || s.Actions[0].Attempts != 2 {
			t.Errorf("after a panic: %+v", s.Actions[0])
		}
	})
}

func TestCloseHandler(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(o *action.Options) {
			o.Poll, o.Sweep, o.Lease = time.Hour, time.Hour, 3*time.Hour // a day is long
			o.Handlers = map[cases.Kind]action.Handler{cases.AutoClose: action.Close{Cases: o.Queue.(*store.DB)}}
		})
		resolved := cases.Case{ID: "c1", Key: "k1", State: cases.Resolved, Epoch: 1}
		reopened := cases.Case{ID: "c2", Key: "k2", State: cases.Resolved, Epoch: 2}
		if err := w.db.Commit(context.Background(), cases.Change{Cases: []cases.Case{resolved, reopened}}); err != nil {
			t.Fatal(err)
		}
		for _, id := range []string{"c1", "c2", "c3"} {
			a := notice("close-"+id, cases.InternalChannel, id, 24*time.Hour)
			a.Kind, a.Payload = cases.AutoClose, nil
			w.add(a)
		}
		stop := w.run()
		w.wait(25 * time.Hour)
		stop()
		one, two, three := w.story("c1"), w.story("c2"), w.story("c3")
		if one.Case.State != cases.Closed || !one.Case.ClosedAt.Equal(begin.Add(24*time.Hour)) || one.Events[0].To != "closed" || one.Actions[0].Outcome != cases.OutcomeSent {
			t.Errorf("not closed: %+v", one)
		}
		if two.Case.State != cases.Resolved || two.Actions[0].Outcome != cases.OutcomeObsolete || three.Actions[0].Outcome != cases.OutcomeObsolete {
			t.Errorf("closed what must not be: %+v %+v", two, three)
		}
	})
}

func TestOptions(t *testing.T) {
	t.Parallel()
	if _, err := action.New(action.Options{}); err == nil {
		t.Error("an executor without a queue")
	}
}

package stage_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/foreshock/foreshock/webhook/alert"
	"github.com/foreshock/foreshock/webhook/cases"
	"github.com/foreshock/foreshock/webhook/policy"
	"github.com/foreshock/foreshock/webhook/stage"
)

// scripted answers Commit from a list, then lets it through.
type scripted struct {
	*memory
	errs []error
}

func (s *scripted) Commit(ctx context.Context, ch cases.Change) error {
	if len(s.errs) > 0 {
		err := s.errs[0]
		s.errs = s.errs[1:]
		return err
	}
	return s.memory.Commit(ctx, ch)
}

func oneFiring() alert.Delivery {
	return alert.Delivery{ID: "d1", Cluster: "prod", Received: at(1), Message: alert.Message{Source: alert.Alertmanager, Alerts: []alert.Alert{firing("a", 0)}}}
}

func scriptedIntake(s *scripted, reg prometheus.Registerer, woken *int) *stage.Intake {
	m := stage.NewMetrics(reg)
	return stage.NewIntake(stage.IntakeOptions{
		Chain: stage.Chain{stage.Normalise{}, stage.Dedup{Store: s, Metrics: m}, stage.Plan{Rules: func() policy.Rules { return plain("log") }}},
		Store: s, Metrics: m, Committed: func() { *woken++ },
	})
}

func TestIntakeDecidesAgainAfterConflict(t *testing.T) {
	t.Parallel()
	reg, woken := prometheus.NewRegistry(), 0
	s := &scripted{newMemory(), []error{cases.ErrConflict, fmt.Errorf("committing: %w", cases.ErrConflict)}}
	r, err := scriptedIntake(s, reg, &woken).Deliver(context.Background(), oneFiring())
	if err != nil || r.Decisions[stage.Accepted][stage.ReasonFired] != 1 || r.Actions != 1 || len(r.CaseIDs) != 1 || woken != 1 {
		t.Errorf("%+v, %v, woken %d", r, err, woken)
	}
	want := `
# HELP foreshock_webhook_commit_conflicts_total Decisions made again because another receiver was first.
# TYPE foreshock_webhook_commit_conflicts_total counter
foreshock_webhook_commit_conflicts_total 2
# HELP foreshock_webhook_deliveries_total Deliveries that were made durable, and that failed.
# TYPE foreshock_webhook_deliveries_total counter
foreshock_webhook_deliveries_total{result="durable"} 1
foreshock_webhook_deliveries_total{result="failed"} 0
`
	if err := testutil.GatherAndCompare(reg, strings.NewReader(want), "foreshock_webhook_commit_conflicts_total", "foreshock_webhook_deliveries_total"); err != nil {
		t.Error(err)
	}
	every := 0
	for _, reasons := range stage.Reasons() {
		every += len(reasons)
	}
	if n := testutil.CollectAndCount(reg, "foreshock_alerts_total"); n != every {
		t.Errorf("%d label sets of alerts_total, want all %d reasons from the start", n, every)
	}
	if problems, err := testutil.GatherAndLint(reg); err != nil || len(problems) > 0 {
		t.Errorf("metrics: %v %v", problems, err)
	}
}

// What the store refuses is never acknowledged, and nobody is woken for it.
func TestIntakeFails(t *testing.T) {
	t.Parallel()
	full := errors.New("disk full")
	always := slices.Repeat([]error{cases.ErrConflict}, 1000)
	for name, errs := range map[string][]error{"disk full": {full}, "endless conflict": always} {
		reg, woken := prometheus.NewRegistry(), 0
		s := &scripted{newMemory(), errs}
		_, err := scriptedIntake(s, reg, &woken).Deliver(context.Background(), oneFiring())
		if err == nil || !errors.Is(err, errs[0]) || woken != 0 || len(s.seen) != 0 {
			t.Errorf("%s: %v, woken %d", name, err, woken)
		}
	}
	in := stage.NewIntake(stage.IntakeOptions{Chain: stage.Chain{stage.Normalise{}, stage.Dedup{Store: broken{}}}, Store: newMemory()})
	if _, err := in.Deliver(context.Background(), oneFiring()); err == nil || !strings.Contains(err.Error(), "stage dedup: no database") {
		t.Errorf("a stage that cannot read: %v", err)
	}
}

type broken struct{}

func (broken) Prior(context.Context, []alert.Identity, []string) (cases.Prior, error) {
	return cases.Prior{}, errors.New("no database")
}

// slow is a committer that takes a while, and notes who is in it.
type slow struct {
	*memory
	mu        sync.Mutex
	now, most int
}

func (s *slow) Commit(ctx context.Context, ch cases.Change) error {
	s.mu.Lock()
	s.now++
	s.most = max(s.most, s.now)
	s.mu.Unlock()
	time.Sleep(time.Second)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now--
	return s.memory.Commit(ctx, ch)
}

func (s *slow) Prior(ctx context.Context, ids []alert.Identity, keys []string) (cases.Prior, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return cases.Prior{Alerts: map[alert.Identity]cases.Alert{}}, nil
}

// Deliveries that share an alert wait for each other, also when they name their
// alerts in opposite orders; others do not. Who gives up leaves no lock behind.
func TestIntakeLocks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &slow{memory: newMemory()}
		in := stage.NewIntake(stage.IntakeOptions{Chain: stage.Chain{stage.Normalise{}}, Store: s})
		begin := time.Now()
		run := func(timeout time.Duration, names ...string) error {
			d := alert.Delivery{Cluster: "prod"}
			for _, n := range names {
				d.Message.Alerts = append(d.Message.Alerts, firing(n, 0))
			}
			ctx, cancel := context.WithTimeout(context.Background(), timeout)
			defer cancel()
			_, err := in.Deliver(ctx, d)
			return err
		}
		var wg sync.WaitGroup
		for i, names := range [][]string{{"a", "b", "c"}, {"c", "b", "a"}, {"b"}, {"x"}, {"y", "x"}} {
			wg.Go(func() {
				if err := run(time.Minute, names...); err != nil {
					t.Errorf("delivery %d: %v", i, err)
				}
			})
		}
		synctest.Wait()
		if err := run(time.Millisecond, "b"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("waiting for b: %v", err)
		}
		wg.Wait()
		if took := time.Since(begin); took != 3*time.Second || s.most != 2 {
			t.Errorf("took %v with %d at once, want 3 s with 2", took, s.most)
		}
		if err := run(2*time.Second, "a", "b", "c", "x", "y"); err != nil {
			t.Errorf("a lock stayed: %v", err)
		}
	})
}

// Stages do not change what they were given: a conflict runs them again.
func TestStagesArePure(t *testing.T) {
	t.Parallel()
	m := newMemory()
	in := intake(m, nil)
	deliver(t, in, 0, firing("a", 0))
	ev := stage.Event{Delivery: oneFiring(), Now: at(5)}
	ev.Delivery.Message.Alerts = append(ev.Delivery.Message.Alerts, resolved("a", 0, 4), firing("b", 1))
	chain := stage.Chain{stage.Normalise{}, stage.Dedup{Store: m}, stage.Plan{Rules: func() policy.Rules { return plain("log") }, NewID: func() string { return "id" }}}
	before := fmt.Sprintf("%+v %+v", ev, m.prior)
	one, err := chain.Exec(context.Background(), ev)
	if err != nil {
		t.Fatal(err)
	}
	two, err := chain.Exec(context.Background(), ev)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(one, two, cmp.AllowUnexported(stage.Verdict{})); d != "" {
		t.Errorf("run again (-first +second):\n%s", d)
	}
	if after := fmt.Sprintf("%+v %+v", ev, m.prior); after != before {
		t.Errorf("a stage changed its input:\n%s\n%s", before, after)
	}
}

func TestNormalise(t *testing.T) {
	t.Parallel()
	group := alert.Message{Status: alert.Resolved}
	for name, tc := range map[string]struct {
		a    alert.Alert
		m    alert.Message
		want alert.Status
		ends time.Time
	}{
		"said":                    {alert.Alert{Status: alert.Firing, EndsAt: at(1)}, group, alert.Firing, time.Time{}},
		"an end in the past":      {alert.Alert{EndsAt: at(1)}, alert.Message{}, alert.Resolved, at(1)},
		"an end in the future":    {alert.Alert{EndsAt: at(100)}, alert.Message{}, alert.Firing, time.Time{}},
		"the group is over":       {alert.Alert{}, group, alert.Resolved, time.Time{}},
		"nothing":                 {alert.Alert{}, alert.Message{}, alert.Firing, time.Time{}},
		"ended before it started": {alert.Alert{Status: alert.Resolved, StartsAt: at(5), EndsAt: at(1)}, alert.Message{}, alert.Resolved, at(5)},
	} {
		tc.m.Alerts = []alert.Alert{tc.a}
		ev, err := stage.Normalise{}.Exec(context.Background(), stage.Event{Delivery: alert.Delivery{Message: tc.m}, Now: at(10)})
		if err != nil {
			t.Fatal(err)
		}
		if got := ev.Verdicts[0].Alert; got.Status != tc.want || !got.EndsAt.Equal(tc.ends) {
			t.Errorf("%s: %s until %v, want %s until %v", name, got.Status, got.EndsAt, tc.want, tc.ends)
		}
	}
}

func TestDocumentedReasons(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile("../../docs/cases.md")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for d, rs := range stage.Reasons() {
		for _, r := range rs {
			n++
			if !strings.Contains(string(b), fmt.Sprintf("| %s | %s |", d, r)) {
				t.Errorf("docs/cases.md does not tell of %s, %s", d, r)
			}
		}
	}
	got := 0
	for d := range stage.Reasons() {
		got += strings.Count(string(b), "\n| "+string(d)+" |")
	}
	if got != n {
		t.Errorf("docs/cases.md has %d verdicts, the code %d", got, n)
	}
}

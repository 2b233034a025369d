package scorer

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/foreshock/foreshock/pkg/evaluate"
	"github.com/foreshock/foreshock/pkg/message"
	"github.com/foreshock/foreshock/pkg/registry"
	"github.com/foreshock/foreshock/pkg/series"
)

const (
	// testDays is how far back a self-test judges: two days hold some twenty places for each size, and ask for two days of history more than the rule needs anyway.
	testDays = 2 * registry.Day
	// testSeries is how many series of a rule are tested: those with the lowest mixed hash, the same for every replica and shard.
	testSeries = 8
	// testAgain is the time after which a rule that failed is tested again.
	testAgain = time.Hour
	// testsAtOnce is how many rules are tested at once: evaluations go first.
	testsAtOnce = 2
	// testLimit is how long a self-test may take, the wait for its turn not counted. A rule whose test has not ended by then is armed, and the outcome is not-tested.
	testLimit = time.Minute
)

// The outcomes of a rule's self-test, as the metric and the API spell them.
const (
	outcomePending = "pending"
	// outcomeNoisy is a rule that finds what is put in and raises far more than its budget. It is armed: two days may hold one incident, which all series share, and a warning that
	// hides itself when things go wrong is worth nothing.
	outcomeNoisy = "noisy"
	outcomeOff   = "off"
)

var testOutcomes = []string{outcomePending, string(evaluate.Passed), outcomeNoisy, string(evaluate.Failed), string(evaluate.NotTested), outcomeOff}

// ruleTest is the outcome of one self-test. It is not changed once made.
type ruleTest struct {
	outcome string
	reasons []evaluate.Reason
	// at is the time for which the rule was evaluated when it was tested, again when it is tested next, 0: never; milliseconds.
	at, again int64
	series    int
}

// arms reports whether the rule may be published: all outcomes do but a failure and one that is not known yet.
func (t *ruleTest) arms() bool { return t != nil && t.outcome != string(evaluate.Failed) }

// sentences are the reasons in a language.
func (t *ruleTest) sentences(lang string) []string {
	out := make([]string, len(t.reasons))
	for i, r := range t.reasons {
		out[i] = r.Text(lang)
	}
	return out
}

// show publishes what was found when the rule is armed, and holds it otherwise. The caller holds st.running.
func (s *Scorer) show(st *ruleState, found *held) {
	s.mu.Lock()
	armed := st.test.arms()
	if armed {
		s.board.set(st.rule.Name, found.snapshot)
	} else {
		st.held = found
	}
	s.mu.Unlock()
	if armed && found.offer != nil {
		found.offer()
	}
}

// startTest reports whether the rule is to be tested now; selfTest must follow then. A rule that failed is tested again after an hour, and one that
// could not be tested or is noisy after its refit: by then other models judge other samples.
func (s *Scorer) startTest(st *ruleState, due int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if st.testing || s.states[st.rule.Name] != st || st.test != nil && (st.test.again == 0 || due < st.test.again) {
		return false
	}
	st.testing = true
	return true
}

// selfTest tests a rule and arms or disarms it.
func (s *Scorer) selfTest(ctx context.Context, st *ruleState, due int64) {
	test := &ruleTest{outcome: outcomeOff, at: due}
	if st.rule.Selftest != "off" {
		inner, cancel := ctx, context.CancelFunc(func() {})
		var err error
		select {
		case s.tests <- struct{}{}:
			inner, cancel = context.WithTimeout(ctx, testLimit)
			test, err = s.tryRule(inner, st, due)
			<-s.tests
		case <-ctx.Done():
		}
		cancel()
		if ctx.Err() != nil { // the program ends, or the configuration changes: it is tested anew
			s.mu.Lock()
			st.testing = false
			s.mu.Unlock()
			return
		}
		if err != nil {
			reason := evaluate.Reason{Key: "error", Args: []any{"error", err.Error()}}
			if errors.Is(inner.Err(), context.DeadlineExceeded) {
				reason = evaluate.Reason{Key: "time", Args: []any{"limit", registry.Duration(testLimit).String()}}
			}
			test = &ruleTest{outcome: string(evaluate.NotTested), reasons: []evaluate.Reason{reason}, at: due}
		}
		switch test.outcome {
		case string(evaluate.Passed):
		case string(evaluate.Failed):
			test.again = due + testAgain.Milliseconds()
		default:
			test.again = due + st.rule.Refit.Milliseconds()
		}
	} else {
		test.reasons = []evaluate.Reason{{Key: "off", Args: []any{"reason", st.rule.SelftestReason}}}
	}
	s.settle(st, test)
}

// settle takes the outcome over: what was held is published, or what was published withdrawn.
func (s *Scorer) settle(st *ruleState, test *ruleTest) {
	st.running.Lock()
	defer st.running.Unlock()
	var waiting *held
	s.mu.Lock()
	before := st.test
	st.test, st.testing = test, false
	current := s.states[st.rule.Name] == st
	if current {
		s.metrics.tested(st.rule.Name, test.outcome, test.arms())
		switch {
		case test.arms() && st.held != nil:
			waiting, st.held = st.held, nil
			s.board.set(st.rule.Name, waiting.snapshot)
		case !test.arms():
			s.board.set(st.rule.Name, &snapshot{})
		}
	}
	s.mu.Unlock()
	if waiting != nil && waiting.offer != nil {
		waiting.offer()
	}
	if !current || before != nil && before.outcome == test.outcome && test.outcome != string(evaluate.Failed) {
		return
	}
	args := []any{"rule", st.rule.Name, "outcome", test.outcome, "why", test.sentences(message.English)}
	if test.outcome == outcomeNoisy {
		s.logger.Warn("a rule is armed, but raises far more than its budget: see what with foreshock replay, and let --budget find a setting", args...)
		return
	}
	if test.arms() {
		s.logger.Info("a rule is armed", args...)
		return
	}
	s.logger.Warn("a rule failed its self-test and is not armed: its series are not published; correct it, or set selftest: off with a reason",
		append(args, "again", time.UnixMilli(test.again).UTC().Format(time.RFC3339))...)
}

// tryRule asks for the samples and tests some of the series. A panic is an error.
func (s *Scorer) tryRule(ctx context.Context, st *ruleState, due int64) (found *ruleTest, err error) {
	defer func() {
		if p := recover(); p != nil {
			s.logger.Error("a self-test panicked", "rule", st.rule.Name, "panic", p, "stack", string(debug.Stack()))
			found, err = nil, fmt.Errorf("a fault of the program: %v", p)
		}
	}()
	return s.tested(ctx, st, due)
}

func (s *Scorer) tested(ctx context.Context, st *ruleState, due int64) (*ruleTest, error) {
	s.mu.Lock()
	server, conf := s.server, s.conf.Prometheus
	s.mu.Unlock()
	rule := st.rule
	at := series.Floor(due-conf.Settle.Milliseconds(), rule.Step.Milliseconds())
	from := at - testDays.Milliseconds() + rule.Step.Milliseconds()
	answer, err := rule.ask(ctx, server.source, conf, rule.Walk.Fetch(from, at, rule.Policy), due)
	if err != nil {
		return nil, err
	}
	judge := rule.judge()
	judge.Fits, judge.HistoryStart = s.fits, server.history().Start(at)
	test := evaluate.SelfTest{Judge: judge, Quick: true}
	units, err := rule.units(answer)
	if err != nil {
		return nil, err
	}
	var found []evaluate.SelfTested
	for _, one := range sampled(rule.subjects(units, answer.clean), from, at) {
		var got evaluate.SelfTested
		one.fill(&one.Case)
		err := s.slotted(ctx, func() (err error) {
			got, err = test.Case(ctx, one.Case)
			return err
		})
		if err != nil {
			return nil, err
		}
		found = append(found, got)
	}
	budget, _ := evaluate.BudgetOf(judge.Options())
	joint, reasons := evaluate.Joint(found, budget)
	outcome := string(joint)
	if blind, why := evaluate.Blind(found); blind {
		outcome, reasons = string(evaluate.Failed), why
	} else if joint == evaluate.Failed {
		outcome = outcomeNoisy
	}
	return &ruleTest{outcome: outcome, reasons: reasons, at: due, series: len(found)}, nil
}

// slotted runs do when there is a processor for it, and gives the slot back even when do panics.
func (s *Scorer) slotted(ctx context.Context, do func() error) error {
	select {
	case s.slots <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-s.slots }()
	return do()
}

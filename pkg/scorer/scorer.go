// Package scorer evaluates detector rules against Prometheus and publishes what they find as series: for alerting without Grafana, and
// without every Grafana asking again.
//
// The idea: a rule is an expression, a detector and a policy. At every multiple of its interval the scorer fetches the history that the
// rule's walk needs, judges the newest sample of each series, and shows the outcome on /metrics until the next time. It keeps nothing that
// it cannot fetch again: two replicas publish the same numbers, a restarted one goes on where it was, and shards split the series.
//
//	conf, err := scorer.Load("detectors.yml")
//	s, err := scorer.New(conf, scorer.Options{Registry: reg, Logger: logger})
//	err = s.Run(ctx)
//
// A rule of the kind joint judges several series as one vector, one of the kind peers the members of a fleet by each other (kind.go).
//
// A rule is armed, that is published, once it has found what is put into its own series (selftest.go).
//
// It opens no port: the registry and Handler are shown by whoever runs it. It decides nothing about alerts: Prometheus' own rules on
// foreshock_anomalous do.
package scorer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/foreshock/foreshock/pkg/detect"
	"github.com/foreshock/foreshock/pkg/prom"
	"github.com/foreshock/foreshock/pkg/series"
)

// Source answers range queries on the absolute grid; now is the time in milliseconds. *prom.Blocks is one.
type Source interface {
	Range(ctx context.Context, expr string, grid series.Grid, now int64) (prom.Answer, error)
}

// Options of a Scorer; all have a use when zero.
type Options struct {
	// Registry shows the published series and the scorer's own metrics; nil: a new one, for tests.
	Registry prometheus.Registerer
	// Logger is told what fails; nil: nobody.
	Logger *slog.Logger
	// Replica is the value of the label replica on published series; "" leaves the label away.
	Replica string
	// Shard is the part of the series that is judged.
	Shard Shard
	// Concurrency is how many rules are evaluated at once, 4.
	Concurrency int
	// FitBytes bounds the memory of fitted models, 128 MiB, BlockBytes that of samples, 1 GiB.
	FitBytes, BlockBytes int64
	// Now is the clock; nil: time.Now.
	Now func() time.Time
	// Source answers instead of the configured Prometheus; for tests. Retention is then unknown.
	Source Source
}

// Scorer evaluates rules. Create it with New, start it once with Run.
type Scorer struct {
	logger      *slog.Logger
	replica     string
	shard       Shard
	blockBytes  int64
	now         func() time.Time
	fixed       Source
	fits        *detect.Fits
	metrics     *metrics
	board       *board
	concurrency chan struct{} // rules at once
	slots       chan struct{} // series judged at once, over all rules
	tests       chan struct{} // rules tested at once

	mu      sync.Mutex
	conf    Config
	server  *server
	states  map[string]*ruleState
	changed chan struct{} // closed when the configuration changes
}

// ruleState is what outlasts one evaluation of a rule: only times, never samples.
type ruleState struct {
	rule Rule
	// running keeps evaluations of one rule from overlapping.
	running sync.Mutex
	// last is the time for which the rule was last evaluated, in milliseconds; tried is set after the first.
	last  int64
	tried bool
	// found is set after the first that succeeded: from then on a first self-test is due, or under way.
	found bool
	// doubted is set once it was told that older history may have been deleted, unfit once it was told that the clean filter does not know some series.
	doubted, unfit bool
	// written are the series last sent by remote write, by their text form, so that one that ends can be marked, and offered is the newest
	// judged time when they were; 0 before.
	written map[string]written
	offered int64
	// test is the outcome of the self-test, nil before the first; held is what is published once it lets the rule be armed. Guarded by the scorer's lock.
	test    *ruleTest
	testing bool
	held    *held
}

// held is what an evaluation found of a rule that is not armed yet.
type held struct {
	snapshot *snapshot
	// offer writes it elsewhere, too; nil without remote write.
	offer func()
}

// New checks the configuration's connections and registers the metrics; it asks nothing yet.
func New(conf Config, o Options) (*Scorer, error) {
	if o.Registry == nil {
		o.Registry = prometheus.NewRegistry()
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Concurrency <= 0 {
		o.Concurrency = 4
	}
	if o.FitBytes <= 0 {
		o.FitBytes = 128 << 20
	}
	if o.BlockBytes <= 0 {
		o.BlockBytes = 1 << 30
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	s := &Scorer{
		logger: o.Logger, replica: o.Replica, shard: o.Shard, blockBytes: o.BlockBytes, now: o.Now, fixed: o.Source,
		fits: detect.NewFits(o.FitBytes), metrics: newMetrics(),
		concurrency: make(chan struct{}, o.Concurrency), slots: make(chan struct{}, runtime.GOMAXPROCS(0)), tests: make(chan struct{}, testsAtOnce),
		states: map[string]*ruleState{}, changed: make(chan struct{}),
	}
	s.board = &board{now: func() int64 { return s.now().UnixMilli() }, rules: map[string]*snapshot{}}
	if err := s.Apply(conf); err != nil {
		return nil, err
	}
	for _, c := range append(append(s.metrics.collectors(), newStateMetrics(s)...), s.board) {
		if err := o.Registry.Register(c); err != nil {
			return nil, fmt.Errorf("register the scorer's metrics: %w", err)
		}
	}
	return s, nil
}

// Apply takes over a configuration. Rules that did not change go on as if nothing had happened; what was published of those that did stays until they are armed anew, or until it
// is too old. On error everything stays as it was.
func (s *Scorer) Apply(conf Config) error {
	var fresh *server
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.server == nil || !sameServer(s.conf, conf) {
		var err error
		if fresh, err = s.connect(conf); err != nil {
			return err
		}
	}
	same := func(name string) bool {
		old, ok := s.states[name]
		i := slices.IndexFunc(conf.Rules, func(r Rule) bool { return r.Name == name })
		return ok && fresh == nil && i >= 0 && sameRule(old.rule, conf.Rules[i])
	}
	states := map[string]*ruleState{}
	var before, now []string
	for name := range s.states {
		before = append(before, name)
	}
	for _, r := range conf.Rules {
		now = append(now, r.Name)
		if same(r.Name) {
			states[r.Name] = s.states[r.Name]
		} else {
			states[r.Name] = &ruleState{rule: r}
		}
	}
	s.board.keep(now)
	s.metrics.keep(before, now, same)
	if fresh != nil {
		s.server.stop()
		s.server = fresh
	}
	s.conf, s.states = conf, states
	close(s.changed)
	s.changed = make(chan struct{})
	return nil
}

func sameRule(a, b Rule) bool {
	a.Line, b.Line = 0, 0
	return reflect.DeepEqual(a, b)
}

// Ready returns an error until every rule was tried once, and its first self-test has ended.
func (s *Scorer) Ready() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	waiting := 0
	for _, st := range s.states {
		if !st.tried {
			waiting++
		}
	}
	if waiting > 0 {
		return fmt.Errorf("rules not evaluated yet: %d of %d", waiting, len(s.states))
	}
	testing := 0
	for _, st := range s.states {
		if st.found && st.test == nil {
			testing++
		}
	}
	if testing > 0 {
		return fmt.Errorf("rules in their first self-test: %d of %d", testing, len(s.states))
	}
	return nil
}

// Run evaluates the rules until ctx ends, then returns nil. All that it started has ended by then.
func (s *Scorer) Run(ctx context.Context) error {
	var sending *server
	endSending := func() {}
	defer func() { endSending() }()
	for ctx.Err() == nil {
		s.mu.Lock()
		changed, states, now := s.changed, s.states, s.server
		s.mu.Unlock()
		if now != sending {
			endSending()
			sending, endSending = now, now.send(ctx)
		}
		round, cancel := context.WithCancel(ctx)
		var wg sync.WaitGroup
		for _, st := range states {
			wg.Go(func() { s.loop(round, st, &wg) })
		}
		select {
		case <-ctx.Done():
		case <-changed:
		}
		cancel()
		wg.Wait()
		s.prune(states)
	}
	return nil
}

// prune drops the metrics of rules that have gone: an evaluation that was under way may have brought them back.
func (s *Scorer) prune(old map[string]*ruleState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name := range old {
		if _, ok := s.states[name]; !ok {
			s.metrics.forget(name)
		}
	}
}

// loop evaluates one rule whenever it is due. Its self-tests run beside it, in the group.
func (s *Scorer) loop(ctx context.Context, st *ruleState, group *sync.WaitGroup) {
	every, shift := st.rule.every(), offset(st.rule).Milliseconds()
	if due, open := s.untested(st); open && s.startTest(st, due) { // a new configuration ended its first self-test
		group.Go(func() { s.selfTest(ctx, st, due) })
	}
	for {
		due := series.Floor(s.now().UnixMilli()-shift, every)
		if due > st.last || due < st.last-every { // the second: the clock was set back
			if st.tried && due > st.last+every {
				s.metrics.missed.WithLabelValues(st.rule.Name).Add(float64((due-st.last)/every - 1))
			}
			select {
			case s.concurrency <- struct{}{}:
			case <-ctx.Done():
				return
			}
			err := s.evaluate(ctx, st, due)
			<-s.concurrency
			if err != nil && !isCanceled(ctx, err) {
				s.logger.Warn("a rule could not be evaluated", "rule", st.rule.Name, "err", err)
			}
			if err == nil && s.startTest(st, due) {
				group.Go(func() { s.selfTest(ctx, st, due) })
			}
			continue
		}
		wait := time.Duration(due+every+shift-s.now().UnixMilli()) * time.Millisecond
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
	}
}

// untested reports whether the rule was evaluated and has no outcome of a self-test, and for which time it was last evaluated.
func (s *Scorer) untested(st *ruleState) (due int64, open bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return st.last, st.found && st.test == nil
}

// Evaluate evaluates every rule once as of that time, one after the other, its self-test included. The error joins those of the rules.
func (s *Scorer) Evaluate(ctx context.Context, now time.Time) error {
	s.mu.Lock()
	conf, states := s.conf, s.states
	s.mu.Unlock()
	var errs []error
	for _, r := range conf.Rules {
		st := states[r.Name]
		due := series.Floor(now.UnixMilli(), st.rule.every())
		if err := s.evaluate(ctx, st, due); err != nil {
			errs = append(errs, fmt.Errorf("rule %s: %w", r.Name, err))
		} else if s.startTest(st, due) {
			s.selfTest(ctx, st, due)
		}
	}
	return errors.Join(errs...)
}

// evaluate runs the rule for the time at which it was due, and publishes.
func (s *Scorer) evaluate(ctx context.Context, st *ruleState, due int64) (err error) {
	st.running.Lock()
	defer st.running.Unlock()
	s.mu.Lock()
	server, conf := s.server, s.conf.Prometheus
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if !isCanceled(ctx, ctx.Err()) {
			st.last, st.tried, st.found = due, true, st.found || err == nil
		}
	}()
	began := time.Now()
	inner, cancel := context.WithTimeout(ctx, conf.Timeout.Std())
	defer cancel()
	if server.refresh(inner, due) {
		s.checkRetention(server.history().Retention)
	}
	step := st.rule.Step.Milliseconds()
	at := series.Floor(due-conf.Settle.Milliseconds(), step)
	e := &evaluation{Scorer: s, rule: st.rule, source: server.source, conf: conf, history: server.history(), from: at, at: at, now: due}
	if server.writer != nil {
		e.from = st.since(at)
	}
	snapshot, kept, err := e.run(inner)
	s.metrics.duration.WithLabelValues(st.rule.Name).Observe(time.Since(began).Seconds())
	if err != nil {
		return err
	}
	if e.cutAt != 0 && !st.doubted {
		st.doubted = true
		s.logger.Warn("most series begin together and the server does not tell how far back it keeps samples: it is new, or has deleted older history; in that case models learn from less than train",
			"rule", st.rule.Name, "begin", time.UnixMilli(e.cutAt).UTC().Format(time.RFC3339), "train", st.rule.Train.String())
	}
	if e.unknown > 0 && !st.unfit {
		st.unfit = true
		s.logger.Warn("the clean filter says nothing of some series, so that nothing can be learnt of them: want one with labels that the series have, too", "rule", st.rule.Name, "series", e.unknown)
	}
	if !s.isCurrent(st) {
		return nil // the configuration has changed meanwhile
	}
	h := &held{snapshot: snapshot}
	if server.writer != nil {
		h.offer = func() { e.offer(server.writer, st, kept) }
	}
	s.show(st, h)
	s.metrics.last.WithLabelValues(st.rule.Name).Set(float64(due) / 1000)
	return nil
}

// checkRetention warns of rules that look back further than the server keeps samples: their series will be in state history-gone.
func (s *Scorer) checkRetention(keep time.Duration) {
	s.mu.Lock()
	rules := s.conf.Rules
	s.mu.Unlock()
	for _, r := range rules {
		if need := max(r.Train, r.Policy.Horizon) + r.Refit + r.Policy.Horizon; keep > 0 && need.Std() > keep {
			s.logger.Warn("the server keeps less history than the rule needs: train + refit + horizon", "rule", r.Name, "needs", need.String(), "retention", keep.String())
		}
	}
}

func (s *Scorer) isCurrent(st *ruleState) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.states[st.rule.Name] == st
}

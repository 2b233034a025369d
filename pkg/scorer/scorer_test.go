package scorer

import (
	"context"
	"math"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"github.com/foreshock/foreshock/pkg/detect"
	"github.com/foreshock/foreshock/pkg/prom"
)

// What is published is what the judge says of that sample, to the last bit.
func TestPublishesTheVerdict(t *testing.T) {
	t.Parallel()
	source, now := days(3, 10), start
	s, reg := started(t, rules, source, Options{Replica: "a"}, &now)
	evaluateAt(t, s, now)
	got := gathered(t, reg, published5...)

	r := parse(t, rules).Rules[0]
	at := now.UnixMilli()
	answer, err := source.Range(context.Background(), "", r.Walk.Fetch(at, at, r.Policy), at)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]float64{}
	for _, m := range answer.Set.Members {
		v, err := r.Judge.Series(context.Background(), m, at, at)
		if err != nil {
			t.Fatal(err)
		}
		labels := `{replica="a", rule="requests", service="` + m.Labels.Get("service") + `", team="shop"}`
		want["foreshock_score"+labels] = v.Score[0]
		want["foreshock_expected"+labels] = v.Expected[0]
		want["foreshock_lower"+labels] = v.Lower[0]
		want["foreshock_upper"+labels] = v.Upper[0]
		want["foreshock_anomalous"+labels] = 0
		if v.Anomalous[0] {
			want["foreshock_anomalous"+labels] = 1
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("published values differ from the verdict (-want +got):\n%s", diff)
	}
	if got[`foreshock_anomalous{replica="a", rule="requests", service="s00", team="shop"}`] != 1 {
		t.Error("the shifted series is not anomalous")
	}
	if got[`foreshock_anomalous{replica="a", rule="requests", service="s01", team="shop"}`] != 0 {
		t.Error("an ordinary series is anomalous")
	}
}

// A scorer that has run for half an hour and one that was started just now publish the same.
func TestReplicasAgree(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		rules,
		"prometheus: {url: 'http://127.0.0.1:1'}\nrules: [{name: young, expr: requests, detector: mad, train: 14d, min_train: 1d, interval: 5m}]",
	} {
		now := start.Add(-30 * time.Minute)
		old, oldReg := started(t, text, days(2, 6), Options{}, &now)
		for ; now.Before(start); now = now.Add(5 * time.Minute) {
			evaluateAt(t, old, now)
		}
		evaluateAt(t, old, now)
		late, lateReg := started(t, text, days(2, 6), Options{}, &now)
		evaluateAt(t, late, now)
		a, b := gathered(t, oldReg, published5...), gathered(t, lateReg, published5...)
		if len(a) == 0 {
			t.Fatal("nothing is published")
		}
		if diff := cmp.Diff(a, b); diff != "" {
			t.Errorf("replicas differ (-old +late):\n%s", diff)
		}
	}
}

func TestShardsAreDisjointAndComplete(t *testing.T) {
	t.Parallel()
	now := start
	whole, reg := started(t, rules, days(13, 8), Options{}, &now)
	evaluateAt(t, whole, now)
	want := gathered(t, reg, published5...)
	got := map[string]float64{}
	for i := range 3 {
		s, reg := started(t, rules, days(13, 8), Options{Shard: Shard{i, 3}}, &now)
		evaluateAt(t, s, now)
		part := gathered(t, reg, published5...)
		if len(part) == 0 {
			t.Errorf("shard %d is empty", i)
		}
		for k, v := range part {
			if _, twice := got[k]; twice {
				t.Errorf("%s is published by two shards", k)
			}
			got[k] = v
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the union of the shards is not the whole (-whole +union):\n%s", diff)
	}
}

func TestParseShard(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Shard{"0/1": {0, 1}, "2/3": {2, 3}} {
		if got, err := ParseShard(text); err != nil || got != want {
			t.Errorf("ParseShard(%q) = %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "1", "3/3", "-1/2", "0/0", "a/b", "1/2/3"} {
		if _, err := ParseShard(text); err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("ParseShard(%q): got %v, want an error with the value", text, err)
		}
	}
}

// One missing sample withdraws nothing: an open episode stays open, as it does in the data source.
func TestMissingSampleIsPassedOver(t *testing.T) {
	t.Parallel()
	source, now := days(1, 8), start
	at := func(back int) *float64 {
		i, _ := source.members[0].Grid.Index(start.UnixMilli() - int64(back)*minute)
		return &source.members[0].Values[i]
	}
	s, reg := started(t, rules, source, Options{}, &now)
	evaluateAt(t, s, now.Add(-time.Minute))
	before := gathered(t, reg, published5...)
	if before[`foreshock_anomalous{rule="requests", service="s00", team="shop"}`] != 1 {
		t.Fatal("the shifted series is not anomalous")
	}
	*at(0) = math.NaN()
	evaluateAt(t, s, now)
	if diff := cmp.Diff(before, gathered(t, reg, published5...)); diff != "" {
		t.Errorf("a missing sample changed what is published (-before +with it missing):\n%s", diff)
	}
	*at(1), *at(2), *at(3) = math.NaN(), math.NaN(), math.NaN()
	evaluateAt(t, s, now)
	if len(gathered(t, reg, published5...)) == 0 {
		t.Error("four missing samples withdrew the series")
	}
	*at(4) = math.NaN()
	evaluateAt(t, s, now)
	if n := len(gathered(t, reg, published5...)); n != 0 {
		t.Errorf("five missing samples left %d values", n)
	}
}

// A series that has no sample among the newest is counted and not shown.
func TestVanishedSeriesDisappears(t *testing.T) {
	t.Parallel()
	source, now := days(2, 8), start
	s, reg := started(t, rules, source, Options{}, &now)
	evaluateAt(t, s, now)
	if n := testutil.CollectAndCount(s.board, "foreshock_score"); n != 2 {
		t.Fatalf("got %d scores, want 2", n)
	}
	gone := source.members[1]
	i, _ := gone.Grid.Index(start.UnixMilli())
	for ; i < len(gone.Values); i++ {
		gone.Values[i] = math.NaN()
	}
	now = now.Add(4 * time.Minute)
	evaluateAt(t, s, now)
	got := gathered(t, reg)
	if _, there := got[`foreshock_score{rule="requests", service="s01", team="shop"}`]; there {
		t.Error("the vanished series is still published")
	}
	if n := got[`foreshock_series_state{rule="requests", state="gap"}`]; n != 1 {
		t.Errorf("series in state gap: got %v, want 1", n)
	}
	if n := got[`foreshock_series_state{rule="requests", state="ok"}`]; n != 1 {
		t.Errorf("series in state ok: got %v, want 1", n)
	}
}

// When Prometheus is away the values stay for one interval more, then they go: nothing stale is shown.
func TestFailureWithdrawsValues(t *testing.T) {
	t.Parallel()
	source, now := days(1, 8), start
	s, reg := started(t, rules, source, Options{}, &now)
	evaluateAt(t, s, now)
	source.err = &prom.Error{Kind: prom.KindTimeout, Text: "slow"}
	now = start.Add(time.Minute)
	if err := s.Evaluate(context.Background(), now); err == nil {
		t.Fatal("want the error of the source")
	}
	if len(gathered(t, reg, "foreshock_score")) != 1 {
		t.Error("one failure withdrew the values")
	}
	now = start.Add(3*time.Minute + time.Second)
	if n := len(gathered(t, reg, published5...)); n != 0 {
		t.Errorf("%d stale values are published", n)
	}
	got := gathered(t, reg)
	if n := got[`foreshock_scorer_rule_failures_total{reason="timeout", rule="requests"}`]; n != 1 {
		t.Errorf("failures by timeout: got %v, want 1", n)
	}
	for _, st := range detect.States() {
		if n, ok := got[`foreshock_series_state{rule="requests", state="`+st.String()+`"}`]; n != 0 || !ok {
			t.Errorf("state %s: got %v, %v, want 0", st, n, ok)
		}
	}
}

func TestMaxSeries(t *testing.T) {
	t.Parallel()
	now := start
	text := strings.Replace(rules, "labels:", "max_series: 3, labels:", 1)
	s, reg := started(t, text, days(5, 8), Options{}, &now)
	evaluateAt(t, s, now)
	got := gathered(t, reg)
	if n := len(gathered(t, reg, "foreshock_score")); n != 3 {
		t.Errorf("got %d scores, want 3", n)
	}
	if n := got[`foreshock_scorer_rule_dropped_series{rule="requests"}`]; n != 2 {
		t.Errorf("dropped: got %v, want 2", n)
	}
}

// Series that differ in their name only cannot both be published: one is, and the other is counted.
func TestDuplicateLabels(t *testing.T) {
	t.Parallel()
	source, now := days(2, 8), start
	for i, name := range []string{"a", "b"} {
		source.members[i].Labels = source.members[i].Labels.Without("__name__", "service")
		source.members[i].Labels = append(source.members[i].Labels, struct{ Name, Value string }{"__name__", name})
	}
	s, reg := started(t, rules, source, Options{}, &now)
	evaluateAt(t, s, now)
	if n := len(gathered(t, reg, "foreshock_score")); n != 1 {
		t.Errorf("got %d scores, want 1", n)
	}
	if n := gathered(t, reg)[`foreshock_scorer_rule_failures_total{reason="duplicate_labels", rule="requests"}`]; n != 1 {
		t.Errorf("failures by duplicate labels: got %v, want 1", n)
	}
}

// The metrics are well formed, complete before anything happened, and go with their rule.
func TestMetrics(t *testing.T) {
	t.Parallel()
	now := start
	s, reg := started(t, rules, days(1, 8), Options{}, &now)
	before := gathered(t, reg)
	for _, why := range reasons {
		if _, ok := before[`foreshock_scorer_rule_failures_total{reason="`+why+`", rule="requests"}`]; !ok {
			t.Errorf("no series for reason %s before the first failure", why)
		}
	}
	for _, st := range detect.States() {
		if _, ok := before[`foreshock_series_state{rule="requests", state="`+st.String()+`"}`]; !ok {
			t.Errorf("no series for state %s before the first evaluation", st)
		}
	}
	evaluateAt(t, s, now)
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	problems, err := promlint.NewWithMetricFamilies(families).Lint()
	if err != nil || len(problems) > 0 {
		t.Errorf("promlint: %v, %v", problems, err)
	}
	after := gathered(t, reg)
	for name, min := range map[string]float64{"samples_total": 8 * 1440, "fits_total": 1, "series": 1, "last_evaluation_timestamp_seconds": float64(start.Unix()), "duration_seconds": 1} {
		if got := after[`foreshock_scorer_rule_`+name+`{rule="requests"}`]; got < min {
			t.Errorf("foreshock_scorer_rule_%s: got %v, want at least %v", name, got, min)
		}
	}
	if err := s.Apply(parse(t, strings.ReplaceAll(rules, "requests", "other"))); err != nil {
		t.Fatal(err)
	}
	for name := range gathered(t, reg) {
		if strings.Contains(name, `rule="requests"`) {
			t.Errorf("%s outlived its rule", name)
		}
	}
}

// A second evaluation of the same moment fits nothing anew, though the detector is wrapped for counting.
func TestFitsAreKept(t *testing.T) {
	t.Parallel()
	now := start
	s, reg := started(t, rules, days(2, 8), Options{}, &now)
	evaluateAt(t, s, now)
	fits := gathered(t, reg, "foreshock_scorer_rule_fits_total")
	now = now.Add(time.Minute)
	evaluateAt(t, s, now)
	if diff := cmp.Diff(fits, gathered(t, reg, "foreshock_scorer_rule_fits_total")); diff != "" {
		t.Errorf("the next minute fitted again:\n%s", diff)
	}
}

// Each rule runs once per interval at its offset, and never beside itself.
func TestRunOnTheGrid(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		source := &memory{}
		s, err := New(parse(t, untested), Options{Source: source, Registry: prometheus.NewRegistry()})
		if err != nil {
			t.Fatal(err)
		}
		if s.Ready() == nil {
			t.Error("ready before the first evaluation")
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- s.Run(ctx) }()
		synctest.Wait()
		if source.asked != 1 || s.Ready() != nil {
			t.Errorf("at the start: asked %d times, ready: %v; want once, and ready", source.asked, s.Ready())
		}
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if source.asked != 11 {
			t.Errorf("after ten intervals: asked %d times, want 11", source.asked)
		}
		if err := s.Apply(parse(t, untested)); err != nil { // the same configuration: nothing starts anew
			t.Fatal(err)
		}
		synctest.Wait()
		if source.asked != 11 {
			t.Errorf("a reload without a change evaluated again")
		}
		if err := s.Apply(parse(t, strings.Replace(untested, "seasonal", "mad", 1))); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if source.asked != 12 {
			t.Errorf("a changed rule was asked for %d times, want 12", source.asked)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestMissedEvaluationsAreCounted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		source := &memory{block: make(chan struct{}), entered: make(chan struct{}, 100)}
		reg := prometheus.NewRegistry()
		text := strings.Replace(rules, `1"}`, `1", timeout: 1h}`, 1)
		s, err := New(parse(t, text), Options{Source: source, Registry: reg})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- s.Run(ctx) }()
		<-source.entered
		time.Sleep(4*time.Minute + 10*time.Second)
		if n := len(source.entered); n != 0 {
			t.Errorf("%d evaluations overlap the first", n)
		}
		close(source.block)
		synctest.Wait()
		if n := gathered(t, reg)[`foreshock_scorer_rule_missed_evaluations_total{rule="requests"}`]; n != 4 { // those of 00:00 to 00:03: the first, of 23:59, ended at 00:04:10
			t.Errorf("missed: got %v, want 4", n)
		}
		cancel()
		<-done
	})
}

func TestApplyKeepsTheOldOnError(t *testing.T) {
	t.Parallel()
	now := start
	s, reg := started(t, rules, nil, Options{}, &now) // no source: connects
	before := gathered(t, reg)
	bad := parse(t, strings.Replace(rules, `prometheus: {url: "http://127.0.0.1:1"}`, "", 1))
	if err := s.Apply(bad); err == nil || !strings.Contains(err.Error(), "prometheus.url") {
		t.Errorf("got %v, want an error that names prometheus.url", err)
	}
	if diff := cmp.Diff(slices.Sorted(keys(before)), slices.Sorted(keys(gathered(t, reg)))); diff != "" {
		t.Errorf("a refused configuration changed the metrics:\n%s", diff)
	}
}

func keys(m map[string]float64) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

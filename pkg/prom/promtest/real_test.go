package promtest_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/foreshock/foreshock/pkg/prom"
	"github.com/foreshock/foreshock/pkg/prom/promtest"
	"github.com/foreshock/foreshock/pkg/series"
)

// base is a time on all steps used here, some days ago at the time of writing.
const base = int64(1_789_344_000_000)

var setOptions = cmp.Options{cmpopts.EquateNaNs(), cmpopts.EquateEmpty()}

// servers are the real ones that every test here runs against.
var servers = map[string]func(testing.TB) *promtest.Server{
	"prometheus 2.42": promtest.Start,
	"victoriametrics": func(t testing.TB) *promtest.Server { return promtest.StartVictoria(t) },
	"newest":          startNewest,
}

func onServers(t *testing.T, test func(t *testing.T, s *promtest.Server, c *prom.Client)) {
	for name, start := range servers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t)
			c, err := prom.New(prom.Options{URL: s.URL})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(c.Close)
			test(t, s, c)
		})
	}
}

// fleet makes n series with gaps, special values, and late beginnings and early ends.
func fleet(r *rand.Rand, n int, grid series.Grid) []series.Series {
	var out []series.Series
	for k := range n {
		s := series.New(series.FromMap(map[string]string{"__name__": "x", "job": "b\"ü\\\n", "instance": fmt.Sprintf("host-%03d", k)}), grid)
		from, to := r.IntN(grid.N/2), grid.N-r.IntN(grid.N/2)
		for i := from; i < to; i++ {
			if i/50%7 == k%7 {
				continue
			}
			switch r.IntN(4) {
			case 0:
				s.Values[i] = float64(r.IntN(1000))
			case 1:
				s.Values[i] = r.NormFloat64() * math.Pow(10, float64(r.IntN(40)-20))
			case 2:
				s.Values[i] = -r.Float64()
			default:
				s.Values[i] = float64(i) / 3
			}
		}
		out = append(out, s)
	}
	slices.SortFunc(out, func(a, b series.Series) int { return a.Labels.Compare(b.Labels) })
	return out
}

// whole are the members with whole values of few digits: VictoriaMetrics stores a block of values with one decimal exponent,
// and so loses digits of others.
func whole(members []series.Series) []series.Series {
	var out []series.Series
	for _, m := range members {
		values := slices.Clone(m.Values)
		for i, v := range values {
			values[i] = math.Trunc(math.Mod(v, 1e6)) + 0 // no negative zero
		}
		m.Values = values
		out = append(out, m)
	}
	return out
}

// unnamed are the members without the metric's name, as functions return them.
func unnamed(members []series.Series) []series.Series {
	var out []series.Series
	for _, m := range members {
		m.Labels = m.Labels.Without("__name__")
		out = append(out, m)
	}
	return out
}

// What was written comes back bit for bit, over the limit of 11,000 points, with gaps where nothing was written.
func TestRangeIsWhatWasWritten(t *testing.T) {
	t.Parallel()
	grid := series.Grid{Start: base, Step: 15_000, N: 23_456}
	written := fleet(rand.New(rand.NewPCG(1, 2)), 7, grid)
	onServers(t, func(t *testing.T, s *promtest.Server, c *prom.Client) {
		want := written
		if s.Program == "victoria-metrics" {
			want = whole(want)
		}
		s.Write(t, want...)
		got, err := c.Range(context.Background(), "last_over_time(x[1s])", grid)
		if err != nil {
			t.Fatal(err)
		}
		wanted := want // the newest Prometheus and VictoriaMetrics keep the name, as the function does not change the value
		if len(got.Set.Members) > 0 && got.Set.Members[0].Labels.Get("__name__") == "" {
			wanted = unnamed(want)
		}
		if d := cmp.Diff(series.Set{Grid: grid, Members: wanted}, got.Set, setOptions); d != "" {
			t.Errorf("-want +got:\n%.2000s", d)
		}
		if len(got.Warnings)+len(got.Notices) > 0 {
			t.Errorf("remarks: %v %v", got.Warnings, got.Notices)
		}
	})
}

// Infinities stay, a division by zero is a gap, a scalar expression is a series without labels.
func TestSpecialValues(t *testing.T) {
	t.Parallel()
	grid := series.Grid{Start: base, Step: 60_000, N: 3}
	onServers(t, func(t *testing.T, s *promtest.Server, c *prom.Client) {
		one := series.New(series.FromMap(map[string]string{"__name__": "one", "a": "b"}), grid)
		for i := range one.Values {
			one.Values[i] = float64(i)
		}
		s.Write(t, one)
		for expr, want := range map[string][]float64{
			"one / 0": {math.NaN(), math.Inf(1), math.Inf(1)}, "-one / 0": {math.NaN(), math.Inf(-1), math.Inf(-1)}, "one * 1e300": {0, 1e300, 2e300},
			"one > 0": {math.NaN(), 1, 2},
		} {
			got, err := c.Range(context.Background(), expr, grid)
			if err != nil {
				t.Fatal(err)
			}
			if len(got.Set.Members) != 1 || !cmp.Equal(got.Set.Members[0].Values, want, setOptions) {
				t.Errorf("%s: got %v, want %v", expr, got.Set.Members, want)
			}
		}
		got, err := c.Range(context.Background(), "42.5", grid)
		if err != nil || len(got.Set.Members) != 1 || len(got.Set.Members[0].Labels) != 0 || got.Set.Members[0].Values[2] != 42.5 {
			t.Errorf("scalar: %v %v", got.Set, err)
		}
		got, err = c.Range(context.Background(), "nothing_of_that_name", grid)
		if err != nil || len(got.Set.Members) != 0 {
			t.Errorf("empty: %v %v", got.Set, err)
		}
	})
}

func TestInstantReal(t *testing.T) {
	t.Parallel()
	grid := series.Grid{Start: base, Step: 60_000, N: 3}
	onServers(t, func(t *testing.T, s *promtest.Server, c *prom.Client) {
		a := series.New(series.FromMap(map[string]string{"__name__": "one", "a": "x"}), grid)
		b := series.New(series.FromMap(map[string]string{"__name__": "one", "a": "y"}), grid)
		a.Values[2], b.Values[2] = 7, 8
		s.Write(t, b, a)
		v, err := c.Instant(context.Background(), "one", grid.At(2))
		want := []prom.Sample{{Labels: a.Labels, Time: grid.At(2), Value: 7}, {Labels: b.Labels, Time: grid.At(2), Value: 8}}
		if err != nil || !cmp.Equal(v.Samples, want) {
			t.Errorf("vector: %v %v", err, cmp.Diff(want, v.Samples))
		}
		v, err = c.Instant(context.Background(), "scalar(sum(one))", grid.At(2))
		if err != nil || len(v.Samples) != 1 || v.Samples[0].Value != 15 || len(v.Samples[0].Labels) != 0 {
			t.Errorf("scalar: %v %v", v, err)
		}
		if s.Program == "prometheus" { // VictoriaMetrics takes the last sample of a range vector, and has no strings
			for expr, word := range map[string]string{"one[5m]": "range vector", `"text"`: "string"} {
				if _, err := c.Instant(context.Background(), expr, base); kind(err) != prom.KindBadQuery || !contains(err, word) {
					t.Errorf("%s: got %v", expr, err)
				}
			}
		}
	})
}

func TestErrorsReal(t *testing.T) {
	t.Parallel()
	onServers(t, func(t *testing.T, s *promtest.Server, c *prom.Client) {
		ctx := context.Background()
		grid := series.Grid{Start: base, Step: 60_000, N: 300}
		s.Write(t, fleet(rand.New(rand.NewPCG(1, 2)), 3, grid)...)
		for _, expr := range []string{"sum(", "rate(x)", "nosuchfunction(x)", "x * on(nolabel) group_left x", "", "  "} {
			if s.Program == "victoria-metrics" && expr == "rate(x)" {
				continue // MetricsQL adds a range
			}
			_, err := c.Range(ctx, expr, grid)
			if kind(err) != prom.KindBadQuery {
				t.Errorf("Range(%q): got %v (%v), want a bad query", expr, err, kind(err))
			}
			if _, err = c.Instant(ctx, expr, grid.At(5)); expr != "x * on(nolabel) group_left x" && kind(err) != prom.KindBadQuery {
				t.Errorf("Instant(%q): got %v (%v), want a bad query", expr, err, kind(err))
			}
		}
		gone, cancel := context.WithCancel(ctx)
		cancel()
		if _, err := c.Range(gone, "x", grid); kind(err) != prom.KindCanceled || !errors.Is(err, context.Canceled) {
			t.Errorf("canceled: got %v (%v)", err, kind(err))
		}
		late, cancel := context.WithDeadline(ctx, time.Now().Add(-time.Second))
		defer cancel()
		if _, err := c.Range(late, "x", grid); kind(err) != prom.KindTimeout {
			t.Errorf("deadline: got %v (%v)", err, kind(err))
		}
		s.Stop()
		if _, err := c.Range(ctx, "x", grid); kind(err) != prom.KindUnavailable || !contains(err, "cannot reach "+s.URL) {
			t.Errorf("stopped: got %v (%v)", err, kind(err))
		}
	})
}

// Limits of the servers, as these put them into words.
func TestServerLimits(t *testing.T) {
	t.Parallel()
	grid := series.Grid{Start: base, Step: 60_000, N: 3000}
	data := whole(fleet(rand.New(rand.NewPCG(1, 2)), 20, grid))
	for name, c := range map[string]struct {
		start func(testing.TB) *promtest.Server
		want  prom.Kind
	}{
		"samples 2.42": {func(t testing.TB) *promtest.Server {
			return promtest.StartWith(t, promtest.Options{Args: []string{"--query.max-samples=2000"}})
		}, prom.KindTooManySamples},
		"samples newest": {func(t testing.TB) *promtest.Server { return startNewestWith(t, 2000) }, prom.KindTooManySamples},
		"samples victoriametrics": {func(t testing.TB) *promtest.Server {
			return promtest.StartVictoria(t, "-search.maxSamplesPerQuery=2000")
		}, prom.KindTooManySamples},
		"series victoriametrics": {func(t testing.TB) *promtest.Server {
			return promtest.StartVictoria(t, "-search.maxUniqueTimeseries=5")
		}, prom.KindTooManySamples},
		"time 2.42": {func(t testing.TB) *promtest.Server {
			return promtest.StartWith(t, promtest.Options{Args: []string{"--query.timeout=1ms"}})
		}, prom.KindTimeout},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := c.start(t)
			s.Write(t, data...)
			client, err := prom.New(prom.Options{URL: s.URL})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := client.Range(context.Background(), "max_over_time(sum_over_time(x[2h])[3h:1m])", grid); kind(err) != c.want {
				t.Errorf("got %v (%v), want %v", err, kind(err), c.want)
			}
		})
	}
}

// The cache gives what the server gives, and tells when history has gone from it.
func TestBlocksReal(t *testing.T) {
	t.Parallel()
	midnight := series.Floor(base, 86_400_000)
	grid := series.Grid{Start: midnight + 3_600_000, Step: 60_000, N: 3 * 1440}
	data := fleet(rand.New(rand.NewPCG(1, 2)), 5, grid)
	s := promtest.Start(t)
	s.Write(t, data...)
	client, err := prom.New(prom.Options{URL: s.URL})
	if err != nil {
		t.Fatal(err)
	}
	blocks := prom.NewBlocks(client, prom.BlocksOptions{})
	ask := func(now int64) prom.Answer {
		t.Helper()
		got, err := blocks.Range(context.Background(), "x", grid, now)
		if err != nil {
			t.Fatal(err)
		}
		want, err := client.Range(context.Background(), "x", grid)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want.Set, got.Set, setOptions); d != "" {
			t.Errorf("-source +blocks\n%.1000s", d)
		}
		return got
	}
	now := grid.End() + 3_600_000
	ask(now)
	if got := ask(now + 60_000); len(got.Notices) > 0 || blocks.Stats().Hits != 3 {
		t.Errorf("notices %v, %+v", got.Notices, blocks.Stats())
	}
	s.Delete(t, `x{instance="host-001"}`)
	got := ask(now + 25*3_600_000)
	if len(got.Notices) != 1 || got.Notices[0].Kind != prom.NoticeHistoryGone || len(got.Set.Members) != 4 {
		t.Errorf("after a deletion: %+v, %d series", got.Notices, len(got.Set.Members))
	}
}

func TestNamesReal(t *testing.T) {
	t.Parallel()
	onServers(t, func(t *testing.T, s *promtest.Server, c *prom.Client) {
		ctx := context.Background()
		grid := series.Grid{Start: base, Step: 60_000, N: 3}
		var members []series.Series
		for _, name := range []string{"http_a", "http_b", "other", "httpx"} {
			m := series.New(series.FromMap(map[string]string{"__name__": name, "job": "j-" + name}), grid)
			m.Values[0] = 1
			members = append(members, m)
		}
		s.Write(t, members...)
		span := prom.Lookup{From: base, To: base + 600_000}
		check := func(what string, want []string) func([]string, error) {
			return func(got []string, err error) {
				t.Helper()
				if err != nil || !slices.Equal(got, want) {
					t.Errorf("%s: got %v %v, want %v", what, got, err, want)
				}
			}
		}
		check("labels", []string{"__name__", "job"})(c.LabelNames(ctx, span))
		check("values", []string{"j-http_a", "j-http_b", "j-httpx", "j-other"})(c.LabelValues(ctx, "job", span))
		check("prefix", []string{"http_a", "http_b"})(c.SeriesNames(ctx, "http_", span))
		check("quoted prefix", nil)(c.SeriesNames(ctx, "http.", span))
		matched := span
		matched.Match, matched.Limit = []string{`{job=~"j-http.*"}`}, 2
		check("match and limit", []string{"http_a", "http_b"})(c.SeriesNames(ctx, "", matched))
		if s.Program == "prometheus" {
			check("odd label", nil)(c.LabelValues(ctx, "not here", span))
		}
		if _, err := c.Metadata(ctx, ""); err != nil {
			t.Error(err)
		}
		b, err := c.BuildInfo(ctx)
		if err != nil || b.Version == "" && s.Program == "prometheus" || b.HasClock && b.Skew.Abs() > 2*time.Second {
			t.Errorf("build: %+v %v", b, err)
		}
		if !b.HasClock {
			t.Error("no clock: these servers send a Date")
		}
		run, err := c.RuntimeInfo(ctx)
		if want := map[bool]time.Duration{true: 20 * 365 * 24 * time.Hour}[s.Program == "prometheus"]; err != nil || run.Retention != want {
			t.Errorf("retention: %v %v, want %v", run.Retention, err, want)
		}
	})
}

func TestRemoteWriteReal(t *testing.T) {
	t.Parallel()
	onServers(t, func(t *testing.T, s *promtest.Server, c *prom.Client) {
		w, err := prom.NewRemoteWriter(prom.RemoteOptions{URL: s.URL + "/api/v1/write", OnError: func(err error, n int) { t.Errorf("%v (%d)", err, n) }})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		ran := make(chan error, 1)
		go func() { ran <- w.Run(ctx) }()
		grid := series.Grid{Start: base, Step: 60_000, N: 50}
		labels := series.FromMap(map[string]string{"__name__": "foreshock_score", "job": "a"})
		want := series.New(labels, grid)
		for i := range grid.N {
			want.Values[i] = float64(i)
			w.Offer(prom.Sample{Labels: labels, Time: grid.At(i), Value: float64(i)})
		}
		cancel() // what was offered before is still sent
		if err := <-ran; err != nil {
			t.Fatal(err)
		}
		if s.Program == "victoria-metrics" {
			s.Write(t) // flush
		}
		got, err := c.Range(context.Background(), "foreshock_score", grid)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff([]series.Series{want}, got.Set.Members, setOptions); d != "" {
			t.Error(d)
		}
		if st := w.Stats(); st.Sent != 50 || st.Pending != 0 || st.Dropped+st.Rejected != 0 {
			t.Errorf("%+v", st)
		}
	})
}

// kind is that of a *prom.Error, 0 for anything else.
func kind(err error) prom.Kind {
	var e *prom.Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return 0
}

func contains(err error, part string) bool { return err != nil && strings.Contains(err.Error(), part) }

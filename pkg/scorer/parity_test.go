package scorer

import (
	"compress/gzip"
	"encoding/csv"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/foreshock/foreshock/pkg/detect"
	"github.com/foreshock/foreshock/pkg/evaluate"
	"github.com/foreshock/foreshock/pkg/series"
)

// recordedNAB reads a recorded series, five minutes apart, with a gap and a missing scrape put in.
func recordedNAB(t *testing.T) series.Series {
	t.Helper()
	f, err := os.Open("../plugin/testdata/nab/ec2_request_latency.csv.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(z).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	const step = 5 * minute
	rows = rows[1:]
	at := func(i int) int64 {
		sec, err := strconv.ParseFloat(rows[i][0], 64)
		if err != nil {
			t.Fatal(err)
		}
		return series.Floor(int64(sec*1000), step)
	}
	s := series.New(series.FromMap(map[string]string{"__name__": "latency", "host": "a"}), series.GridOver(at(0), at(len(rows)-1), step))
	for i := range rows {
		v, err := strconv.ParseFloat(rows[i][1], 64)
		k, ok := s.Grid.Index(at(i))
		if err != nil || !ok {
			t.Fatalf("row %d: %v", i, err)
		}
		s.Values[k] = v
	}
	for i := 3000; i < 3030; i++ {
		s.Values[i] = math.NaN()
	}
	s.Values[3200] = math.NaN()
	return s
}

// A replay says of every sample what the scorer published when it was the newest one, to the last bit, and raises an episode where the scorer did.
func TestReplayIsWhatTheScorerSaid(t *testing.T) {
	t.Parallel()
	s := recordedNAB(t)
	const text = `
prometheus: {url: "http://127.0.0.1:1"}
rules:
  - {name: latency, expr: latency, step: 5m, params: {budget: 10}, policy: {n: 2, m: 3}}
`
	from := s.Grid.At(s.Grid.N - 1200)
	to := s.Grid.At(s.Grid.N - 1)
	r := parse(t, text).Rules[0]
	replayed, err := evaluate.Replay{Judge: r.judge()}.Case(t.Context(), evaluate.Case{Series: s, From: from, To: to})
	if err != nil {
		t.Fatal(err)
	}
	v := replayed.Verdicts
	if len(replayed.Episodes) == 0 || v.Series.Grid.N != 1200 {
		t.Fatalf("%d episodes in %d samples: nothing to compare", len(replayed.Episodes), v.Series.Grid.N)
	}
	now := start
	scorer, reg := started(t, text, &memory{members: []series.Series{s}}, Options{}, &now)
	raised, before := 0, 0.0
	for i := range v.Score {
		now = time.UnixMilli(v.Series.Grid.At(i))
		evaluateAt(t, scorer, now)
		got := gathered(t, reg, published5...)
		if v.State[i] == detect.Gap { // the scorer shows the sample before
			continue
		}
		labels := `{host="a", rule="latency"}`
		for name, want := range map[string]float64{"foreshock_score": v.Score[i], "foreshock_expected": v.Expected[i], "foreshock_lower": v.Lower[i], "foreshock_upper": v.Upper[i]} {
			x, ok := got[name+labels]
			if ok != (v.Score[i] == v.Score[i] && want == want) || ok && math.Float64bits(x) != math.Float64bits(want) {
				t.Fatalf("%s at %s: the scorer published %v (%v), the replay says %v", name, now.UTC(), x, ok, want)
			}
		}
		open := got["foreshock_anomalous"+labels]
		if (open == 1) != v.Anomalous[i] {
			t.Fatalf("at %s the scorer has an open episode: %v, the replay: %v", now.UTC(), open == 1, v.Anomalous[i])
		}
		if open == 1 && before == 0 {
			raised++
		}
		before = open
	}
	if raised != len(replayed.Episodes) {
		t.Errorf("the scorer raised %d episodes, the replay %d", raised, len(replayed.Episodes))
	}
}

// said holds what the scorer published of a unit, sample by sample, against what a replay says of it.
type said struct {
	labels   string
	verdicts detect.Verdicts
	joint    *detect.JointVerdicts
	episodes int
	raised   int
	before   bool
}

// compare reports the first difference at sample i.
func (s *said) compare(t *testing.T, got map[string]float64, i int) {
	t.Helper()
	v := s.verdicts
	if v.State[i] == detect.Gap { // the scorer shows the sample before
		return
	}
	want := map[string]float64{"foreshock_score": v.Score[i]}
	if s.joint == nil {
		want["foreshock_expected"], want["foreshock_lower"], want["foreshock_upper"] = v.Expected[i], v.Lower[i], v.Upper[i]
	}
	same := func(name string, x float64) {
		got, ok := got[name]
		if ok != (v.Score[i] == v.Score[i] && x == x) || ok && math.Float64bits(got) != math.Float64bits(x) {
			t.Fatalf("%s at sample %d: the scorer published %v (%v), the replay says %v", name, i, got, ok, x)
		}
	}
	for name, x := range want {
		same(name+s.labels, x)
	}
	if s.joint != nil {
		for d, name := range s.joint.Vector.Names {
			same("foreshock_contribution"+strings.Replace(s.labels, "rule=", `dimension="`+name+`", rule=`, 1), s.joint.Contributions[d][i])
		}
	}
	open := got["foreshock_anomalous"+s.labels] == 1
	if open != v.Anomalous[i] {
		t.Fatalf("%s at sample %d: the scorer has an open episode: %v, the replay: %v", s.labels, i, open, v.Anomalous[i])
	}
	if open && !s.before {
		s.raised++
	}
	s.before = open
}

// A replay of vectors, and of fleets with one member that ended and one that came late, says of every sample what the scorer published, to the last bit.
func TestReplayOfSeveralIsWhatTheScorerSaid(t *testing.T) {
	t.Parallel()
	const off = "selftest: off, selftest_reason: what is published is compared"
	for name, tt := range map[string]struct {
		rule   string
		source Source
	}{
		"joint": {`{name: r, kind: joint, detector: mahalanobis, dimensions: {requests: requests, seconds: seconds}, group_by: [application], clean: fit, train: 2d, refit: 6h, params: {budget: 20}, policy: {n: 2, m: 3, horizon: 6h}, ` + off + `}`, func() Source {
			s := shop()
			s["fit"] = told("fit", "", []string{""}, func(_ int, t int64, _ *rand.Rand) float64 { // the last twenty minutes of each hour
				if t/minute%60 < 40 {
					return math.NaN()
				}
				return 1
			})
			return s
		}()},
		"peers": {`{name: r, kind: peers, expr: cpu, group_by: [job], train: 2d, refit: 6h, params: {budget: 20}, policy: {n: 2, m: 3, horizon: 6h}, ` + off + `}`, func() Source {
			s := fleets()
			for k, cut := range map[int][2]int64{3: {0, 90}, 7: {60, 1e6}} { // minutes before the end: gone, not there yet
				for i := range s.members[k].Values {
					if ago := (start.UnixMilli() - s.members[k].Grid.At(i)) / minute; ago < cut[1] && cut[0] == 0 || ago > cut[0] && cut[0] > 0 {
						s.members[k].Values[i] = math.NaN()
					}
				}
			}
			return s
		}()},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text := "\nprometheus: {url: \"http://127.0.0.1:1\"}\nrules:\n  - " + tt.rule
			r := parse(t, text).Rules[0]
			from, to := start.UnixMilli()-149*minute, start.UnixMilli()
			all := replayedUnits(t, r, tt.source, from, to)
			now := start
			scorer, reg := started(t, text, tt.source, Options{}, &now)
			for i := range 150 {
				now = time.UnixMilli(from + int64(i)*minute)
				evaluateAt(t, scorer, now)
				got := gathered(t, reg, slices.Collect(familyNames)...)
				for k := range all {
					all[k].compare(t, got, i)
				}
			}
			episodes := 0
			for _, s := range all {
				if episodes += s.episodes; s.raised != s.episodes {
					t.Errorf("%s: the scorer raised %d episodes, the replay %d", s.labels, s.raised, s.episodes)
				}
			}
			if episodes == 0 {
				t.Error("no episode: nothing to compare")
			}
		})
	}
}

// replayedUnits replays everything that a rule judges.
func replayedUnits(t *testing.T, r Rule, source Source, from, to int64) []said {
	t.Helper()
	a, err := r.ask(t.Context(), source, Prometheus{}, r.Walk.Fetch(from, to, r.Policy), to)
	if err != nil {
		t.Fatal(err)
	}
	units, err := r.units(a)
	if err != nil {
		t.Fatal(err)
	}
	var cases []evaluate.Case
	for _, u := range units {
		if r.Kind == kindJoint {
			c := evaluate.VectorCase(u.vector)
			c.Clean, _ = a.clean.Mask(u.labels)
			cases = append(cases, c)
			continue
		}
		f, _ := u.fleet(a.clean)
		cases = append(cases, evaluate.Members(f)...)
	}
	for i := range cases {
		cases[i].From, cases[i].To = from, to
	}
	all := make([]said, len(cases))
	err = evaluate.Replay{Judge: r.judge(), Workers: 1}.All(t.Context(), cases, func(i int, one evaluate.Replayed) {
		m := cases[i].Series.Labels.Without("__name__").Map()
		m["rule"] = r.Name
		all[i] = said{labels: series.FromMap(m).String(), verdicts: one.Verdicts, joint: one.Joint, episodes: len(one.Episodes)}
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// What a replay prints as a rule is a rule of the scorer that judges in the same way.
func TestPrintedRuleIsRead(t *testing.T) {
	t.Parallel()
	const text = `
rules:
  - {name: b, kind: joint, detector: kmeans, dimensions: {y: 'rate(x[5m]) > 0', a: "z{b=\"c\"}"}, group_by: [job, app], clean: 'a < 1', params: {budget: 3}, policy: {n: 5, m: 8}}
  - {name: c, kind: joint, detector: auto, expr: x}
  - {name: d, kind: peers, detector: mad, expr: x, group_by: [job], params: {sensitivity: 2}, policy: {direction: up}}
  - {name: a, detector: seasonal, expr: 'sum(rate(x{a="b"}[5m])) > 0', step: 5m, train: 14d, zone: Asia/Shanghai, params: {budget: 0.25, week: "off"}, policy: {n: 5, m: 8, min_rel: 0.3, direction: down}}
`
	for _, want := range parse(t, text).Rules {
		printed, err := evaluate.RuleText(want.Name, evaluate.Asked{Expr: want.Expr, Dimensions: want.Dimensions, GroupBy: want.GroupBy, Clean: want.Clean}, want.judge())
		if err != nil {
			t.Fatal(err)
		}
		got := parse(t, printed).Rules[0]
		if !sameRule(got, want) {
			t.Errorf("printed\n%s\ngot  %+v\nwant %+v", printed, got, want)
		}
	}
}

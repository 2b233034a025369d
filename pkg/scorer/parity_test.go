package scorer

import (
	"compress/gzip"
	"encoding/csv"
	"math"
	"os"
	"strconv"
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
	replayed, err := evaluate.Replay{Judge: r.Judge}.Case(t.Context(), evaluate.Case{Series: s, From: from, To: to})
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

// What a replay prints as a rule is a rule of the scorer that judges in the same way.
func TestPrintedRuleIsRead(t *testing.T) {
	t.Parallel()
	const text = `
rules:
  - {name: a, detector: seasonal, expr: 'sum(rate(x{a="b"}[5m])) > 0', step: 5m, train: 14d, zone: Asia/Shanghai, params: {budget: 0.25, week: "off"}, policy: {n: 5, m: 8, min_rel: 0.3, direction: down}}
`
	want := parse(t, text).Rules[0]
	printed, err := evaluate.RuleText(want.Name, want.Expr, "", want.Judge)
	if err != nil {
		t.Fatal(err)
	}
	got := parse(t, printed).Rules[0]
	if !sameRule(got, want) {
		t.Errorf("printed\n%s\ngot  %+v\nwant %+v", printed, got, want)
	}
}

package plugin

import (
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/foreshock/foreshock/pkg/series"
)

// severalWeeks is ten days of two applications whose load follows their requests, and of a fleet of five; in the last days the first application's load comes apart, and one
// member goes its own way, for half an hour. The former is known.
func severalWeeks(now time.Time) (src *recorded, at int64) {
	const step = 5 * minute
	end := series.Floor(now.UnixMilli(), step)
	grid := series.GridOver(end-13*24*60*minute, end, step)
	at = end - 24*60*minute
	rng := rand.New(rand.NewPCG(4, 2))
	src = &recorded{sets: map[string][]series.Series{}}
	of := func(expr string, labels map[string]string, value func(t int64) float64) {
		s := series.New(series.FromMap(labels), grid)
		for i := range s.Values {
			s.Values[i] = value(grid.At(i))
		}
		src.sets[expr] = append(src.sets[expr], s)
	}
	shape := func(t int64) float64 { return math.Sin(2 * math.Pi * float64(t%86_400_000) / 86_400_000) }
	strange := func(t int64) bool { return t >= at && t < at+30*minute }
	for _, app := range []string{"a", "b"} {
		last := 0.0
		of("requests", map[string]string{"application": app}, func(t int64) float64 { return 100 + 50*shape(t) })
		of("load", map[string]string{"application": app}, func(t int64) float64 {
			last = 1 + 0.5*shape(t) + 0.02*rng.NormFloat64()
			if app == "a" && strange(t) {
				return last - 0.6
			}
			return last
		})
	}
	for k := range 5 {
		of("cpu", map[string]string{"instance": fmt.Sprint(k), "job": "web"}, func(t int64) float64 {
			x := 100 + 50*shape(t) + 2*rng.NormFloat64()
			if k == 3 && strange(t) {
				x += 60
			}
			return x
		})
	}
	of("known", map[string]string{"application": "a"}, func(t int64) float64 {
		if strange(t) {
			return 1
		}
		return 0
	})
	src.sets["all"] = append(append([]series.Series{}, src.sets["cpu"]...), src.sets["requests"]...)
	return src, at
}

func severalFields(of string, more map[string]any) map[string]any {
	q := map[string]any{"refId": "A", "kind": "replay", "of": of, "step": "5m", "last": "4d", "min_train": "2d", "output": "intervals", "group_by": []string{"application"}}
	if of == "joint" {
		q["dimensions"], q["detector"], q["legend"] = map[string]string{"requests": "requests", "load": "load"}, "mahalanobis", "{{application}}"
	} else {
		q["expr"], q["group_by"], q["legend"] = "cpu", []string{"job"}, "{{instance}}"
	}
	maps.Copy(q, more)
	return q
}

// A replay of vectors and of fleets tells what the queries joint and peers show, with hits where incidents are known.
func TestReplayOfSeveral(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 30, 0, time.UTC)
	for of, want := range map[string]string{"joint": "a", "peers": "3"} {
		t.Run(of, func(t *testing.T) {
			t.Parallel()
			src, at := severalWeeks(now)
			answer := ask(t, over(t, src, now), query(now.Add(-time.Hour), now, severalFields(of, nil)))
			if answer.Error != nil {
				t.Fatal(answer.Error)
			}
			replayed := answer.Frames[0]
			fields := severalFields(of, map[string]any{"kind": of})
			delete(fields, "of")
			delete(fields, "last")
			shown := ask(t, over(t, src, now), query(now.Add(-4*24*time.Hour), now, fields)).Frames[0]
			if replayed.Rows() == 0 || replayed.Rows() != shown.Rows() || len(replayed.Fields) != len(shown.Fields) {
				t.Fatalf("%d episodes in %d fields in the replay, %d in %d shown", replayed.Rows(), len(replayed.Fields), shown.Rows(), len(shown.Fields))
			}
			found := false
			for i := range shown.Rows() {
				for _, f := range shown.Fields {
					if a, b := fmt.Sprint(field(t, replayed, f.Name).At(i)), fmt.Sprint(f.At(i)); f.Type().Nullable() == false && a != b {
						t.Errorf("row %d, %s: %v in the replay, %v shown", i, f.Name, a, b)
					}
				}
				found = found || field(t, replayed, "series").At(i) == want && field(t, replayed, "start").At(i).(time.Time).UnixMilli() == at
			}
			if !found {
				t.Errorf("nothing of %s at %d", want, at)
			}
		})
	}
}

func TestReplayOfSeveralOutputs(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 30, 0, time.UTC)
	src, _ := severalWeeks(now)
	answer := ask(t, over(t, src, now), query(now.Add(-time.Hour), now, severalFields("joint", map[string]any{"output": "summary", "incidents": "known"})))
	if answer.Error != nil {
		t.Fatal(answer.Error)
	}
	if f := answer.Frames[0]; f.Rows() != 2 || field(t, f, "hits").At(0) != int64(1) || field(t, f, "missed").At(0) != int64(0) || field(t, f, "hits").At(1) != int64(0) {
		t.Errorf("%+v", f)
	}
	for of, start := range map[string]string{"joint": `{"kind":"joint","dimensions":{"load": "load", "requests": "requests"},"group_by":["application"],"detector":"mahalanobis"`, "peers": `{"kind":"peers","expr":"cpu","group_by":["job"],"detector":"mad"`} {
		answer := ask(t, over(t, src, now), query(now.Add(-time.Hour), now, severalFields(of, map[string]any{"output": "setting", "wanted": 2})))
		if answer.Error != nil {
			t.Fatal(answer.Error)
		}
		f, chosen := answer.Frames[0], 0
		for i := range f.Rows() {
			text := field(t, f, "query").At(i).(string)
			if text == "" {
				continue
			}
			chosen++
			if _, err := readQuery([]byte(text), Settings{Zone: "UTC", Lang: "en"}); err != nil || !strings.HasPrefix(text, start) {
				t.Errorf("%s: %v", text, err)
			}
		}
		if chosen != 1 {
			t.Errorf("%s: %d settings are chosen", of, chosen)
		}
	}
	for of, names := range map[string][]string{"joint": {"a: load", "a: requests", "b: load", "b: requests"}, "peers": {"0", "1", "2", "3", "4"}} {
		fields := severalFields(of, map[string]any{"kind": "selftest", "quick": true, "output": "summary", "last": "2d"})
		answer := ask(t, over(t, src, now), query(now.Add(-time.Hour), now, fields))
		if answer.Error != nil || answer.Frames[0].Rows() != len(names) {
			t.Fatalf("%s: %v", of, answer.Error)
		}
		for i, name := range names {
			if f := answer.Frames[0]; field(t, f, "series").At(i) != name || field(t, f, "verdict").At(i) != "passed" {
				t.Errorf("%s: %v %v: %v", of, field(t, f, "series").At(i), field(t, f, "verdict").At(i), field(t, f, "reason").At(i))
			}
		}
	}
}

func TestReplayOfSeveralRefuses(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		`{"kind":"replay","of":"vectors","expr":"a"}`:                           `parameter "of": got "vectors", want one of series, joint, peers`,
		`{"kind":"replay","dimensions":{"a":"b"}}`:                              `parameter "dimensions": got some with "of" "series", want none, or "of" "joint": they are those of a vector`,
		`{"kind":"selftest","of":"peers","dimensions":{"a":"b"}}`:               `parameter "dimensions": got some with "of" "peers", want none, or "of" "joint": they are those of a vector`,
		`{"kind":"replay","expr":"a","group_by":["b"]}`:                         `parameter "group_by": got ["b"] with "of" "series", want none, or "of" "joint" or "peers": each series is judged alone`,
		`{"kind":"replay","of":"joint"}`:                                        `parameter "dimensions": got nothing, want a PromQL expression for each dimension; or one "expr" whose series are the dimensions`,
		`{"kind":"replay","of":"peers"}`:                                        `parameter "expr": got nothing, want a PromQL expression`,
		`{"kind":"replay","of":"joint","expr":"a","detector":"seasonal"}`:       `unknown joint detector "seasonal": want one of auto, dbscan, iforest, kmeans, mahalanobis, pca; "seasonal" is a detector of the kind series`,
		`{"kind":"selftest","expr":"a","detector":"dbscan"}`:                    `; "dbscan" is a detector of the kind joint and peers`,
		`{"kind":"replay","of":"joint","expr":"a","policy":{"direction":"up"}}`: `policy: parameter "direction": got "up", want both: a vector has no up and down`,
	} {
		if _, err := readQuery([]byte(raw), Settings{Zone: "UTC", Lang: "en"}); err == nil || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("%s:\n got %v\nwant %s", raw, err, want)
		}
	}
	// More dimensions than a fit can hold are the mistake of who asks.
	now := time.Date(2026, 3, 1, 12, 0, 30, 0, time.UTC)
	src, _ := severalWeeks(now)
	one := src.sets["cpu"][0]
	for k := range 200 {
		s := one
		s.Labels = series.FromMap(map[string]string{"instance": fmt.Sprint(k)})
		src.sets["many"] = append(src.sets["many"], s)
	}
	fields := severalFields("joint", map[string]any{"expr": "many", "group_by": []string{}})
	delete(fields, "dimensions")
	answer := ask(t, over(t, src, now), query(now.Add(-time.Hour), now, fields))
	if answer.Error == nil || answer.Status != 400 || !strings.HasPrefix(answer.Error.Error(), `parameter "expr": `) || !strings.Contains(answer.Error.Error(), "200, want at most 128") {
		t.Errorf("%v: %v", answer.Status, answer.Error)
	}
}

package promtest

import (
	"encoding/json"
	"math"
	"net/http"
	"net/url"
	"testing"

	"github.com/foreshock/foreshock/pkg/series"
)

// Both servers answer with what was written, in whatever order, and with nothing else.
func TestWriteIsVisible(t *testing.T) {
	t.Parallel()
	for name, start := range map[string]func(testing.TB) *Server{"prometheus": Start, "victoria": func(t testing.TB) *Server { return StartVictoria(t) }} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t)
			late := series.Grid{Start: 1_790_000_040_000, Step: 60_000, N: 200}
			early := series.Grid{Start: late.Start - 9*86_400_000, Step: 60_000, N: 2}
			a := series.New(series.FromMap(map[string]string{"__name__": "a", "job": "x"}), late)
			for i := range a.Values {
				a.Values[i] = float64(i)
			}
			b := series.New(series.FromMap(map[string]string{"__name__": "b"}), early)
			b.Values[0] = 42
			s.Write(t, a)
			s.Write(t, b)
			for query, want := range map[string]string{
				"sum_over_time(a[200m] @ 1790011980)": "19900", "a @ 1790011980": "199", "b @ 1789222440": "42", "count_over_time(b[1h] @ 1789223000)": "1",
			} {
				if got := ask(t, s, query); got != want {
					t.Errorf("%s = %q, want %q", query, got, want)
				}
			}
		})
	}
}

func ask(t *testing.T, s *Server, query string) string {
	t.Helper()
	resp, err := http.Get(s.URL + "/api/v1/query?time=1790012000&query=" + url.QueryEscape(query))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var a struct {
		Error string
		Data  struct{ Result []struct{ Value [2]any } }
	}
	if err := json.NewDecoder(resp.Body).Decode(&a); err != nil {
		t.Fatal(err)
	}
	if len(a.Data.Result) != 1 {
		t.Fatalf("%s: %+v", query, a)
	}
	return a.Data.Result[0].Value[1].(string)
}

func TestNaNIsNoSample(t *testing.T) {
	t.Parallel()
	g := series.Grid{Start: 0, Step: 1000, N: 3}
	got := samplesBetween(series.Series{Grid: g, Values: []float64{1, math.NaN(), math.Inf(1)}}, 0, 3000)
	if len(got) != 2 || got[1].Timestamp != 2000 {
		t.Errorf("got %v", got)
	}
}

package prom

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/foreshock/foreshock/pkg/series"
)

// scripted is a server that speaks the range API over series that a test computes.
type scripted struct {
	*httptest.Server
	mu       sync.Mutex
	members  func(expr string, grid series.Grid) []series.Series
	warnings []string
	asked    []series.Grid
	gate     chan struct{} // when set, requests wait for it
}

func newScripted(t testing.TB, members func(expr string, grid series.Grid) []series.Series) *scripted {
	s := &scripted{members: members}
	s.Server = httptest.NewServer(http.HandlerFunc(s.serve))
	t.Cleanup(s.Close)
	return s
}

func (s *scripted) client(t testing.TB, o Options) *Client {
	t.Helper()
	o.URL = s.URL
	c, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func (s *scripted) serve(w http.ResponseWriter, r *http.Request) {
	ms := func(text string) int64 {
		if d, err := time.ParseDuration(text); err == nil {
			return d.Milliseconds()
		}
		f, err := strconv.ParseFloat(text, 64)
		if err != nil {
			panic(err)
		}
		return int64(math.Round(f * 1000))
	}
	grid := series.GridOver(ms(r.FormValue("start")), ms(r.FormValue("end")), ms(r.FormValue("step")))
	s.mu.Lock()
	s.asked = append(s.asked, grid)
	gate, warnings := s.gate, s.warnings
	s.mu.Unlock()
	if gate != nil {
		select {
		case <-gate:
		case <-r.Context().Done():
			return
		}
	}
	if grid.Start != ms(r.FormValue("start")) || grid.N > maxPoints {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprint(w, `{"status":"error","errorType":"bad_data","error":"off the grid or too long"}`)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Write(matrixJSON(s.members(r.FormValue("query"), grid), warnings))
}

// takeAsked gives the grids asked for since the last call.
func (s *scripted) takeAsked() []series.Grid {
	s.mu.Lock()
	defer s.mu.Unlock()
	asked := s.asked
	s.asked = nil
	return asked
}

// matrixJSON writes an answer as Prometheus does: NaN of a member is no sample, members without samples are left out.
func matrixJSON(members []series.Series, warnings []string) []byte {
	b := []byte(`{"status":"success","data":{"resultType":"matrix","result":[`)
	first := true
	for _, m := range members {
		if m.Present() == 0 {
			continue
		}
		if !first {
			b = append(b, ',')
		}
		first = false
		b = append(b, `{"metric":{`...)
		for i, l := range m.Labels {
			if i > 0 {
				b = append(b, ',')
			}
			b = fmt.Appendf(b, `"%s":"%s"`, l.Name, l.Value)
		}
		b = append(b, `},"values":[`...)
		n := 0
		for i, v := range m.Values {
			if v != v {
				continue
			}
			if n++; n > 1 {
				b = append(b, ',')
			}
			b = append(append(append(b, '['), formatTime(m.Grid.At(i))...), `,"`...)
			b = append(strconv.AppendFloat(b, v, 'f', -1, 64), `"]`...)
		}
		b = append(b, `]}`...)
	}
	b = append(b, `]}`...)
	for i, w := range warnings {
		b = fmt.Appendf(b, `%s%q`, map[bool]string{true: `,"warnings":[`, false: ","}[i == 0], w)
	}
	if len(warnings) > 0 {
		b = append(b, ']')
	}
	return append(b, "}\n"...)
}

// named is a label set of one label.
func named(k int) series.Labels { return series.Labels{{Name: "s", Value: fmt.Sprintf("%03d", k)}} }

var background = context.Background()

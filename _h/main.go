package main

import (
	"context"
	"fmt"
	"math"
	"os"
	"strings"
	"time"

	"github.com/foreshock/foreshock/pkg/detect"
	"github.com/foreshock/foreshock/pkg/evaluate"
	"github.com/foreshock/foreshock/pkg/registry"
	"github.com/foreshock/foreshock/pkg/series"
)

func main() {
	name := os.Args[1]
	params := map[string]string{}
	verbose := false
	for _, a := range os.Args[2:] {
		if a == "-v" {
			verbose = true
			continue
		}
		k, v, _ := strings.Cut(a, "=")
		params[k] = v
	}
	for _, setName := range []string{"aiops_kpi", "wsd", "nab"} {
		if s := os.Getenv("SETS"); s != "" && !strings.Contains(s, setName) {
			continue
		}
		set, err := evaluate.Load("../shared/data", setName, 0)
		if err != nil {
			panic(err)
		}
		d, err := detect.Detectors.New(name, registry.FromStrings(params))
		if err != nil {
			panic(err)
		}
		var fp, hit, ranges, weeks, vus, n, mase float64
		t0 := time.Now()
		for _, l := range set.Series {
			step := l.Step
			times := append(append([]int64{}, l.PastTimes...), l.Times...)
			vals := append(append([]float64{}, l.Past...), l.Values...)
			unit := int64(1)
			if times[0] < 1e11 {
				unit = 1000
			}
			if step < 1000 {
				step *= 1000
			}
			start := series.Floor(times[0]*unit, step)
			end := series.Floor(times[len(times)-1]*unit, step)
			g := series.Grid{Start: start, Step: step, N: int((end-start)/step) + 1}
			s := series.New(series.FromMap(map[string]string{"n": l.Name}), g)
			for i, t := range times {
				if k := (t*unit - start) / step; k >= 0 && k < int64(g.N) {
					s.Values[k] = vals[i]
				}
			}
			w := detect.DefaultWalk()
			w.Step = registry.Duration(time.Duration(step) * time.Millisecond)
			if os.Getenv("TRAIN") == "14" {
				w.Train = 14 * registry.Day
			}
			j := detect.Judge{Name: name, Detector: d, Walk: w, Policy: detect.DefaultPolicy()}
			if j.Policy.Horizon < registry.Duration(j.Policy.M+j.Policy.Recover)*w.Step {
				continue
			}
			from := series.Floor(l.Times[0]*unit, step)
			v, err := j.Series(context.Background(), s, from, end)
			if err != nil {
				panic(err)
			}
			score := make([]float64, len(l.Values))
			lab := make(map[int64]bool)
			for i, t := range l.Times {
				k := (series.Floor(t*unit, step) - v.Series.Grid.Start) / step
				if k >= 0 && int(k) < len(v.Score) {
					if x := v.Score[k]; x == x {
						score[i] = x
					}
				}
				if l.Label[i] {
					lab[series.Floor(t*unit, step)] = true
				}
			}
			const margin = 10
			f, judged := 0.0, 0.0
			for _, x := range v.Score {
				if x == x {
					judged++
				}
			}
			for _, e := range v.Episodes {
				ok := false
				to := e.Ended
				if to == 0 {
					to = end
				}
				for t := e.Began - margin*step; t <= to+margin*step; t += step {
					if lab[t] {
						ok = true
						break
					}
				}
				if !ok {
					f++
				}
			}
			h, r := 0.0, 0.0
			for _, rg := range evaluate.Ranges(l.Label) {
				r++
				a, b := series.Floor(l.Times[rg.First]*unit, step)-margin*step, series.Floor(l.Times[rg.Last]*unit, step)+margin*step
				for _, e := range v.Episodes {
					to := e.Ended
					if to == 0 {
						to = end
					}
					if e.Began <= b && to >= a {
						h++
						break
					}
				}
			}
			m := evaluate.Measure(l.Label, score, l.Buffer)
			if m.VUSPR == m.VUSPR {
				vus += m.VUSPR
				n++
			}
			wk := judged * float64(step) / (7 * 864e5)
			fp, hit, ranges, weeks = fp+f, hit+h, ranges+r, weeks+wk
			if verbose {
				fmt.Printf("  %-40s vus %.3f fp/wk %.2f hit %v/%v\n", l.Name, m.VUSPR, f/math.Max(wk, 1e-9), h, r)
			}
			_ = mase
		}
		fmt.Printf("%-10s vus %.4f  false/week %.3f  hit %v of %v  (%.1fs)\n", setName, vus/n, fp/weeks, hit, ranges, time.Since(t0).Seconds())
	}
}

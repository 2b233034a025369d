package main

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/foreshock/foreshock/pkg/detect"
	"github.com/foreshock/foreshock/pkg/evaluate"
	"github.com/foreshock/foreshock/pkg/registry"
)

func newFits() *detect.Fits { return detect.NewFits(fitBytes) }

// total adds up what was found in several series.
type total struct {
	exposure        float64 // weeks
	episodes, wrong int
	hits, incidents int
	delays          []int64
}

func totalOf(f evaluate.Replayed) total {
	t := total{exposure: f.Exposure, episodes: len(f.Episodes), wrong: f.False(), incidents: len(f.Incidents)}
	for _, x := range f.Incidents {
		if x.Hit {
			t.hits++
			t.delays = append(t.delays, x.Delay)
		}
	}
	return t
}

func (t *total) add(o total) {
	t.exposure += o.exposure
	t.episodes += o.episodes
	t.wrong += o.wrong
	t.hits += o.hits
	t.incidents += o.incidents
	t.delays = append(t.delays, o.delays...)
}

// delay is the median delay of the hits.
func (t total) delay() string {
	if len(t.delays) == 0 {
		return "–"
	}
	sorted := slices.Clone(t.delays)
	slices.Sort(sorted)
	d := sorted[(len(sorted)-1)/2]
	if d < 0 {
		return "-" + registry.Duration(time.Duration(-d)*time.Millisecond).String()
	}
	return registry.Duration(time.Duration(d) * time.Millisecond).String()
}

// weekRow is one week over all series.
type weekRow struct {
	name     string
	exposure float64 // weeks of series
	episodes int
}

// weeksOf adds up the weeks of all series, counted back from the end of each.
func weeksOf(report replayReport) []weekRow {
	longest := 0
	same := true
	for i, f := range report.found {
		longest = max(longest, len(f.Weeks))
		same = same && report.all[i].To == report.all[0].To
	}
	rows := make([]weekRow, longest)
	for i, f := range report.found {
		for k, w := range f.Weeks {
			at := longest - len(f.Weeks) + k
			row := &rows[at]
			if row.name == "" {
				row.name = fmt.Sprintf("-%d", longest-at)
				if same {
					row.name = report.all[i].at(w.From) + " – " + report.all[i].at(w.To)
				}
			}
			row.exposure += w.Exposure
			row.episodes += w.Episodes
		}
	}
	return rows
}

// drawing keeps the first error of charts that are drawn at once.
type drawing struct {
	mu  sync.Mutex
	err error
}

func (d *drawing) keep(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.err == nil {
		d.err = err
	}
}

package main

import (
	"math"
	"slices"
	"time"

	"github.com/foreshock/foreshock/pkg/registry"
	"github.com/foreshock/foreshock/pkg/series"
)

// laid is a table on the absolute grid.
type laid struct {
	set    series.Set // one member per value column, labelled column="name" when there are several
	phase  int64      // what was taken off every timestamp before it was rounded
	sorted bool
	// filler is the row whose sample is in each place, -1 where none is; nil when no place is shared. Only that row has the verdict: the
	// others came before it, and the verdict would be one that used later rows.
	filler []int32
	// counts of rows that were not in order, that shared a place with another, that lay off the regular grid, and of grid places without a row
	unordered, shared, irregular, empty int
}

// place returns the index on the grid of a row stamped t.
func (l *laid) place(t int64) int {
	g := l.set.Grid
	return int((series.Floor(t-l.phase+g.Step/2, g.Step) - g.Start) / g.Step)
}

// medianSpacing returns the median distance of consecutive distinct timestamps, 0 when there are fewer than two.
func medianSpacing(t *table) int64 {
	at := t.time
	for i := 1; i < t.n; i++ {
		if t.time(i) < t.time(i-1) {
			sorted := make([]int64, t.n)
			for i := range sorted {
				sorted[i] = t.time(i)
			}
			slices.Sort(sorted)
			at = func(i int) int64 { return sorted[i] }
			break
		}
	}
	counts := map[int64]int{} // regular data have few distances
	total := 0
	for i := 1; i < t.n; i++ {
		if d := at(i) - at(i-1); d > 0 {
			counts[d]++
			total++
		}
	}
	distances := make([]int64, 0, len(counts))
	for d := range counts {
		distances = append(distances, d)
	}
	slices.Sort(distances)
	seen := 0
	for _, d := range distances {
		if seen += counts[d]; 2*seen >= total {
			return d
		}
	}
	return 0
}

// commonPhase returns the most frequent remainder of the timestamps by the step: data sampled at half past every minute stay regular. The
// smallest wins among equals.
func commonPhase(t *table, step int64) int64 {
	counts := map[int64]int{}
	var phase int64
	for i := range t.n {
		at := t.time(i)
		r := at - series.Floor(at, step)
		counts[r]++
		if len(counts) > chunkRows { // scattered: no remainder is common
			return 0
		}
	}
	best := 0
	for r, n := range counts {
		if n > best || (n == best && r < phase) {
			phase, best = r, n
		}
	}
	return phase
}

// maxEmpty is how many grid places a row may cost: rows years apart at a step of seconds are a mistake.
const maxEmpty = 64

// lay puts the rows on the grid of that step (milliseconds). Of several rows in one place the latest with a value counts; in one time, the last in the file.
func lay(t *table, step int64) (*laid, error) {
	l := &laid{phase: commonPhase(t, step), sorted: true}
	first, last := t.time(0), t.time(0)
	for i := range t.n {
		at := t.time(i)
		if at < last {
			l.sorted = false
			l.unordered++
		}
		first, last = min(first, at), max(last, at)
	}
	l.set.Grid = series.Grid{Start: series.Floor(first-l.phase+step/2, step), Step: step}
	n := (series.Floor(last-l.phase+step/2, step)-l.set.Grid.Start)/step + 1
	if n > maxEmpty*int64(t.n)+chunkRows*16 {
		return nil, badInputf("%s: %d rows from %s to %s make %d places at a step of %s, want a larger --step or timestamps that lie closer",
			t.name, t.n, clock(first), clock(last), n, spell(step))
	}
	l.set.Grid.N = int(n)
	for c := range t.columns {
		var labels series.Labels
		if len(t.columns) > 1 {
			labels = series.Labels{{Name: "column", Value: t.columns[c]}}
		}
		l.set.Members = append(l.set.Members, series.New(labels, l.set.Grid))
	}
	l.fill(t)
	return l, nil
}

// fill writes the samples to their places.
func (l *laid) fill(t *table) {
	taken := make([]bool, l.set.Grid.N)
	var stamps []int64 // of the sample in a place; only needed where rows may come late
	if !l.sorted {
		stamps = slices.Repeat([]int64{math.MinInt64}, l.set.Grid.N)
	}
	step := l.set.Grid.Step
	for i := range t.n {
		at := t.time(i)
		k := l.place(at)
		if (at-l.phase)%step != 0 {
			l.irregular++
		}
		if taken[k] {
			l.shared++
		}
		taken[k] = true
		if t.gap(i) || stamps != nil && at < stamps[k] {
			continue
		}
		if stamps != nil {
			stamps[k] = at
		}
		for c := range l.set.Members {
			if x := t.value(i, c); !math.IsNaN(x) {
				l.set.Members[c].Values[k] = x
			}
		}
	}
	for _, b := range taken {
		if !b {
			l.empty++
		}
	}
	if l.shared > 0 {
		l.fillers(t)
	}
}

// fillers finds the row that filled each place, by the rule of lay.
func (l *laid) fillers(t *table) {
	l.filler = slices.Repeat([]int32{-1}, l.set.Grid.N)
	for i := range t.n {
		k := l.place(t.time(i))
		if f := l.filler[k]; !t.gap(i) && (f < 0 || t.time(i) >= t.time(int(f))) {
			l.filler[k] = int32(i)
		}
	}
}

// merged reports whether row i has a sample, but that of another row stands in its place.
func (l *laid) merged(t *table, i, k int) bool {
	return l.filler != nil && l.filler[k] != int32(i) && !t.gap(i)
}

func clock(ms int64) string { return time.UnixMilli(ms).UTC().Format(time.RFC3339) }

func spell(ms int64) string { return registry.Duration(time.Duration(ms) * time.Millisecond).String() }

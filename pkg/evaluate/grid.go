package evaluate

import "github.com/foreshock/foreshock/pkg/series"

// Laid is a labelled series on the grid that detectors work on.
type Laid struct {
	// Series covers the past and the judged rows; places without a row are gaps. Of several rows in one place the latest counts.
	Series series.Series
	// First is the index of the first judged sample: what is before is history.
	First int
	// Place is where each judged row lies in Series, and Merged marks rows whose place a later row took.
	Place  []int
	Merged []bool
}

// Lay puts the rows on the nearest place of a grid of the usual distance. With past the published rows before the judged ones come first.
func (l Labelled) Lay(past bool) Laid {
	nearest := func(t int64) int64 { return series.Floor(t+l.Step/2, l.Step) }
	begin, end := nearest(l.Times[0]), nearest(l.Times[0])
	for _, t := range l.Times {
		begin, end = min(begin, nearest(t)), max(end, nearest(t))
	}
	judged := begin
	if past {
		for _, t := range l.PastTimes {
			begin = min(begin, nearest(t))
		}
	}
	labels := series.FromMap(map[string]string{"set": l.Set, "file": l.Name})
	out := Laid{
		Series: series.New(labels, series.GridOver(begin, end, l.Step)),
		First:  int((judged - begin) / l.Step),
		Place:  make([]int, len(l.Values)),
		Merged: make([]bool, len(l.Values)),
	}
	if past {
		for i, t := range l.PastTimes {
			out.Series.Values[(nearest(t)-begin)/l.Step] = l.Past[i]
		}
	}
	taken := map[int]int{}
	for i, t := range l.Times {
		k := int((nearest(t) - begin) / l.Step)
		if before, twice := taken[k]; twice {
			out.Merged[before] = true
		}
		taken[k] = i
		out.Place[i] = k
		out.Series.Values[k] = l.Values[i]
	}
	return out
}

// Rows returns the entries of one score per sample of Series that belong to the judged rows; 0 where there is none, and for merged rows.
func (l Laid) Rows(score []float64) []float64 {
	out := make([]float64, len(l.Place))
	for i, k := range l.Place {
		if s := score[k]; s == s && !l.Merged[i] {
			out[i] = s
		}
	}
	return out
}

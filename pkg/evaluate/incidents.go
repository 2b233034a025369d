package evaluate

import (
	"cmp"
	"slices"

	"github.com/foreshock/foreshock/pkg/series"
)

// Incident is a stretch of time that is known to have been abnormal: both ends included, Unix milliseconds.
type Incident struct{ From, To int64 }

// Incidents returns the stretches in which the samples are there and not zero, in order: a label column, or the answer to a PromQL expression that is true while
// something was wrong. Samples next to each other belong together.
func Incidents(s series.Series) []Incident {
	var out []Incident
	open := false
	for i, x := range s.Values {
		t := s.Grid.At(i)
		switch {
		case x != x || x == 0:
			open = false
		case open:
			out[len(out)-1].To = t
		default:
			out = append(out, Incident{t, t})
			open = true
		}
	}
	return out
}

// IncidentsOf returns the incidents of one series, given those of several labelled ones: an incident with labels belongs to the series that have all of them, one
// without to every series. The name of the metric does not matter.
func IncidentsOf(labels series.Labels, told []series.Series) []Incident {
	var all []Incident
	for _, s := range told {
		fits := true
		for _, l := range s.Labels {
			fits = fits && (l.Name == "__name__" || labels.Get(l.Name) == l.Value)
		}
		if fits {
			all = append(all, Incidents(s)...)
		}
	}
	return joinedIncidents(all)
}

// PastCase is an incident with labels.
type PastCase struct {
	Incident
	Labels series.Labels
}

// IncidentsAbout returns the incidents that may concern a series: all labels that both have are the same, and there is one, unless the series has none itself, like a sum over
// everything. The name of the metric does not matter.
func IncidentsAbout(labels series.Labels, told []PastCase) []Incident {
	own := labels.Without("__name__")
	all := []Incident{}
	for _, t := range told {
		common, same := 0, true
		for _, l := range own {
			if x := t.Labels.Get(l.Name); x != "" {
				common++
				same = same && x == l.Value
			}
		}
		if same && (common > 0 || len(own) == 0) {
			all = append(all, t.Incident)
		}
	}
	return joinedIncidents(all)
}

// Joined returns several lists as one, in order, overlapping incidents as one. It is never nil: that something is known, if only that nothing was wrong, counts.
func Joined(lists ...[]Incident) []Incident {
	return append([]Incident{}, joinedIncidents(slices.Concat(lists...))...)
}

// joinedIncidents returns incidents in order, overlapping ones as one.
func joinedIncidents(all []Incident) []Incident {
	slices.SortFunc(all, func(a, b Incident) int { return cmp.Or(cmp.Compare(a.From, b.From), cmp.Compare(a.To, b.To)) })
	var out []Incident
	for _, x := range all {
		if n := len(out); n > 0 && x.From <= out[n-1].To {
			out[n-1].To = max(out[n-1].To, x.To)
			continue
		}
		out = append(out, x)
	}
	return out
}

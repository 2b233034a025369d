package evaluate

import (
	"slices"

	"github.com/foreshock/foreshock/pkg/detect"
	"github.com/foreshock/foreshock/pkg/series"
)

// Case is one thing to replay: a series, a vector, or a member of a fleet. To a self-test it is what anomalies are put into: a series, a dimension of a vector, or a member.
type Case struct {
	// Series must cover Walk.Fetch of the judge; what it lacks counts as gaps. Of a vector that is replayed only its labels count.
	Series series.Series
	// Vector is the whole vector and Fleet the whole fleet, nil for detectors of other shapes; they must cover Walk.Fetch, too. Row is the dimension, or the member.
	Vector *series.Vector
	Fleet  *detect.Fleet
	Row    int
	// Clean marks the samples that fits learn from, as Judge.Filtered takes it; the zero series: all. A fleet has its own.
	Clean series.Series
	// From and To bound the replayed time, both ends included, Unix milliseconds. The members of a fleet have the same.
	From, To int64
	// Incidents are what is known to have been abnormal; nil: nothing is known, which is not the same as none.
	Incidents []Incident
}

// VectorCase is a vector to replay.
func VectorCase(v series.Vector) Case {
	return Case{Series: series.Series{Labels: v.Labels}, Vector: &v}
}

// Dimensions are the dimensions of a vector, each to be tested: their labels are those of the vector with the label dimension.
func Dimensions(v series.Vector) []Case {
	out := make([]Case, len(v.Names))
	for d, name := range v.Names {
		labels := v.Labels.Map()
		labels["dimension"] = name
		s := v.Dimension(d)
		s.Labels = series.FromMap(labels)
		out[d] = Case{Series: s, Vector: &v, Row: d}
	}
	return out
}

// Members are the members of a fleet, each to be replayed or tested.
func Members(f detect.Fleet) []Case {
	out := make([]Case, len(f.Members))
	for m, s := range f.Members {
		out[m] = Case{Series: s, Fleet: &f, Row: m}
	}
	return out
}

// Live reports whether there is a sample in [From, To].
func (c Case) Live() bool {
	if c.Vector != nil && c.Series.Values == nil {
		return c.Vector.Between(c.From, c.To+1).Presence().Present() > 0
	}
	return c.Series.Between(c.From, c.To+1).Present() > 0
}

// units divides cases into those that are judged at once, by their indices: the members of a fleet belong together.
func units(all []Case) [][]int {
	var out [][]int
	at := map[*detect.Fleet]int{}
	for i, c := range all {
		if c.Fleet == nil {
			out = append(out, []int{i})
			continue
		}
		k, ok := at[c.Fleet]
		if !ok {
			k = len(out)
			at[c.Fleet] = k
			out = append(out, nil)
		}
		out[k] = append(out[k], i)
	}
	return out
}

// pick returns the cases with those indices.
func pick(all []Case, index []int) []Case {
	out := make([]Case, len(index))
	for k, i := range index {
		out[k] = all[i]
	}
	return out
}

// withDimension returns the vector with other values of the dimension.
func (c Case) withDimension(values []float64) series.Vector {
	v := *c.Vector
	v.Values = slices.Clone(v.Values)
	v.Values[c.Row] = values
	return v
}

// withMember returns the fleet with another series in place of the member.
func (c Case) withMember(s series.Series) detect.Fleet {
	f := *c.Fleet
	f.Members = slices.Clone(f.Members)
	f.Members[c.Row] = s
	return f
}

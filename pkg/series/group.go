package series

import (
	"fmt"
	"slices"
)

// Only returns a copy that has the given names only.
func (ls Labels) Only(names ...string) Labels {
	out := make(Labels, 0, len(names))
	for _, l := range ls {
		if slices.Contains(names, l.Name) {
			out = append(out, l)
		}
	}
	return out
}

// Group is part of a set: the members that have some labels in common.
type Group struct {
	// Labels are the ones in common.
	Labels Labels
	Set
}

// GroupBy divides the members by their values of those labels; none makes one group of all. Groups are sorted by labels.
func (s Set) GroupBy(names ...string) []Group {
	var out []Group
	at := map[string]int{}
	for _, m := range s.Members {
		labels := m.Labels.Only(names...)
		key := labels.String()
		i, ok := at[key]
		if !ok {
			i = len(out)
			at[key] = i
			out = append(out, Group{Labels: labels, Set: Set{Grid: s.Grid}})
		}
		out[i].Members = append(out[i].Members, m)
	}
	slices.SortFunc(out, func(a, b Group) int { return a.Labels.Compare(b.Labels) })
	return out
}

// Vector reads the group as one vector. A dimension is named as Prometheus prints its labels without those that the group has in common, like cpu{instance="a"}: its name depends
// on nothing but the series, so it is the same whoever else is there.
func (g Group) Vector() Vector {
	v := Vector{Labels: g.Labels, Grid: g.Grid}
	common := make([]string, len(g.Labels))
	for i, l := range g.Labels {
		common[i] = l.Name
	}
	for _, m := range g.Members {
		v.Names = append(v.Names, m.Labels.Without(common...).String())
		v.Values = append(v.Values, m.Values)
	}
	return v
}

// Join reads several sets as vectors: set k holds dimension names[k] of each. Series belong together when they have the same values of the labels by; without any, the same
// labels but for the metric name. What a vector lacks in a set is missing all the time. All sets lie on one grid. Vectors are sorted by their labels; two series of one set
// that belong to the same vector are an error.
func Join(names []string, sets []Set, by ...string) ([]Vector, error) {
	var out []Vector
	at := map[string]int{}
	for d, set := range sets {
		seen := map[string]bool{}
		for _, m := range set.Members {
			labels := m.Labels.Without("__name__")
			if len(by) > 0 {
				labels = m.Labels.Only(by...)
			}
			key := labels.String()
			if seen[key] {
				return nil, fmt.Errorf("dimension %q has several series with %s: aggregate them, or name more labels to group by", names[d], labels)
			}
			seen[key] = true
			i, ok := at[key]
			if !ok {
				i = len(out)
				at[key] = i
				out = append(out, NewVector(labels, set.Grid, names...))
			}
			out[i].Values[d] = m.Values
		}
	}
	slices.SortFunc(out, func(a, b Vector) int { return a.Labels.Compare(b.Labels) })
	return out, nil
}

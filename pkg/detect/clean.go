package detect

import (
	"math"
	"regexp"

	"github.com/foreshock/foreshock/pkg/series"
)

// Clean is a clean-baseline filter: the answer to an expression whose truth marks the samples that are fit for training. As in an alert rule, the expression is true where it
// has a value; where it compares with bool, where that value is not 0. It never touches what is judged.
type Clean struct {
	set  series.Set
	bool bool
}

// withBool finds a comparison that answers 0 instead of nothing.
var withBool = regexp.MustCompile(`[=<>!]=?\s*bool\b`)

// NewClean returns the filter of an expression and the answer to it.
func NewClean(expr string, set series.Set) Clean {
	return Clean{set: set, bool: withBool.MatchString(expr)}
}

// Mask returns where a series with those labels is fit for training: a series on the filter's grid with gaps elsewhere, to be given to Judge.Filtered and its like; and
// whether any series of the filter belongs to it. One belongs when all of its labels, but for its name, are among the labels: as with PromQL's "and on" these labels, any
// of several is enough. The zero Clean has no mask: everything is fit.
func (c Clean) Mask(labels series.Labels) (series.Series, bool) {
	if c.set.Grid.Step == 0 {
		return series.Series{}, true
	}
	mask, found := series.New(labels, c.set.Grid), false
	for _, m := range c.set.Members {
		if !within(m.Labels, labels) {
			continue
		}
		found = true
		for i, x := range m.Values {
			if x == x && !(c.bool && x == 0) && !math.IsInf(x, 0) {
				mask.Values[i] = 1
			}
		}
	}
	return mask, found
}

// within reports whether all labels of the first but its name are labels of the second.
func within(a, b series.Labels) bool {
	for _, l := range a {
		if l.Name != "__name__" && b.Get(l.Name) != l.Value {
			return false
		}
	}
	return true
}

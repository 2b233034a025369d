package digest

import (
	"fmt"
	"math"
	"slices"
	"strconv"

	"github.com/foreshock/foreshock/pkg/logs"
)

// Number publishes a number in messages as a histogram: a variable part of one template, or a field.
type Number struct {
	Name     string    `json:"name" help:"Name of the number: the label number."`
	Template string    `json:"template" help:"Id of the template in which it stands."`
	Place    int       `json:"place" min:"1" max:"1000" help:"Which <*> of the template it is, counted from 1; durations are in seconds."`
	Field    string    `json:"field" help:"In place of template: the field that is the number."`
	Scale    float64   `json:"scale" min:"1e-12" max:"1e+12" help:"What the number is multiplied by, as 0.001 for milliseconds."`
	Buckets  []float64 `json:"buckets" help:"Upper bounds, ascending."`

	id logs.ID
}

func defaultNumber() *Number {
	return &Number{Place: 1, Scale: 1, Buckets: []float64{0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10}}
}

// maxBuckets bounds the series of a number.
const maxBuckets = 100

// Validate reads the id and the bounds.
func (n *Number) Validate() (err error) {
	switch {
	case !sourceName.MatchString(n.Name):
		return fmt.Errorf("parameter \"name\": got %q, want a name of letters, digits, \".\", \"_\" and \"-\"", n.Name)
	case (n.Template == "") == (n.Field == ""):
		return fmt.Errorf("parameters \"template\" and \"field\": want one of the two")
	case len(n.Buckets) == 0 || len(n.Buckets) > maxBuckets:
		return fmt.Errorf("parameter \"buckets\": got %d, want 1 to %d upper bounds", len(n.Buckets), maxBuckets)
	}
	if n.Template != "" {
		if n.id, err = logs.ParseID(n.Template); err != nil {
			return fmt.Errorf("parameter \"template\": %w", err)
		}
	}
	for i, x := range n.Buckets {
		if math.IsNaN(x) || math.IsInf(x, 0) || i > 0 && x <= n.Buckets[i-1] {
			return fmt.Errorf("parameter \"buckets\": got %g, want numbers, ascending", x)
		}
	}
	return nil
}

// NumberFigure is a histogram: Counts are those of each bound alone, the last one that of all above.
type NumberFigure struct {
	Name   string
	Bounds []float64
	Counts []uint64
	Sum    float64
}

func (n *Number) figure() NumberFigure {
	return NumberFigure{Name: n.Name, Bounds: n.Buckets, Counts: make([]uint64, len(n.Buckets)+1)}
}

// add counts a value; what is no finite number is left out.
func (f *NumberFigure) add(x float64) {
	if math.IsNaN(x) || math.IsInf(x, 0) || math.IsInf(f.Sum+x, 0) {
		return
	}
	at, _ := slices.BinarySearch(f.Bounds, x) // the first bound that is not below
	f.Counts[at]++
	f.Sum += x
}

// numbers counts the numbers of one message. id is that of its template, 0 when there is none.
func (p *Pipeline) numbers(id logs.ID) {
	read := false
	for i, n := range p.s.Numbers {
		switch {
		case n.Field != "":
			v, ok := p.parsed.get(n.Field)
			if x, err := strconv.ParseFloat(string(v), 64); ok && err == nil {
				p.figures.Numbers[i].add(x * n.Scale)
			}
		case p.mine != nil && id != 0 && p.mine.miner.Resolve(n.id) == id:
			if !read {
				p.variables, read = p.mine.miner.Variables(p.variables[:0]), true
			}
			for _, v := range p.variables {
				if x, ok := v.Number(); ok && v.Slot == n.Place-1 {
					p.figures.Numbers[i].add(x * n.Scale)
					break
				}
			}
		}
	}
}

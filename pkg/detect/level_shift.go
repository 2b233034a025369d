package detect

import (
	"math"
	"time"

	"github.com/foreshock/foreshock/pkg/registry"
	"github.com/foreshock/foreshock/pkg/series"
	"github.com/foreshock/foreshock/pkg/wire"
)

func init() {
	Detectors.Add(registry.Entry[Detector]{
		Name:    "level_shift",
		Summary: "Finds the time at which the level changed for good: the last minutes against those before them, beside the usual day.",
		Source:  "Generalised likelihood ratio of a change in mean between two windows: Basseville and Nikiforov, Detection of Abrupt Changes, Prentice Hall, 1993, section 2.4; Page, Continuous Inspection Schemes, Biometrika 41, 1954, doi:10.1093/biomet/41.1-2.100",
		New:     func() Detector { return &LevelShift{After: 20, Before: 120, budget: budget{Budget: 1}} },
	})
}

// LevelShift compares the mean of the last samples with that of those before them, in usual distances from the usual day, drawn in so that a spike is no shift.
type LevelShift struct {
	After  int `json:"after" yaml:"after" min:"3" max:"10000" unit:"samples" help:"How many of the last samples tell the new level. It is told after about half of them."`
	Before int `json:"before" yaml:"before" min:"3" max:"100000" unit:"samples" help:"How many samples before them tell the old level."`
	budget
}

// Validate accepts all that the tags do.
func (*LevelShift) Validate() error { return nil }

// Context returns both windows.
func (d *LevelShift) Context(int64) int { return d.After + d.Before }

// Fit learns the usual day and calibrates the threshold on parts of the window that were held out.
func (d *LevelShift) Fit(train Train) (Model, error) {
	return fitMeasured(d, d.Context(0), train, d.Budget)
}

// Catches the beginning of a lasting change.
func (*LevelShift) Catches() Kinds { return Shift }

func (d *LevelShift) learn(train series.Series, zone *time.Location) (measure, error) {
	usual, err := usualOf(train, zone)
	if err != nil {
		return nil, err
	}
	return &levelShift{usual: usual, after: d.After, before: d.Before}, nil
}

// levelShift is a fitted LevelShift.
type levelShift struct {
	usual
	after, before int
}

func (m *levelShift) measure(window series.Series, dst []float64) {
	z := m.distances(window, drawnIn)
	twoWindows(z, m.after, m.before, dst, func(after, before tally) float64 {
		return math.Abs(after.mean()-before.mean()) / math.Sqrt(max(1, after.variance())/after.n+max(1, before.variance())/before.n)
	})
}

func (m *levelShift) write(w wire.Writer) wire.Writer {
	return m.usual.write(w.Ints(int64(m.after), int64(m.before)))
}

func (*LevelShift) unmarshal(data []byte) (Model, error) {
	return readModel(data, func(r *wire.Reader) measure {
		m := &levelShift{after: int(r.Int()), before: int(r.Int())}
		if m.after < 1 || m.before < 1 || m.after > 1<<30 || m.before > 1<<30 {
			r.Fail()
			m.after, m.before = 1, 1
		}
		m.usual = readUsual(r)
		return m
	})
}

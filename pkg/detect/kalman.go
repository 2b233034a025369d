package detect

import (
	"github.com/foreshock/foreshock/pkg/baseline"
	"github.com/foreshock/foreshock/pkg/registry"
)

func init() {
	Detectors.Add(registry.Entry[Detector]{
		Name:    "kalman",
		Summary: "Expects each next sample from the ones right before it: a level that wanders, a trend that fades, and the usual day.",
		Source:  "Harvey, Forecasting, Structural Time Series Models and the Kalman Filter, Cambridge University Press, 1989; threshold by peaks over threshold, Siffer et al., KDD 2017, doi:10.1145/3097983.3098144",
		New:     func() Detector { return &Kalman{Kalman: *baseline.NewKalman(), budget: budget{Budget: 1}} },
	})
}

// Kalman judges samples by the innovations of a structural model, in units of their usual distance.
type Kalman struct {
	baseline.Kalman
	budget
}

// Fit learns the variances and calibrates the threshold on errors of one sample ahead.
func (d *Kalman) Fit(train Train) (Model, error) { return fitResidual(&d.Kalman, train, d.Budget) }

// Catches what happens from one sample to the next; a day that runs late is caught where it jumps.
func (*Kalman) Catches() Kinds { return Spike | Drop | Shift | Season }

func (*Kalman) unmarshal(data []byte) (Model, error) { return readModel(data, nil) }

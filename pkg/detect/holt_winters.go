package detect

import (
	"github.com/foreshock/foreshock/pkg/baseline"
	"github.com/foreshock/foreshock/pkg/registry"
)

func init() {
	Detectors.Add(registry.Entry[Detector]{
		Name:    "holt_winters",
		Summary: "Expects each next sample by exponential smoothing of level, damped trend and season, which is added or multiplies.",
		Source:  "Winters, Management Science 6(3), 1960, doi:10.1287/mnsc.6.3.324; Gardner and McKenzie, Management Science 31(10), 1985, doi:10.1287/mnsc.31.10.1237; threshold by peaks over threshold, Siffer et al., KDD 2017, doi:10.1145/3097983.3098144",
		New: func() Detector {
			return &HoltWinters{HoltWinters: *baseline.NewHoltWinters(), budget: budget{Budget: 1}}
		},
	})
}

// HoltWinters judges samples by the errors of exponential smoothing, in units of their usual distance.
type HoltWinters struct {
	baseline.HoltWinters
	budget
}

// Fit learns the parameters and calibrates the threshold on errors of one sample ahead.
func (d *HoltWinters) Fit(train Train) (Model, error) {
	return fitResidual(&d.HoltWinters, train, d.Budget)
}

// Catches what happens from one sample to the next; a day that runs late is caught where it jumps.
func (*HoltWinters) Catches() Kinds { return Spike | Drop | Shift | Season }

func (*HoltWinters) unmarshal(data []byte) (Model, error) { return readModel(data, nil) }

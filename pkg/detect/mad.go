package detect

import (
	"github.com/foreshock/foreshock/pkg/baseline"
	"github.com/foreshock/foreshock/pkg/registry"
)

func init() {
	Detectors.Add(registry.Entry[Detector]{
		Name:    "mad",
		Summary: "Compares each sample with the median of the training window, in median absolute deviations.",
		Source:  "Leys et al., Detecting outliers, J. Exp. Soc. Psychol. 49(4), 2013, doi:10.1016/j.jesp.2013.03.013; threshold by peaks over threshold, Siffer et al., KDD 2017, doi:10.1145/3097983.3098144",
		New:     func() Detector { return &MAD{budget: budget{Budget: 1}} },
	})
}

// MAD judges samples by their distance from one level for all times. It knows no season: what is usual at night is usual at noon.
type MAD struct {
	budget
	level baseline.Level
}

// Validate accepts all that the tags do.
func (*MAD) Validate() error { return nil }

// Fit takes the median and its deviation, and calibrates the threshold on held-out days.
func (d *MAD) Fit(train Train) (Model, error) { return fitResidual(&d.level, train, d.Budget) }

// Catches what leaves the usual range.
func (*MAD) Catches() Kinds { return Spike | Drop | Shift }

func (*MAD) unmarshal(data []byte) (Model, error) { return readModel(data, nil) }

package detect

import (
	"github.com/foreshock/foreshock/pkg/baseline"
	"github.com/foreshock/foreshock/pkg/registry"
)

func init() {
	Detectors.Add(registry.Entry[Detector]{
		Name:    "seasonal",
		Summary: "Compares each sample with what is usual at that time of the day and week.",
		Source:  "Periodic medians as in Hochenbaum, Vallis and Kejariwal, arXiv:1704.07706, section 3; threshold by peaks over threshold, Siffer et al., KDD 2017, doi:10.1145/3097983.3098144",
		New:     func() Detector { return &Seasonal{Seasonal: *baseline.NewSeasonal(), budget: budget{Budget: 1}} },
	})
}

// Seasonal judges samples by their distance from the robust profile of the day and week.
type Seasonal struct {
	baseline.Seasonal
	budget
}

// Fit learns the profile and calibrates the threshold on held-out days.
func (d *Seasonal) Fit(train Train) (Model, error) { return fitResidual(&d.Seasonal, train, d.Budget) }

// Catches all kinds.
func (*Seasonal) Catches() Kinds { return Spike | Drop | Shift | Season }

func (*Seasonal) unmarshal(data []byte) (Model, error) { return readModel(data, nil) }

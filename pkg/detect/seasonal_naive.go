package detect

import (
	"github.com/foreshock/foreshock/pkg/baseline"
	"github.com/foreshock/foreshock/pkg/registry"
	"github.com/foreshock/foreshock/pkg/season"
)

func init() {
	Detectors.Add(registry.Entry[Detector]{
		Name:    "seasonal_naive",
		Summary: "Compares each sample with the one a period before: the floor that every other detector must beat.",
		Source:  "Hyndman and Athanasopoulos, Forecasting: Principles and Practice, 3rd edition, 2021, section 5.2; threshold by peaks over threshold, Siffer et al., KDD 2017, doi:10.1145/3097983.3098144",
		New:     func() Detector { return &SeasonalNaive{budget: budget{Budget: 1}} },
	})
}

// SeasonalNaive judges samples by their distance from the value one period before.
type SeasonalNaive struct {
	baseline.SeasonalNaive
	budget
}

// Fit learns the usual difference and calibrates the threshold on all of them.
func (d *SeasonalNaive) Fit(train Train) (Model, error) {
	return fitResidual(&d.SeasonalNaive, train, d.Budget)
}

// Context returns a day, or the period.
func (d *SeasonalNaive) Context(step int64) int {
	return int(max(season.DayMillis, d.Period.Milliseconds()) / step)
}

// Catches what differs from the period before. The sample one period after an anomaly looks abnormal as well.
func (*SeasonalNaive) Catches() Kinds { return Spike | Drop | Shift | Season }

func (*SeasonalNaive) unmarshal(data []byte) (Model, error) { return readModel(data, nil) }

package detect

import (
	"github.com/foreshock/foreshock/pkg/baseline"
	"github.com/foreshock/foreshock/pkg/registry"
)

func init() {
	Detectors.Add(registry.Entry[Detector]{
		Name:    "arima",
		Summary: "Expects each next sample from the last few and their errors, beside the usual day.",
		Source:  "Box and Jenkins, Time Series Analysis: Forecasting and Control, Holden-Day, 1970; threshold by peaks over threshold, Siffer et al., KDD 2017, doi:10.1145/3097983.3098144",
		New:     func() Detector { return &ARIMA{ARIMA: *baseline.NewARIMA(), budget: budget{Budget: 1}} },
	})
}

// ARIMA judges samples by the errors of an autoregressive integrated moving average, in units of their usual distance.
type ARIMA struct {
	baseline.ARIMA
	budget
}

// Fit chooses the orders and calibrates the threshold on errors of one sample ahead.
func (d *ARIMA) Fit(train Train) (Model, error) { return fitResidual(&d.ARIMA, train, d.Budget) }

// Catches what happens from one sample to the next; a day that runs late is caught where it jumps.
func (*ARIMA) Catches() Kinds { return Spike | Drop | Shift | Season }

func (*ARIMA) unmarshal(data []byte) (Model, error) { return readModel(data, nil) }

package detect

import (
	"github.com/foreshock/foreshock/pkg/baseline"
	"github.com/foreshock/foreshock/pkg/registry"
)

func init() {
	Detectors.Add(registry.Entry[Detector]{
		Name:    "lstm",
		Summary: "Expects each next sample by a small recurrent network over the last samples, beside the usual day.",
		Source:  "Malhotra, Vig, Shroff and Agarwal, Long Short Term Memory Networks for Anomaly Detection in Time Series, ESANN 2015; threshold by peaks over threshold, Siffer et al., KDD 2017, doi:10.1145/3097983.3098144",
		New:     func() Detector { return &LSTM{LSTM: *baseline.NewLSTM(), budget: budget{Budget: 1}} },
	})
}

// LSTM judges samples by the errors of a recurrent network, in units of their usual distance.
type LSTM struct {
	baseline.LSTM
	budget
}

// Fit trains the network and calibrates the threshold on errors where it was not trained.
func (d *LSTM) Fit(train Train) (Model, error) { return fitResidual(&d.LSTM, train, d.Budget) }

// Catches what happens from one sample to the next. A day that runs late has jumps, but the network has often seen such ones.
func (*LSTM) Catches() Kinds { return Spike | Drop | Shift }

func (*LSTM) unmarshal(data []byte) (Model, error) { return readModel(data, nil) }

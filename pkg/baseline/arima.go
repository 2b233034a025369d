package baseline

import (
	"time"

	"github.com/foreshock/foreshock/pkg/registry"
	"github.com/foreshock/foreshock/pkg/series"
	"github.com/foreshock/foreshock/pkg/wire"
)

func init() {
	Baselines.Add(registry.Entry[Baseline]{
		Name:    "arima",
		Summary: "What the usual day leaves, as an autoregressive moving average of it or of its differences; the orders are chosen by Akaike's criterion.",
		Source:  "Box and Jenkins, Time Series Analysis: Forecasting and Control, Holden-Day, 1970; exact likelihood by Gardner, Harvey and Phillips, Algorithm AS 154, Applied Statistics 29(3), 1980, doi:10.2307/2346910",
		New:     func() Baseline { return NewARIMA() },
	})
}

// ARIMA expects of a sample what an autoregressive integrated moving average of the ones before it says, beside the usual day. Orders p ≤ 3, d ≤ 1, q ≤ 2 are chosen by the
// corrected Akaike criterion of the exact Gaussian likelihood, gaps included.
type ARIMA struct {
	Adopt registry.Duration `json:"adopt" yaml:"adopt" min:"600" max:"604800" help:"A new level that lasted so long is taken for ordinary and followed; until then the expected value stays where it was."`
}

// NewARIMA returns the defaults.
func NewARIMA() *ARIMA { return &ARIMA{Adopt: registry.Duration(3 * time.Hour)} }

// Validate accepts all that the tags do.
func (*ARIMA) Validate() error { return nil }

// Fit learns the profile, the orders and the coefficients. Orders and coefficients are learnt once, from the last learning samples of the window: six numbers at the most from
// thousands of samples. The held-out scores are errors of one sample ahead around the profile of earlier days.
func (a *ARIMA) Fit(train series.Series, zone *time.Location) (Fit, error) {
	return fitStepped("arima", train, zone, a.Adopt.Milliseconds(), boxJenkins{}, false)
}

// Context returns how many samples a model wants before the first one that counts.
func (a *ARIMA) Context(step int64) int {
	return warmupSamples(a.Adopt.Milliseconds(), step, forgotten)
}

func (*ARIMA) unmarshal(r *wire.Reader) Model { return readStepped("arima", r, readLinear) }

package detect

import (
	"fmt"
	"math"
	"time"

	"gonum.org/v1/gonum/dsp/fourier"

	"github.com/foreshock/foreshock/pkg/registry"
	"github.com/foreshock/foreshock/pkg/series"
	"github.com/foreshock/foreshock/pkg/wire"
)

func init() {
	Detectors.Add(registry.Entry[Detector]{
		Name:    "spectral_residual",
		Summary: "Finds what stands out of the spectrum of the latest samples, as eyes find what stands out of a picture.",
		Source:  "Ren et al., Time-Series Anomaly Detection Service at Microsoft, KDD 2019, doi:10.1145/3292500.3330680, section 3.2; after Hou and Zhang, CVPR 2007",
		New:     func() Detector { return &SpectralResidual{Window: 59, budget: budget{Budget: 1}} },
	})
}

// SpectralResidual judges a sample by how much it stands out of the window that ends with it, when all that a smooth spectrum explains is taken away.
type SpectralResidual struct {
	Window int `json:"window" yaml:"window" min:"16" max:"1440" unit:"samples" help:"How many samples one spectrum is taken of."`
	budget
}

const (
	// The paper's values, section 4.2: q = 3 neighbours smooth the spectrum (see mapOf), z = 21 samples smooth the saliency, m = 5 samples give the slope, κ = 5 estimated
	// samples follow.
	saliencySmooth = 21
	slopeSamples   = 5
	estimated      = 5
	// leastAmplitude keeps the logarithm of a spectrum finite.
	leastAmplitude = 1e-8
)

// Validate accepts all that the tags do.
func (*SpectralResidual) Validate() error { return nil }

// Catches what is sudden.
func (*SpectralResidual) Catches() Kinds { return Spike | Drop | Shift }

// Context is the window less the judged sample.
func (d *SpectralResidual) Context(int64) int { return d.Window - 1 }

// Fit learns what scores are usual and calibrates the threshold.
func (d *SpectralResidual) Fit(train Train) (Model, error) {
	return fitMeasured(d, d.Window-1, train, d.Budget)
}

func (d *SpectralResidual) learn(train series.Series, _ *time.Location) (measure, error) {
	of := runs(train.Values, d.Window)
	if n := windowsIn(of, d.Window); n < 20 {
		return nil, fmt.Errorf("%w: %d windows of %d samples, want at least 20", ErrTooShort, n, d.Window)
	}
	m := &salient{scaling: scalingOf(train.Values), w: d.Window}
	values := m.scaling.of(train.Values)
	s := newSaliency(d.Window)
	drawn := drawWindows(of, d.Window, standingSamples/2, seeded(train))
	scores := make([]float64, len(drawn))
	for k, i := range drawn {
		scores[k] = s.sized(values[i : i+d.Window])
	}
	m.standing = standingOf(scores)
	return m, nil
}

func (*SpectralResidual) unmarshal(data []byte) (Model, error) {
	return readModel(data, func(r *wire.Reader) measure {
		m := &salient{scaling: readScaling(r), standing: readStanding(r), w: int(r.Int())}
		if m.w < 2 || m.w > 1e5 {
			r.Fail()
		}
		return m
	})
}

// salient judges a sample by the spectrum of the window that ends with it.
type salient struct {
	scaling  scaling
	standing standing
	w        int
}

func (m *salient) measure(window series.Series, dst []float64) {
	values := m.scaling.of(window.Values)
	clear(dst)
	s := newSaliency(m.w)
	for i := m.w; i <= len(values); i++ {
		dst[i-1] = m.standing.of(s.sized(values[i-m.w : i]))
	}
}

func (m *salient) write(w wire.Writer) wire.Writer {
	return m.standing.write(m.scaling.write(w)).Ints(int64(m.w))
}

// saliency has the room for the transforms of one window and the samples estimated after it. It is not safe for concurrent use.
type saliency struct {
	fft      *fourier.FFT
	x        []float64
	spectrum []complex128
	power    []float64
}

func newSaliency(w int) *saliency {
	n := w + estimated
	return &saliency{
		fft: fourier.NewFFT(n), x: make([]float64, n), spectrum: make([]complex128, n/2+1),
		power: make([]float64, n/2+1),
	}
}

// sized returns the score of the last sample of a window times how far that sample is from the mean of those before it. The saliency of a window adds up to about the
// same whatever is in it, so the score alone ends at what a single needle reaches, however small, and cannot tell it from a tower.
func (s *saliency) sized(window []float64) float64 {
	w := len(window)
	mean, n := 0.0, float64(min(saliencySmooth, w-1))
	for _, x := range window[w-1-int(n) : w-1] {
		mean += x / n
	}
	return s.last(window) * math.Abs(window[w-1]-mean)
}

// last returns the score of the last sample of a window: how far its saliency is above the mean of the saliency before it, as a share of that mean (equation 9 of the
// paper); 0 where it is below.
func (s *saliency) last(window []float64) float64 {
	w := len(window)
	s.mapOf(window)
	mean, n := 0.0, float64(min(saliencySmooth, w-1))
	for i := w - 1 - int(n); i < w-1; i++ {
		mean += s.x[i] / n
	}
	return max(0, (s.x[w-1]-mean)/max(mean, leastAmplitude))
}

// mapOf writes the saliency map of a window, with the samples estimated after it, to x.
func (s *saliency) mapOf(window []float64) {
	w := len(window)
	copy(s.x, window)
	next := extrapolated(window[:w-1])
	for i := w; i < len(s.x); i++ {
		s.x[i] = next
	}
	s.fft.Coefficients(s.spectrum, s.x)
	for k, c := range s.spectrum {
		s.power[k] = max(real(c)*real(c)+imag(c)*imag(c), leastAmplitude*leastAmplitude)
	}
	// The residual of the logarithm takes the place of the amplitude; the phase stays: each is multiplied by exp(log − smooth)/amplitude, where smooth is the mean logarithm
	// of three neighbours. That is one over the geometric mean of their amplitudes. The spectrum is that of real numbers: the neighbours of frequency k are those of −k mirrored.
	n := len(s.x)
	top := len(s.power) - 1
	before := s.power[1]
	for k, c := range s.spectrum {
		after := s.power[n-top-1] // above the top, mirrored
		if k < top {
			after = s.power[k+1]
		}
		s.spectrum[k] = c * complex(1/math.Sqrt(math.Cbrt(before*s.power[k]*after)), 0)
		before = s.power[k]
	}
	s.fft.Sequence(s.x, s.spectrum)
	for i, v := range s.x {
		s.x[i] = math.Abs(v) / float64(n)
	}
}

// extrapolated returns the sample estimated to follow others: the m-th from the end, carried on by the mean slope from the last to those m before it (equations 7 and 8
// of the paper). The paper puts it κ times after the window, so that the last sample is not at its edge. The judged sample takes no part in it, as in the authors' own
// code (microsoft/anomalydetector): its own slope would carry a spike on, five times and farther, and hide it.
func extrapolated(before []float64) float64 {
	n := len(before)
	m := min(slopeSamples, n-1)
	last, slope := before[n-1], 0.0
	for i := 1; i <= m; i++ {
		slope += (last - before[n-1-i]) / float64(i) / float64(m)
	}
	return before[n-m] + slope*float64(m)
}

package baseline

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// The gradient of every parameter, through all steps, is what moving the parameter does to the loss, but for what the quick tangent is off by.
func TestNetworkGradients(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 2))
	n := &network{in: 3, hidden: 4, out: 2}
	n.theta = make([]float64, parameters(3, 4, 2))
	for i := range n.theta {
		n.theta[i] = rng.NormFloat64()
	}
	const steps = 6
	x := make([]float64, steps*n.in)
	for i := range x {
		x[i] = rng.NormFloat64()
	}
	want := []float64{0.3, -1.2}
	tp := n.newTape(steps)
	loss := func() float64 {
		n.forward(x, 0.7, tp)
		l := 0.0
		for k, y := range tp.y {
			l += 0.5 * (y - want[k]) * (y - want[k])
		}
		return l
	}
	loss()
	dy := []float64{tp.y[0] - want[0], tp.y[1] - want[1]}
	grad := make([]float64, len(n.theta))
	n.backward(dy, tp, grad)
	for i := range n.theta {
		const h = 1e-6
		keep := n.theta[i]
		n.theta[i] = keep + h
		up := loss()
		n.theta[i] = keep - h
		down := loss()
		n.theta[i] = keep
		numeric := (up - down) / (2 * h)
		if math.Abs(numeric-grad[i]) > 2e-5*(1+math.Abs(numeric)) {
			t.Errorf("parameter %d: gradient %v, moving it says %v", i, grad[i], numeric)
		}
		if grad[i] == 0 {
			t.Errorf("parameter %d has no effect", i)
		}
	}
}

// A rhythm that no profile of the day holds is learnt: two sine waves of 37 and 11 minutes.
func TestLSTMLearnsARhythm(t *testing.T) {
	t.Parallel()
	s := made(4, time.UTC, func(at time.Time, rng *rand.Rand) float64 {
		m := float64(at.Unix()) / 60
		return 100 + 8*math.Sin(2*math.Pi*m/37) + 4*math.Sin(2*math.Pi*m/11) + 0.5*rng.NormFloat64()
	})
	train, tail := s.Slice(0, 3*24*60), s
	o := NewLSTM()
	o.Window, o.Steps = 60, 300
	f, err := o.Fit(train, time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	b := NewBand(tail.Grid.N)
	f.Model.Predict(tail, b)
	wrong, wave := 0.0, 0.0
	for i := train.Grid.N; i < s.Grid.N; i++ {
		wrong += math.Abs(s.Values[i] - b.Center[i])
		wave += math.Abs(s.Values[i] - 100)
	}
	if wrong > 0.35*wave {
		t.Errorf("it misses by %.2f on average, the mean by %.2f", wrong/1440, wave/1440)
	}
}

// On the tail of ordinary series, which no fit has seen, what is expected of each next sample is nearer than what came a day before: that is the least that a model must do.
// So is the forecast of the next hour.
func TestSteppedBeatTheDayBefore(t *testing.T) {
	t.Parallel()
	wander := 0.0
	for shape, value := range map[string]func(at time.Time, rng *rand.Rand) float64{
		"requests": func(at time.Time, rng *rand.Rand) float64 {
			return 200 + 120*math.Sin(2*math.Pi*hours(at)/24) + 6*rng.NormFloat64()
		},
		"sawtooth": func(at time.Time, rng *rand.Rand) float64 { return 50 + 40*hours(at)/24 + rng.NormFloat64() },
		"wandering": func(at time.Time, rng *rand.Rand) float64 {
			wander = 0.99*wander + rng.NormFloat64()
			return 100 + 20*math.Sin(2*math.Pi*hours(at)/24) + wander + 0.5*rng.NormFloat64()
		},
	} {
		s := made(8, time.UTC, value)
		const day = 24 * 60
		train := s.Slice(0, 7*day)
		for _, name := range []string{"kalman", "arima", "lstm"} {
			b, err := Baselines.New(name, nil)
			if err != nil {
				t.Fatal(err)
			}
			fit, err := b.Fit(train, time.UTC)
			if err != nil {
				t.Fatal(err)
			}
			band := NewBand(s.Grid.N)
			fit.Model.Predict(s, band)
			own, naive := 0.0, 0.0
			for i := train.Grid.N; i < s.Grid.N; i++ {
				own += math.Abs(s.Values[i] - band.Center[i])
				naive += math.Abs(s.Values[i] - s.Values[i-day])
			}
			if own >= 0.85*naive {
				t.Errorf("%s, %s: one sample ahead it misses by %.3f, the day before by %.3f", name, shape, own/day, naive/day)
			}
			own, naive = 0, 0
			for from := train.Grid.N; from < s.Grid.N; from += 60 {
				f := fit.Model.(Forecaster).Forecast(s.Slice(from-day, from), 60, nil)
				for k, c := range f.Center {
					own += math.Abs(s.Values[from+k] - c)
					naive += math.Abs(s.Values[from+k] - s.Values[from+k-day])
				}
			}
			if own >= 0.85*naive {
				t.Errorf("%s, %s: an hour ahead it misses by %.3f, the day before by %.3f", name, shape, own/day, naive/day)
			}
		}
	}
}

// An outage of twenty minutes is abnormal to its end, leaves no trace behind, and a level that stays is followed after the stated time, not before.
func TestSteppedGuard(t *testing.T) {
	t.Parallel()
	s := made(8, time.UTC, func(at time.Time, rng *rand.Rand) float64 {
		return 200 + 50*math.Sin(2*math.Pi*hours(at)/24) + 4*rng.NormFloat64()
	})
	const day, outage, shift = 24 * 60, 7*24*60 + 300, 7*24*60 + 600
	train := s.Slice(0, 7*day)
	for _, name := range []string{"kalman", "arima", "lstm"} {
		b, err := Baselines.New(name, nil)
		if err != nil {
			t.Fatal(err)
		}
		fit, err := b.Fit(train, time.UTC)
		if err != nil {
			t.Fatal(err)
		}
		after := s.Slice(0, s.Grid.N)
		after.Values = append([]float64(nil), s.Values...)
		for i := range after.Values {
			if (i >= outage && i < outage+20) || i >= shift {
				after.Values[i] -= 80
			}
		}
		quiet, band := NewBand(s.Grid.N), NewBand(s.Grid.N)
		fit.Model.Predict(s, quiet)
		fit.Model.Predict(after, band)
		for i := outage; i < outage+20; i++ {
			if u := band.Score(i, after.Values[i]); u > -8 {
				t.Errorf("%s: minute %d of the outage lies %.1f usual distances off", name, i-outage, u)
			}
		}
		for i := outage + 20; i < outage+60; i++ {
			if d := math.Abs(band.Center[i] - quiet.Center[i]); d > 4 {
				t.Errorf("%s: %d minutes after the outage the expected value is %.1f off", name, i-outage-20, d)
			}
		}
		for i := shift + 5; i < s.Grid.N; i++ {
			u := band.Score(i, after.Values[i])
			if i < shift+175 && u > -6 || i > shift+190 && u < -8 {
				t.Fatalf("%s: minute %d of the shift lies %.1f usual distances off", name, i-shift, u)
			}
		}
	}
}

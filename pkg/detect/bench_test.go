package detect

import "testing"

// BenchmarkFit learns from a week of one sample a minute.
func BenchmarkFit(b *testing.B) {
	s := fixtures()[0].s.Slice(0, 7*24*60)
	for _, name := range Detectors.Names() {
		d, _ := Detectors.New(name, nil)
		b.Run(name, func(b *testing.B) {
			var m Model
			perCPUSecond(b, s.Grid.N, "samples", func() { m, _ = d.Fit(Train{Series: s, N: 3, M: 5}) })
			raw, _ := m.MarshalBinary()
			b.ReportMetric(float64(len(raw)), "model-bytes")
		})
	}
}

// BenchmarkScore judges a week by a fit that exists.
func BenchmarkScore(b *testing.B) {
	s := fixtures()[0].s.Slice(0, 7*24*60)
	for _, name := range Detectors.Names() {
		d, _ := Detectors.New(name, nil)
		m, err := d.Fit(Train{Series: s, N: 3, M: 5})
		if err != nil {
			b.Fatal(err)
		}
		b.Run(name, func(b *testing.B) {
			perCPUSecond(b, s.Grid.N, "samples", func() {
				if _, err := m.Score(s, 0); err != nil {
					b.Fatal(err)
				}
			})
		})
	}
}

// BenchmarkJudge does all that a query does for one series: the walk with its cached fits, scores and policy over a day.
func BenchmarkJudge(b *testing.B) {
	s := fixtures()[0].s
	for _, name := range Detectors.Names() {
		d, _ := Detectors.New(name, nil)
		j := Judge{Name: name, Detector: d, Walk: DefaultWalk(), Policy: DefaultPolicy(), Fits: NewFits(1 << 20)}
		b.Run(name, func(b *testing.B) {
			n := 0
			for b.Loop() {
				v, err := j.Series(b.Context(), s, s.Grid.At(11*24*60), s.Grid.End()-s.Grid.Step)
				if err != nil {
					b.Fatal(err)
				}
				n += len(v.Score)
			}
			b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "verdicts/s")
		})
	}
}

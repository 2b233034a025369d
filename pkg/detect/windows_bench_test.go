package detect

import "testing"

// BenchmarkWindows fits and scores a week of one sample a minute by each detector over windows, in processor time.
func BenchmarkWindows(b *testing.B) {
	s := fixtures()[0].s.Slice(0, 7*24*60)
	for _, name := range []string{"iforest", "kmeans", "lof", "matrix_profile", "ocsvm", "pca", "spectral_residual"} {
		d, _ := Detectors.New(name, nil)
		m, err := d.Fit(Train{Series: s, N: 3, M: 5})
		if err != nil {
			b.Fatal(err)
		}
		b.Run("fit/"+name, func(b *testing.B) {
			perCPUSecond(b, 1, "fits", func() { _, _ = d.Fit(Train{Series: s, N: 3, M: 5}) })
		})
		b.Run("score/"+name, func(b *testing.B) {
			perCPUSecond(b, s.Grid.N, "samples", func() { _, _ = m.Score(s, 0) })
		})
	}
}

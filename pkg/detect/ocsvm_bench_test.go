package detect

import "testing"

// BenchmarkOneClassSVM does what the peers "one-class SVM, score, 8 of 2000" and "one-class SVM, fit" do.
func BenchmarkOneClassSVM(b *testing.B) {
	known, rows := peerPoints(2000, 8, 2), peerPoints(10_000, 8, 3)
	s := supportOf(known, 8, 0.1, scaleGamma(known, 8), svmTolerance)
	b.Run("score", func(b *testing.B) {
		perCPUSecond(b, 10_000, "points", func() {
			for i := range 10_000 {
				s.decision(rows[i*8 : (i+1)*8])
			}
		})
	})
	b.Run("fit", func(b *testing.B) {
		perCPUSecond(b, 2000, "points", func() { supportOf(known, 8, 0.1, scaleGamma(known, 8), svmTolerance) })
	})
}

package detect

import "testing"

// BenchmarkSpectralResidual does what the peer "spectral residual, score, windows of 64" does.
func BenchmarkSpectralResidual(b *testing.B) {
	x, s := peerWave(5000), newSaliency(64)
	perCPUSecond(b, len(x)-63, "samples", func() {
		for i := 64; i <= len(x); i++ {
			s.last(x[i-64 : i])
		}
	})
}

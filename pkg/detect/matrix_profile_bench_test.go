package detect

import "testing"

// BenchmarkMatrixProfile compares every window of 8,192 samples with every other: stumpy's stump, which is not packaged, does 45,000 samples a second of that.
func BenchmarkMatrixProfile(b *testing.B) {
	x := peerWave(8192)
	perCPUSecond(b, len(x), "samples", func() {
		p := profile(x, 50, 0)
		p.pairs(p.unmatched())
	})
}

package detect

import "testing"

// BenchmarkLOF scores what the peer "local outlier factor, score, 8 of 2000" does.
func BenchmarkLOF(b *testing.B) {
	o, _ := outliersOf(peerPoints(2000, 8, 2), 8, 20, 0)
	rows, f := peerPoints(10_000, 8, 3), newFound(20)
	perCPUSecond(b, 10_000, "points", func() {
		for i := range 10_000 {
			o.factor(rows[i*8:(i+1)*8], f)
		}
	})
}

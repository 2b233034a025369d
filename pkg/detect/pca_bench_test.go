package detect

import "testing"

// BenchmarkPCA does what the peer's "pca, fit and score, windows of 60" does: all windows of a series are learnt from and scored.
func BenchmarkPCA(b *testing.B) {
	x := peerWave(20_000)
	perCPUSecond(b, len(x)-59, "windows", func() {
		g := newGram(60)
		g.add(x)
		a, err := whitened(g, reviewFloor)
		if err != nil {
			b.Fatal(err)
		}
		a.distances(x)
	})
}

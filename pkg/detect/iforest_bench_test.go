package detect

import (
	"math/rand/v2"
	"testing"
)

// BenchmarkForest scores what the peer "isolation forest, score, 100 trees" does.
func BenchmarkForest(b *testing.B) {
	f := grow(single(peerPoints(2000, 8, 2)), 8, 100, 256, rand.New(rand.NewPCG(1, 2)))
	rows := single(peerPoints(10_000, 8, 3))
	out := make([]float64, 10_000)
	perCPUSecond(b, len(out), "points", func() { f.paths(rows, out) })
}

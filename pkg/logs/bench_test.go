package logs

import (
	"math/rand/v2"
	"testing"
	"time"
)

// BenchmarkMiner measures whole lines: masking, finding the template, counting. The lines are the real ones of the eight systems, those of a system one after the
// other, over and over; a first pass is not measured.
func BenchmarkMiner(b *testing.B) {
	all := loghub(b)
	for _, l := range all {
		b.Run(l.name, func(b *testing.B) { benchmark(b, l.lines) })
	}
	var lines []string
	for _, l := range all {
		lines = append(lines, l.lines...)
	}
	b.Run("all", func(b *testing.B) { benchmark(b, lines) })
}

func benchmark(b *testing.B, lines []string) {
	b.Helper()
	m, err := New(DefaultOptions())
	if err != nil {
		b.Fatal(err)
	}
	raw := make([][]byte, len(lines))
	at, size := time.Unix(1_700_000_000, 0), 0
	for i, s := range lines {
		raw[i] = []byte(s)
		size += len(s)
		m.Add(raw[i], at)
	}
	b.SetBytes(int64(size / len(lines)))
	b.ReportAllocs()
	b.ResetTimer()
	before := processorTime()
	for i := range b.N {
		m.Add(raw[i%len(raw)], at)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "lines/s")
	if d := processorTime() - before; d > 0 {
		b.ReportMetric(float64(b.N)/d.Seconds(), "lines/core-s")
	}
}

// BenchmarkExplosion measures the worst case: lines of random words, each of them new.
func BenchmarkExplosion(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 2))
	lines := make([][]byte, 100_000)
	for i := range lines {
		for range 3 + rng.IntN(8) {
			for range 2 + rng.IntN(7) {
				lines[i] = append(lines[i], byte('a'+rng.IntN(16)))
			}
			lines[i] = append(lines[i], ' ')
		}
	}
	m := newMiner(b, DefaultOptions())
	at := time.Unix(1_700_000_000, 0)
	b.ReportAllocs()
	for i := range b.N {
		m.Add(lines[i%len(lines)], at)
	}
}

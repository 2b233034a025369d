package detect

import "testing"

// BenchmarkKMeans does what the peers "k-means, score" and "k-means, fit and score" do, with the same numbers of windows, shapes and rounds.
func BenchmarkKMeans(b *testing.B) {
	const w = 60
	x := peerWave(20_000)
	m := &shapes{each: true}
	all := drawWindows([][2]int{{0, len(x)}}, w, len(x), nil)
	rng := seeded(fixtures()[0].s)
	m.known = cluster(m.points(x, all, w), w, 10, 100, rng)
	b.Run("score", func(b *testing.B) {
		perCPUSecond(b, len(all), "windows", func() { m.distances(x) })
	})
	b.Run("fit and score", func(b *testing.B) {
		perCPUSecond(b, len(all), "windows", func() {
			m := &shapes{each: true}
			m.known = cluster(m.points(x, all, w), w, 10, 100, rng)
			m.distances(x)
		})
	})
}

package scorer

import (
	"syscall"
	"testing"
	"time"
)

// cpu is the processor time that the process has used: on a busy machine the only time that means something.
func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// One evaluation of a hundred series, fits kept: what a rule costs every minute besides Prometheus' own answer.
func BenchmarkEvaluate(b *testing.B) {
	for _, detector := range []string{"mad", "seasonal"} {
		b.Run(detector, func(b *testing.B) {
			const n = 100
			now := start
			text := "prometheus: {url: 'http://127.0.0.1:1'}\nrules: [{name: r, expr: requests, detector: " + detector + "}]"
			s, reg := started(b, text, days(n, 10), Options{}, &now)
			began := cpu(b)
			evaluateAt(b, s, now)
			first := cpu(b) - began
			began = cpu(b)
			b.ResetTimer()
			for b.Loop() {
				evaluateAt(b, s, now)
			}
			b.ReportMetric(float64((cpu(b)-began).Microseconds())/float64(b.N)/n, "cpu-µs/series")
			b.ReportMetric(float64(first.Microseconds())/n, "cpu-µs/series-first")
			b.ReportMetric(gathered(b, reg)["foreshock_scorer_fit_cache_bytes{}"]/n, "B/series-fits")
			b.ReportMetric(float64(len(gathered(b, reg, published5...)))/n, "published/series")
		})
	}
}

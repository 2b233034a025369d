package detect

import (
	"syscall"
	"testing"
	"time"
)

// perCPUSecond runs f as often as the benchmark wants and reports how many of a unit it does in a second of processor time: on a machine that is shared, the wall clock
// tells of the neighbours. peers.py counts the same way.
func perCPUSecond(b *testing.B, n int, unit string, f func()) {
	b.Helper()
	rounds, from := 0, cpuTime(b)
	for b.Loop() {
		f()
		rounds++
	}
	spent := cpuTime(b) - from
	b.ReportMetric(float64(rounds*n)/spent.Seconds(), unit+"/cpu-s")
	b.ReportMetric(float64(spent.Microseconds())/1000/float64(rounds), "cpu-ms/op")
}

func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

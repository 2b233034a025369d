package digest

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/foreshock/foreshock/exporter/follow"
)

// BenchmarkFollow is the whole way of a line: from a file through the levels, two rules and the templates. One operation is one line.
func BenchmarkFollow(b *testing.B) {
	for _, c := range []struct{ name, config string }{
		{"count", "  templates: {enabled: false}\n"},
		{"templates", ""},
		{"rules and templates", "  rules: [{name: a, words: [Exception, timeout]}, {name: b, pattern: 'took \\d{4,} ms'}]\n"},
		{"json", "  parse: {format: json}\n"},
	} {
		b.Run(c.name, func(b *testing.B) {
			config, err := Decode("logs.yml", []byte("sources:\n- name: app\n  files: [/x]\n  from: beginning\n"+c.config))
			if err != nil {
				b.Fatal(err)
			}
			path := filepath.Join(b.TempDir(), "x.log")
			var text bytes.Buffer
			for i := range b.N {
				if c.name == "json" {
					fmt.Fprintf(&text, `{"ts":"2026-01-02T12:00:00Z","level":"info","msg":"request %d done in %d ms","path":"/a/%d"}`+"\n", i, i%977, i%31)
					continue
				}
				fmt.Fprintf(&text, "2026-01-02 12:00:00,%03d INFO [worker-%d] org.example.Shop: request %d of 10.0.%d.%d done in %d ms\n", i%1000, i%8, i, i%200, i%251, i%977)
			}
			if err := os.WriteFile(path, text.Bytes(), 0o600); err != nil {
				b.Fatal(err)
			}
			problems := &Problems{}
			p, err := NewPipeline(config.Sources[0], problems)
			if err != nil {
				b.Fatal(err)
			}
			source := config.Sources[0].Open(problems, func(string) string { return path })
			defer source.Close()
			b.SetBytes(int64(text.Len() / b.N))
			text = bytes.Buffer{}
			b.ReportAllocs()
			b.ResetTimer()
			now, before := time.Now(), cpuTime(b)
			for p.Tick(now); source.Read(now, 1<<20, p.Take); {
			}
			source.Read(now.Add(time.Minute), 1<<20, p.Take) // the last message, which might have gone on
			b.StopTimer()
			b.ReportMetric(float64(cpuTime(b)-before)/float64(b.N), "cpu-ns/op")
			if p.figures.Lines != uint64(b.N) {
				b.Fatalf("%d lines of %d", p.figures.Lines, b.N)
			}
		})
	}
}

// cpuTime is the processor time of this process: on a busy machine the clock on the wall measures the others.
func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		b.Fatal(err)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

var _ follow.Handler = (*Pipeline)(nil)

package follow

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestAnyRotation: random writes, rotations, looks and lives; each line comes once and in the order of its file.
func TestAnyRotation(t *testing.T) {
	t.Parallel()
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 7))
		b := newBench(t, nil, "app.log")
		var want []string
		b.now = time.Now()
		b.read(0)
		for i := range 120 {
			switch r.IntN(6) {
			case 0, 1, 2:
				line := fmt.Sprintf("%d: line %d %s", seed, i, strings.Repeat("x", r.IntN(9)))
				b.append("app.log", line+"\n")
				later(b, "app.log", i)
				want = append(want, line)
			case 3:
				b.now = b.now.Add(time.Duration(r.IntN(20)) * time.Second)
				b.read(0)
			case 4:
				if _, err := os.Stat(b.path("app.log")); err != nil {
					continue
				}
				for n := 30; n > 0; n-- {
					_ = os.Rename(b.path(fmt.Sprintf("app.log.%d", n)), b.path(fmt.Sprintf("app.log.%d", n+1))) // most are not there
				}
				b.rename("app.log", "app.log.1")
			case 5:
				b.live()
			}
		}
		b.read(time.Minute)
		b.read(time.Minute)
		slices.Sort(want)
		slices.Sort(b.got)
		if diff := cmp.Diff(want, b.got); diff != "" {
			t.Fatalf("seed %d (-want +got):\n%s", seed, diff)
		}
		b.source.Close()
	}
}

func FuzzFiles(f *testing.F) {
	f.Add([]byte("plain\n\tindented\n{\"log\":\"x\\n\"}\n2026-01-01T00:00:00Z stdout P x\n"))
	f.Add(bytes.Repeat([]byte{0, 0xff, '\n'}, 50))
	f.Fuzz(func(t *testing.T, content []byte) {
		for _, format := range []Format{Plain, Docker, CRI} {
			b := newBench(t, func(o *FilesOptions) { o.Format, o.Join.Auto, o.Join.MaxLines, o.MaxLine = format, true, 3, 40 }, "x")
			b.append("x", string(content))
			b.read(0)
			b.append("x", "\nend\n")
			b.read(0)
			b.read(time.Minute)
			if want := int64(len(content) + 5); b.bytes != want {
				t.Fatalf("%s: %d bytes of %d", format, b.bytes, want)
			}
		}
	})
}

// TestSameNumberAndSize: a file that has the number of a removed one, and its size, is another file.
func TestSameNumberAndSize(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil, "app.log")
	var want []string
	b.read(0)
	for i := range 40 {
		line := fmt.Sprintf("rotation %03d", i)
		b.append("app.log", line+"\n")
		want = append(want, line)
		b.rename("app.log", fmt.Sprintf("app.log.%d", i)) // nobody looked in between
		_ = os.Remove(b.path(fmt.Sprintf("app.log.%d", i-3)))
		b.read(time.Minute)
	}
	b.want(want...)
}

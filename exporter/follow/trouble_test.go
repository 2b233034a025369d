package follow

import (
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestDenied(t *testing.T) {
	t.Parallel()
	if os.Geteuid() == 0 {
		t.Skip("root may read all")
	}
	b := newBench(t, nil, "app.log")
	b.append("app.log", "x\n")
	if err := os.Chmod(b.path("app.log"), 0); err != nil {
		t.Fatal(err)
	}
	b.read(0)
	b.read(time.Minute)
	if diff := cmp.Diff([]string{ReasonDenied}, b.reports.seen); diff != "" {
		t.Error(diff)
	}
}

// TestTroubleEnds: what is over and comes again is reported again.
func TestTroubleEnds(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(o *FilesOptions) { o.MaxFiles = 1 }, "*.log")
	b.append("a.log", "x\n")
	b.read(0)
	want := []string{}
	for range 2 {
		b.append("b.log", "one too many\n")
		b.read(time.Minute)
		b.read(time.Minute)
		want = append(want, ReasonTooMany)
		if err := os.Remove(b.path("b.log")); err != nil {
			t.Fatal(err)
		}
		b.read(time.Minute)
	}
	b.source.bad(b.path("a.log"), ReasonRead, os.ErrInvalid)
	b.append("a.log", "y\n")
	b.read(time.Minute)
	b.source.bad(b.path("a.log"), ReasonRead, os.ErrInvalid)
	want = append(want, ReasonRead, ReasonRead)
	if diff := cmp.Diff(want, b.reports.seen); diff != "" {
		t.Error(diff)
	}
}

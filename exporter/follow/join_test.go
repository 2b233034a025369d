package follow

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestJoin(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		join Join
		in   string
		want []string
	}{
		{
			"java",
			Join{Auto: true},
			"ERROR x\njava.lang.X: y\n\tat a.b\n\tat c.d\nCaused by: java.lang.Z\n\t... 3 more\nINFO next\n",
			[]string{"ERROR x", "java.lang.X: y\n\tat a.b\n\tat c.d\nCaused by: java.lang.Z\n\t... 3 more", "INFO next"},
		},
		{
			"python",
			Join{Auto: true},
			"ERROR:root:no\nTraceback (most recent call last):\n  File \"x.py\", line 1\n    raise\nValueError: bad\nINFO next\n",
			[]string{"ERROR:root:no\nTraceback (most recent call last):\n  File \"x.py\", line 1\n    raise\nValueError: bad", "INFO next"},
		},
		{
			"start",
			Join{Start: regexp.MustCompile(`^\d{4}-`)},
			"2026-01-01 a\nb\n\n2026-01-01 c\n",
			[]string{"2026-01-01 a\nb\n", "2026-01-01 c"},
		},
		{"continue", Join{Continue: regexp.MustCompile(`^\+`)}, "a\n+b\n+c\nd\n", []string{"a\n+b\n+c", "d"}},
		{"too many lines", Join{Auto: true, MaxLines: 2}, "a\n b\n c\n d\n", []string{"a\n b", " c\n d"}},
		{"too long", Join{Auto: true, MaxBytes: 5}, "abc\n def\nx\n", []string{"abc\n ", "x"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, func(o *FilesOptions) { o.Join = c.join; o.Join.Wait = 5 * time.Second }, "x")
			b.append("x", c.in)
			b.read(0)
			if diff := cmp.Diff(c.want[:len(c.want)-1], b.got); diff != "" {
				t.Errorf("before the wait (-want +got):\n%s", diff)
			}
			b.live() // what was not handed over is read again
			b.got = c.want[:len(c.want)-1]
			b.read(0)
			b.read(6 * time.Second)
			b.want(c.want...)
			if b.bytes != int64(len(c.in)) {
				t.Errorf("%d bytes of %d", b.bytes, len(c.in))
			}
		})
	}
}

// TestJoinClockBack: a message is not held for ever when the clock goes back.
func TestJoinClockBack(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(o *FilesOptions) { o.Join.Auto = true }, "x")
	b.append("x", "a\n b\n")
	b.read(0)
	b.read(-time.Hour)
	b.want(strings.Join([]string{"a", " b"}, "\n"))
}

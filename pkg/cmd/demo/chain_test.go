package main

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestChainTellsEachLinkAndNamesTheBrokenOne(t *testing.T) {
	t.Parallel()
	after := func(d time.Duration) func(context.Context) (sighting, bool, error) {
		start := time.Now()
		return func(context.Context) (sighting, bool, error) {
			return sighting{detail: "seen"}, time.Since(start) >= d, nil
		}
	}
	never := func(err error) func(context.Context) (sighting, bool, error) {
		return func(context.Context) (sighting, bool, error) { return sighting{}, false, err }
	}
	synctest.Test(t, func(t *testing.T) {
		out := &buffer{}
		s := &story{w: out, injected: time.Now()}
		c := &chain{"x", []*link{{where: "first", look: after(time.Second)}, {where: "second", look: after(3 * time.Second)}}}
		if err := c.follow(t.Context(), s, time.Minute); err != nil {
			t.Fatal(err)
		}
		if want := "    +1.0 s  first         seen\n    +3.0 s  second        seen\n"; out.String() != want {
			t.Errorf("got\n%swant\n%s", out, want)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		out := &buffer{}
		c := &chain{"the alert", []*link{
			{where: "first", look: after(0)},
			{where: "second", look: never(errors.New("no route")), missing: "it is not there", hint: func() string { return "look at the log" }},
			{where: "third", look: after(0), missing: "never asked"},
		}}
		err := c.follow(t.Context(), &story{w: out, injected: time.Now()}, time.Minute)
		want := "the chain of the alert broke at second: it is not there within 1m0s; look at the log; asking for it failed: no route"
		if err == nil || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
		if strings.Contains(out.String(), "third") {
			t.Errorf("a link after the broken one was told:\n%s", out)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		c := &chain{"x", []*link{{where: "first", look: never(nil)}}}
		if err := c.follow(ctx, &story{w: &buffer{}}, time.Minute); !errors.Is(err, errStopped) {
			t.Errorf("interrupted: got %v", err)
		}
	})
}

func TestDuringShowsLife(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		out := &buffer{}
		s := &story{w: out}
		err := s.during("work", func() string { return "half" }, func() error { time.Sleep(5 * time.Second); return errStopped })
		if !errors.Is(err, errStopped) {
			t.Errorf("got %v", err)
		}
		if want := "  … work: 2 s, half\n  … work: 4 s, half\n"; out.String() != want {
			t.Errorf("got\n%swant\n%s", out, want)
		}
	})
}

func TestBadFlags(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ flag, want string }{
		{"--stack=fedora", `--stack: got "fedora", want embedded or debian`},
		{"--timeout=0s", "--timeout: got 0s"},
		{"--factor=1", "--factor: got 1, want 1.5 or more"},
		{"--burn.cores=100000", "--burn.cores: got 100000, want 0 to "},
		{"--burn.time=1h", "--burn.time: got 1h0m0s"},
		{"--fault.time=1s", "--fault.time: got 1s, want 1m"},
		{"--output=x.gif", `--output: got "x.gif", want a name that ends in .png or .svg`},
		{"--onec", "unknown long flag '--onec'"},
	} {
		var out, errs strings.Builder
		if code := run(t.Context(), []string{c.flag}, &out, &errs); code != 2 || !strings.Contains(errs.String(), c.want) {
			t.Errorf("%s: exit %d, %q, want 2 and %q", c.flag, code, errs.String(), c.want)
		}
	}
	var out strings.Builder
	if code := run(t.Context(), []string{"--help"}, &out, &out); code != 0 || !strings.Contains(out.String(), "--timeout") {
		t.Errorf("--help: exit %d\n%s", code, out.String())
	}
}

func TestProgramsThatAreNotBuiltAreNamed(t *testing.T) {
	t.Parallel()
	_, err := findBinaries(t.Context(), options{binDir: t.TempDir()}, t.TempDir(), func(string) {})
	if err == nil || !strings.Contains(err.Error(), "foreshock-exporter is not in ") {
		t.Errorf("got %v", err)
	}
}

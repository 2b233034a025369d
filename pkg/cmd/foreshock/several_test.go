package main

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
)

// shop is ten days of three columns that follow each other, at five minutes, and a column that says when all was well; the load comes apart in the last hours.
func shop() string {
	rng := rand.New(rand.NewPCG(5, 6))
	var b strings.Builder
	b.WriteString("timestamp,requests,load,failures,ok\n")
	for i := range 10 * 288 {
		requests := 200 + 100*math.Sin(2*math.Pi*float64(i%288)/288) + 5*rng.NormFloat64()
		load, failures, ok := 0.2+0.002*requests+0.01*rng.NormFloat64(), 2+rng.Float64(), 1
		if i%288 < 12 && i < 2800 { // an incident every night
			failures, ok = 40+rng.Float64(), 0
		}
		if i >= 2820 && i < 2832 {
			load = 0.7
		}
		fmt.Fprintf(&b, "%d,%.3f,%.4f,%.3f,%d\n", 1767225600+i*300, requests, load, failures, ok)
	}
	return b.String()
}

func TestJoint(t *testing.T) {
	t.Parallel()
	got := foreshock(t, shop(), "joint", "-", "-d", "mahalanobis", "--clean", "ok")
	if got.code != 0 {
		t.Fatalf("exit code %d: %s", got.code, got.errors)
	}
	lines := strings.Split(strings.TrimSpace(got.out), "\n")
	if want := "timestamp,requests,load,failures,score,onset,anomalous,kind,contribution_requests,contribution_load,contribution_failures,state"; lines[0] != want || len(lines) != 2881 {
		t.Fatalf("got %d lines, the first %q, want 2881 and %q", len(lines), lines[0], want)
	}
	for _, line := range lines[1:] {
		f := strings.Split(line, ",")
		if f[4] == "" {
			continue
		}
		sum := 0.0
		for _, x := range f[8:11] {
			v, err := strconv.ParseFloat(x, 64)
			if err != nil {
				t.Fatal(err)
			}
			sum += v
		}
		if score, err := strconv.ParseFloat(f[4], 64); err != nil || math.Abs(score-sum) > 1e-9*(1+score) {
			t.Fatalf("contributions sum to %v: %s", sum, line)
		}
	}
	// At 19:00 the requests are few: a load of .7 is usual, but not then.
	if f := strings.Split(lines[1+2826], ","); f[6] != "1" || f[7] != "correlation" {
		t.Errorf("the load comes apart: %s", lines[1+2826])
	}
	intervals := foreshock(t, shop(), "joint", "-", "-d", "mahalanobis", "--clean", "ok", "--format", "intervals", "--quiet")
	if !strings.Contains(intervals.out, "The correlation broke") || intervals.errors != "" {
		t.Errorf("intervals: %s%s", intervals.out, intervals.errors)
	}
	// Without the filter the nights are a part of what is learnt, and most are not told; with it each one is.
	if with, without := strings.Count(intervals.out, ",apart,"), strings.Count(foreshock(t, shop(), "joint", "-", "-d", "kmeans", "-p", "window=1", "--value", "requests", "--value", "failures", "--format", "intervals", "-q").out, "\n"); with < 4 || 2*(without-1) > with {
		t.Errorf("%d nights are told with the filter, %d lines without", with, without)
	}
}

func TestPeers(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(7, 8))
	var b strings.Builder
	b.WriteString("timestamp,web-1,web-2,web-3,web-4\n")
	for i := range 10 * 288 {
		load := 100 + 50*math.Sin(2*math.Pi*float64(i%288)/288)
		fmt.Fprintf(&b, "%d", 1767225600+i*300)
		for k := range 4 {
			x := load + 2*rng.NormFloat64()
			if k == 2 && i >= 2800 && i < 2812 {
				x += 40
			}
			fmt.Fprintf(&b, ",%.3f", x)
		}
		b.WriteString("\n")
	}
	got := foreshock(t, b.String(), "peers", "-", "--format", "intervals", "-q")
	found := false
	for line := range strings.Lines(got.out) {
		f := strings.Split(line, ",")
		if len(f) < 7 || f[0] == "series" {
			continue
		}
		peak, err := strconv.ParseFloat(f[5], 64)
		if err != nil {
			t.Fatal(err)
		}
		if peak > 5 { // the noise budget is one a week and member, near 1
			found = strings.Contains(f[0], "web-3") && f[1] == "2026-01-10T17:20:00Z" && f[4] == "up" && !found
		}
	}
	if got.code != 0 || !found {
		t.Errorf("exit code %d: %s%s", got.code, got.out, got.errors)
	}
	rows := foreshock(t, b.String(), "peers", "-", "-q")
	if n := strings.Count(rows.out, "\n"); n != 4*2880+1 {
		t.Errorf("%d lines, want one for each member and row", n)
	}
}

func TestSeveralRefusals(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"joint"}, "got 0 files"},
		{[]string{"joint", "-", "--clean", "fine"}, `has no column "fine", want one of requests, load, failures, ok`},
		{[]string{"joint", "-", "--policy", "direction=up"}, "a vector has no up and down"},
		{[]string{"joint", "-", "--policy", "absent=1h"}, `parameter "absent": got 1h, want 0`},
		{[]string{"peers", "-", "--value", "load", "--value", "ok"}, "the largest fleet has 2 members, want at least 3"},
		{[]string{"peers", "-", "--policy", "absent=1h"}, `parameter "absent": got 1h, want 0`},
		{[]string{"joint", "--dimension", "requests"}, "want NAME=PROMQL"},
		{[]string{"joint", "--dimension", "a=b", "--query", "c"}, "want either"},
		{[]string{"peers", "--query", "up"}, "without --prometheus.url"},
		{[]string{"peers", "-", "-d", "nobody"}, `unknown peer detector "nobody": want one of dbscan, mad`},
		{[]string{"detectors", "joint", "nobody"}, `unknown joint detector "nobody"`},
		{[]string{"detectors", "mad", "more"}, "want one name"},
	} {
		got := foreshock(t, shop(), c.args...)
		if got.code != 2 || !strings.Contains(got.errors, c.want) {
			t.Errorf("%v: exit code %d, %s, want %s", c.args, got.code, got.errors, c.want)
		}
	}
	for _, shape := range []string{"joint", "peers"} {
		if got := foreshock(t, "", "detectors", shape); got.code != 0 || !strings.Contains(got.out, "budget") {
			t.Errorf("detectors %s: %s%s", shape, got.out, got.errors)
		}
	}
}

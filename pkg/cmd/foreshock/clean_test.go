package main

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/foreshock/foreshock/pkg/prom/promtest"
	"github.com/foreshock/foreshock/pkg/series"
)

// anomalousRows counts the rows at which an episode is open, by the last columns of detect's output.
func anomalousRows(out string) int {
	n := 0
	for line := range strings.Lines(out) {
		if f := strings.Split(strings.TrimSpace(line), ","); len(f) > 2 && f[len(f)-2] == "1" {
			n++
		}
	}
	return n
}

// What the column says is not fit is judged and not learnt from: the failures of every night, an hour each, alarm with it and not without once they are a part of what is usual.
func TestDetectWithClean(t *testing.T) {
	t.Parallel()
	args := []string{"detect", "-", "-d", "seasonal", "--value", "failures", "-q"}
	with, without := foreshock(t, shop(), append(args, "--clean", "ok")...), foreshock(t, shop(), args...)
	if with.code != 0 || without.code != 0 || strings.Count(with.out, "\n") != 2881 {
		t.Fatalf("exit codes %d and %d, %s%s", with.code, without.code, with.errors, without.errors)
	}
	if a, b := anomalousRows(with.out), anomalousRows(without.out); a < 40 || 2*b > a {
		t.Errorf("%d rows are anomalous with the filter, %d without", a, b)
	}
	// The column of the filter is no value, wherever it stands, and needs no --value.
	two := strings.ReplaceAll(strings.ReplaceAll("ok,timestamp,load\n1,0,3\n0,60,4\n1,120,5\n", ",0,", ",1767225600,"), ",60,", ",1767225660,")
	got := foreshock(t, strings.ReplaceAll(two, ",120,", ",1767225720,"), "detect", "-", "--clean", "ok", "-q")
	if lines := strings.Split(got.out, "\n"); got.code != 0 || len(lines) < 4 || !strings.HasPrefix(lines[2], "1767225660,4,") {
		t.Errorf("exit code %d: %s%s", got.code, got.out, got.errors)
	}
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"detect", "-", "--value", "failures", "--clean", "fine"}, `--clean: no column "fine", want one of timestamp, requests, load, failures, ok`},
		{[]string{"detect", "-", "--value", "failures", "--clean", "ok", "--fit", "all"}, `--clean: got "ok" with --fit all, want --fit anchored`},
		{[]string{"detect", "-", "--clean", "ok"}, "got 3 value columns (requests, load, failures)"},
	} {
		if got := foreshock(t, shop(), c.args...); got.code != 2 || !strings.Contains(got.errors, c.want) {
			t.Errorf("%v: exit code %d, %s, want %s", c.args, got.code, got.errors, c.want)
		}
	}
}

// A replay and a self-test have the filter too, and the printed rule keeps it.
func TestReplayWithClean(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "shop.csv")
	if err := os.WriteFile(file, []byte(shop()), 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{"replay", file, "-d", "seasonal", "--value", "failures", "--last", "6d", "--train", "3d", "--format", "csv", "-q"}
	with, without := foreshock(t, "", append(args, "--clean", "ok")...), foreshock(t, "", args...)
	if with.code != 0 || strings.Count(with.out, "\n")-1 < 5 || strings.Count(without.out, "\n")-1 > 3 {
		t.Errorf("exit code %d: with the filter\n%s\nwithout\n%s%s", with.code, with.out, without.out, with.errors)
	}
	got := foreshock(t, "", "replay", file, "-d", "seasonal", "--value", "failures", "--last", "3d", "--train", "3d", "--clean", "ok", "--budget", "50/week", "-q")
	if got.code != 0 || !strings.Contains(got.out, `clean: "ok"`) || !strings.Contains(got.out, `"clean":"ok"`) {
		t.Errorf("exit code %d: %s%s", got.code, got.out, got.errors)
	}
	if got := foreshock(t, "", "selftest", file, "-d", "mad", "--value", "load", "--last", "3d", "--train", "3d", "--clean", "ok", "--quick", "-q"); !strings.Contains(got.out, "passed") {
		t.Errorf("self-test, exit code %d: %s%s", got.code, got.out, got.errors)
	}
}

// Columns keep their names in whatever order they are asked for.
func TestValueColumnsKeepTheirNames(t *testing.T) {
	t.Parallel()
	got := foreshock(t, shop(), "joint", "-", "-d", "mahalanobis", "--value", "load", "--value", "requests", "-q")
	if lines := strings.Split(got.out, "\n"); !strings.HasPrefix(lines[0], "timestamp,requests,load,score") || !strings.HasPrefix(lines[1], "1767225600,2") {
		t.Errorf("%s\n%s", lines[0], lines[1])
	}
}

// PromQL is a filter as well.
func TestDetectQueryWithClean(t *testing.T) {
	t.Parallel()
	server := promtest.Start(t)
	grid := series.Grid{Start: 1767225600_000, Step: 300_000, N: 10 * 288}
	failures, ok := series.New(series.FromMap(map[string]string{"__name__": "failures", "app": "a"}), grid), series.New(series.FromMap(map[string]string{"__name__": "ok", "app": "a"}), grid)
	for i, line := range strings.Split(strings.TrimSpace(shop()), "\n")[1:] {
		f := strings.Split(line, ",")
		failures.Values[i], ok.Values[i] = cellValue(t, f[3]), cellValue(t, f[4])
	}
	server.Write(t, failures, ok)
	args := []string{
		"detect", "--prometheus.url", server.URL, "--query", "failures", "-d", "seasonal", "--step", "5m", "--train", "3d", "--min-train", "1d",
		"--from", "2026-01-06T00:00:00Z", "--to", "2026-01-10T12:00:00Z",
	}
	with, without := foreshock(t, "", append(args, "--clean", "ok == 1")...), foreshock(t, "", args...)
	if a, b := anomalousRows(with.out), anomalousRows(without.out); with.code != 0 || a < 40 || 2*b > a {
		t.Errorf("exit code %d: %d rows are anomalous with the filter, %d without: %s", with.code, a, b, with.errors)
	}
	if got := foreshock(t, "", append(args, "--clean", `ok{app="b"}`)...); got.code != 0 || !strings.Contains(got.errors, "says nothing of it") || anomalousRows(got.out) != 0 {
		t.Errorf("a filter of something else, exit code %d: %s", got.code, got.errors)
	}
	if got := foreshock(t, "", append(args, "--clean", "ok ==")...); got.code != 2 || !strings.Contains(got.errors, "--clean: ") {
		t.Errorf("a broken filter, exit code %d: %s", got.code, got.errors)
	}
}

func cellValue(t *testing.T, s string) float64 {
	t.Helper()
	x, err := strconv.ParseFloat(s, 64)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

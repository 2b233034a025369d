package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/foreshock/foreshock/pkg/detect"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// daily is ten days at five minutes with noise, a spike, a shift and a hole.
func daily(stamp func(ms int64) string) string {
	rng := rand.New(rand.NewPCG(3, 4))
	var b strings.Builder
	b.WriteString("timestamp,value\n")
	begin := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli()
	for i := range 10 * 288 {
		x := 50 + 20*math.Sin(2*math.Pi*float64(i%288)/288) + rng.NormFloat64()
		switch {
		case i >= 2700 && i < 2712:
			x += 40
		case i >= 2000 && i < 2010:
			continue
		}
		v := strconv.FormatFloat(x, 'f', 3, 64)
		if i == 2500 {
			v = ""
		}
		fmt.Fprintf(&b, "%s,%s\n", stamp(begin+int64(i)*300_000), v)
	}
	return b.String()
}

func unix(ms int64) string { return strconv.FormatInt(ms/1000, 10) }

func TestGolden(t *testing.T) {
	t.Parallel()
	input := daily(unix)
	for _, c := range []struct {
		name string
		args []string
	}{
		{"verdicts.csv", nil},
		{"narrow.csv", []string{"-p", "width=20", "--policy", "direction=up"}},
		{"review.csv", []string{"--fit", "all"}},
		{"intervals.csv", []string{"--format", "intervals"}},
		{"intervals.zh.csv", []string{"--format", "intervals", "--lang", "zh-Hans"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got := foreshock(t, input, append([]string{"detect", "-", "-d", "mean"}, c.args...)...)
			if got.code != 0 {
				t.Fatalf("exit code %d: %s", got.code, got.errors)
			}
			// The last two days hold every state; all ten would be a file that nobody reads.
			lines := strings.SplitAfter(got.out, "\n")
			if len(lines) > 600 {
				lines = append(lines[:1:1], lines[len(lines)-400:]...)
			}
			file := filepath.Join("testdata", c.name)
			text := strings.Join(lines, "")
			if *update {
				if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(rounded(string(want)), rounded(text)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", c.name, diff)
			}
		})
	}
}

// rounded writes all numbers with nine digits: other processors fuse multiplications.
func rounded(text string) []string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		fields := strings.Split(line, ",")
		for k, f := range fields {
			if x, err := strconv.ParseFloat(f, 64); err == nil {
				fields[k] = strconv.FormatFloat(x, 'g', 9, 64)
			}
		}
		lines[i] = strings.Join(fields, ",")
	}
	return lines
}

// The shift is found, and the review says what it is.
func TestFindsTheShift(t *testing.T) {
	t.Parallel()
	got := foreshock(t, daily(unix), "detect", "-", "--format", "json")
	var out struct {
		Mode     string
		Step     string
		Rows     []map[string]any
		Episodes []struct{ Began, Direction, Reason string }
	}
	if err := json.Unmarshal([]byte(got.out), &out); err != nil {
		t.Fatal(err)
	}
	if out.Mode != "verdict" || out.Step != "5m" || len(out.Rows) != 2870 {
		t.Errorf("got mode %q, step %q, %d rows", out.Mode, out.Step, len(out.Rows))
	}
	found := false
	for _, e := range out.Episodes {
		found = found || e.Began == "2026-01-10T09:00:00Z" && e.Direction == "up" && strings.Contains(e.Reason, "above the expected")
	}
	if !found {
		t.Errorf("the shift at 2026-01-10T09:00:00Z is not among %v", out.Episodes)
	}
	review := foreshock(t, daily(unix), "detect", "-", "--format", "json", "--fit", "first:2000")
	if !strings.Contains(review.out, `"mode":"review"`) || !strings.Contains(review.errors, "mode review") {
		t.Errorf("a review does not say so: %.100s; %s", review.out, review.errors)
	}
}

// Whatever the form of the timestamps, the verdicts are the same and the text of each is given back.
func TestTimestampForms(t *testing.T) {
	t.Parallel()
	want := judged(t, daily(unix))
	for name, stamp := range map[string]func(int64) string{
		"milliseconds": func(ms int64) string { return strconv.FormatInt(ms, 10) },
		"nanoseconds":  func(ms int64) string { return strconv.FormatInt(ms*1e6, 10) },
		"decimal":      func(ms int64) string { return strconv.FormatInt(ms/1000, 10) + ".000" },
		"rfc3339":      func(ms int64) string { return time.UnixMilli(ms).UTC().Format(time.RFC3339) },
		"zone": func(ms int64) string {
			return time.UnixMilli(ms).In(time.FixedZone("", 5*3600+1800)).Format(time.RFC3339)
		},
		"space": func(ms int64) string { return time.UnixMilli(ms).UTC().Format("2006-01-02 15:04:05") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := judged(t, daily(stamp))
			if len(got) != len(want) {
				t.Fatalf("got %d rows, want %d", len(got), len(want))
			}
			for i := range want {
				sec, _ := strconv.ParseInt(want[i][0], 10, 64)
				if got[i][0] != stamp(sec*1000) {
					t.Fatalf("row %d: got timestamp %q, want %q", i, got[i][0], stamp(sec*1000))
				}
				if diff := cmp.Diff(want[i][1:], got[i][1:]); diff != "" {
					t.Fatalf("row %d differs:\n%s", i, diff)
				}
			}
		})
	}
}

func TestParseTime(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"0": "1970-01-01T00:00:00Z", "-1": "1969-12-31T23:59:59Z", "1700000000.25": "2023-11-14T22:13:20.25Z", "1.7e9": "2023-11-14T22:13:20Z",
		"2024-02-29": "2024-02-29T00:00:00Z", "2024-02-29 23:59": "2024-02-29T23:59:00Z", "1999-12-31T23:59:59.9999Z": "1999-12-31T23:59:59.999Z",
		"2024-01-01T00:00:00+08:00": "2023-12-31T16:00:00Z", "1600-03-01": "1600-03-01T00:00:00Z", "1700000000123": "2023-11-14T22:13:20.123Z",
	} {
		got, ok := parseTime([]byte(text), unitAuto)
		if s := time.UnixMilli(got).UTC().Format(time.RFC3339Nano); !ok || s != want {
			t.Errorf("parseTime(%q) = %s, %v, want %s", text, s, ok, want)
		}
	}
	for _, text := range []string{"", "x", "2023-02-29", "2024-13-01", "2024-01-01T24:00", "2024-01-01T10", "NaN", "1e300", "2024-01-01T10:00:00+8", "--1", "2024-01-01T10:00:00.Z"} {
		if got, ok := parseTime([]byte(text), unitAuto); ok {
			t.Errorf("parseTime(%q) = %d, want a refusal", text, got)
		}
	}
	rng := rand.New(rand.NewPCG(1, 1))
	for range 20_000 {
		ms := rng.Int64N(2*lastTime) - lastTime
		at := time.UnixMilli(ms).UTC()
		if at.Year() < 0 {
			continue
		}
		if got, ok := parseTime([]byte(at.Format("2006-01-02T15:04:05.000Z")), unitAuto); !ok || got != ms {
			t.Fatalf("%s: got %d, %v, want %d", at, got, ok, ms)
		}
	}
}

// One output row per input row, with its own timestamp, however messy the input is; a row without a value never has a score.
func TestOneRowPerRow(t *testing.T) {
	t.Parallel()
	for seed := range uint64(30) {
		rng := rand.New(rand.NewPCG(seed, 9))
		var b strings.Builder
		header := rng.IntN(2) == 0
		if header {
			b.WriteString("value,other,timestamp\r\n")
		}
		var stamps, values []string
		at := rng.Int64N(2e9)
		for range 200 + rng.IntN(4000) {
			switch rng.IntN(20) {
			case 0:
				at -= rng.Int64N(3000)
			case 1:
			case 2:
				at += rng.Int64N(5000)
			default:
				at += 60
			}
			stamp := strconv.FormatInt(at, 10)
			if rng.IntN(4) == 0 && at > 0 {
				stamp = time.Unix(at, 0).UTC().Format("2006-01-02 15:04:05")
			}
			value := strconv.FormatFloat(rng.NormFloat64()*math.Pow(10, float64(rng.IntN(12)-6)), 'g', -1, 64)
			if rng.IntN(10) == 0 {
				value = []string{"", "NaN", "null"}[rng.IntN(3)]
			}
			stamps, values = append(stamps, stamp), append(values, value)
			if header {
				fmt.Fprintf(&b, "%s,\"a \"\"b\"\"\",%s\r\n", value, stamp)
			} else {
				fmt.Fprintf(&b, "%s,%s\n", stamp, value)
			}
			if rng.IntN(50) == 0 {
				b.WriteString("\n") // empty lines are no rows
			}
		}
		args := []string{"--step", "1m", "--train", "6h", "--refit", "1h", "--min-train", "1h", "--policy", "horizon=1h", "-d", "mad"}
		if seed%3 == 0 {
			args = append(args, "--fit", "all")
		}
		rows := judged(t, b.String(), args...)
		if len(rows) != len(stamps) {
			t.Fatalf("seed %d: got %d rows for %d", seed, len(rows), len(stamps))
		}
		for i, r := range rows {
			x, err := strconv.ParseFloat(values[i], 64)
			gap := err != nil || math.IsNaN(x)
			y, _ := strconv.ParseFloat(r[1], 64)
			switch {
			case r[0] != stamps[i]:
				t.Fatalf("seed %d, row %d: got timestamp %q, want %q", seed, i, r[0], stamps[i])
			case gap && (r[1] != "" || r[5] != "" || r[8] != "gap" || r[7] != "0"):
				t.Fatalf("seed %d, row %d: a gap came out as %v", seed, i, r)
			case !gap && (y != x || r[8] == "gap"):
				t.Fatalf("seed %d, row %d: %s came out as %v", seed, i, values[i], r)
			}
		}
	}
}

func TestWithoutTimestamps(t *testing.T) {
	t.Parallel()
	for name, input := range map[string]string{"bare": "1\n2\n\n4\n", "named": "value\n1\n2\n\n4\n", "labelled": "value,label\n1,0\n2,0\n,0\n4,1\n"} {
		got := foreshock(t, input, "detect", "-", "-d", "mad")
		var stamps []string
		for _, r := range records(t, got.out) {
			stamps = append(stamps, r[0]+"="+r[1])
		}
		if diff := cmp.Diff([]string{"0=1", "60=2", "120=", "180=4"}, stamps); diff != "" || got.code != 0 {
			t.Errorf("%s: exit code %d (-want +got):\n%s", name, got.code, diff)
		}
		if !strings.Contains(got.errors, "no timestamp column") {
			t.Errorf("%s: not mentioned: %s", name, got.errors)
		}
	}
}

func TestManyFiles(t *testing.T) {
	t.Parallel()
	dir, out := t.TempDir(), filepath.Join(t.TempDir(), "out")
	var z bytes.Buffer
	w := gzip.NewWriter(&z)
	_, _ = w.Write([]byte(daily(unix)))
	_ = w.Close()
	for name, text := range map[string]string{"a.csv": daily(unix), "b.csv.gz": z.String(), "c.txt": "timestamp,value\n1,x\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	in := func(n string) string { return filepath.Join(dir, n) }
	got := foreshock(t, "", "detect", "-q", "--output", out, in("a.csv"), in("b.csv.gz"), in("c.txt"))
	if got.code != 2 || !strings.Contains(got.errors, `c.txt:2: column "value": got "x", want a number, or nothing for a gap`) {
		t.Errorf("got %d, %s", got.code, got.errors)
	}
	one := foreshock(t, daily(unix), "detect", "-").out
	for _, name := range []string{"a.csv", "b.csv"} {
		raw, err := os.ReadFile(filepath.Join(out, name))
		if err != nil || string(raw) != one {
			t.Errorf("%s: differs from the same input alone (%v)", name, err)
		}
	}
	if left, _ := os.ReadDir(out); len(left) != 2 {
		t.Errorf("got %v, want two files: a failed one leaves nothing", left)
	}
	same := foreshock(t, "", "detect", "--output", dir, in("a.csv"))
	if same.code != 2 || !strings.Contains(same.errors, "would be written over") {
		t.Errorf("an input was written over: %d, %s", same.code, same.errors)
	}
}

// Every mistake is one sentence with the place, the value and what is allowed, and exit code 2.
func TestBadInput(t *testing.T) {
	t.Parallel()
	file := write(t, "a.csv", "timestamp,value\n1,2\n")
	for _, c := range []struct {
		stdin string
		args  []string
		want  string
	}{
		{"", []string{"detect"}, "got no input"},
		{"", []string{"detect", "nix.csv"}, "open nix.csv"},
		{"", []string{"detect", "-"}, "stdin: holds no rows|-: holds no rows"},
		{"a,b\n1,2\n", []string{"detect", "-", "--value", "c"}, `no column "c", want one of a, b`},
		{"timestamp,value\n1,2\nx,3\n", []string{"detect", "-"}, `:3: column "timestamp": got "x", want seconds since 1970`},
		{"1,2\n3\n", []string{"detect", "-"}, ":2: got 1 columns, want at least 2"},
		{"timestamp,value\n1,\"2\n", []string{"detect", "-"}, ":2: a quote is not closed"},
		{"timestamp,a,b\n1,2,3\n", []string{"detect", "-"}, "got 2 value columns (a, b), but detector auto judges one"},
		{"1,2\n1.5,2\n2,2\n", []string{"detect", "-"}, "500ms apart (median), want 1s to 1d"},
		{"0,1\n60,1\n9999999999,1\n", []string{"detect", "-", "--step", "1s"}, "make 10000000000 places at a step of 1s"},
		{"", []string{"detect", file, file}, "got 2 files, want --output"},
		{"", []string{"detect", file, "--output", t.TempDir(), "--plot", "x.png"}, "--plot"},
		{"", []string{"detect", file, "--plot", "x.gif"}, `--plot: got "x.gif", want a file name that ends in .png or .svg`},
		{"", []string{"detect", file, "-d", "magic"}, `unknown detector "magic": want one of ` + strings.Join(detect.Detectors.Names(), ", ")},
		{"", []string{"detect", file, "-p", "budget"}, `--param: got "budget", want KEY=VALUE`},
		{"", []string{"detect", file, "-p", "budget=-1"}, `parameter "budget": got -1, want 0.01 to 1000`},
		{"", []string{"detect", file, "-p", "budgets=1"}, `unknown parameter "budgets": want one of`},
		{"", []string{"detect", file, "--policy", "n=9"}, `--policy: parameter "n": got 9, want at most m`},
		{"", []string{"detect", file, "--step", "soon"}, `parameter "step": got "soon", want a duration`},
		{"", []string{"detect", file, "--step", "7m", "--train", "1h"}, `parameter "train": got 1h, want a multiple of the step`},
		{"", []string{"detect", file, "--zone", "Mars"}, `parameter "zone": got "Mars"`},
		{"", []string{"detect", file, "--fit", "some"}, `--fit: got "some", want anchored, all or first:N`},
		{"", []string{"detect", file, "--fit", "first:0"}, `--fit: got "first:0"`},
		{"", []string{"detect", "--query", "up"}, "got --query without --prometheus.url"},
		{"", []string{"detect", "--prometheus.url", "http://a", "--query", "up", "--from", "noon"}, `--from: got "noon", want now`},
		{"", []string{"detect", "--prometheus.url", "a:b", "--query", "up"}, "--prometheus.url"},
		{"", []string{"detect", "--format", "xml"}, "--format"},
		{"", []string{"detectors", "magic"}, `unknown detector "magic"`},
		{"", []string{"score", "--shard", "2/2"}, `--shard: got "2/2", want i/n`},
		{"", []string{"score", "--config.file", "nix.yml"}, "open nix.yml"},
		{"", []string{"check"}, "required argument 'file'"},
		{"", []string{"fly"}, "fly"},
		{"", nil, "Commands:"},
	} {
		got := foreshock(t, c.stdin, c.args...)
		matched := false
		for want := range strings.SplitSeq(c.want, "|") {
			matched = matched || strings.Contains(got.errors, want)
		}
		if got.code != 2 || !matched || got.out != "" {
			t.Errorf("%v: got %d, %q, want 2 and %q on standard error alone", c.args, got.code, got.errors, c.want)
		}
	}
}

func TestChinese(t *testing.T) {
	t.Parallel()
	got := foreshock(t, "1\n2\n", "--lang", "zh-Hans", "detect", "-", "-d", "mad")
	if !strings.Contains(got.errors, "没有时间戳列") || !strings.Contains(got.errors, "异常区段") {
		t.Errorf("got %s", got.errors)
	}
	p := program{getenv: func(name string) string { return map[string]string{"LANG": "zh_CN.UTF-8"}[name] }}
	if lang := p.language(nil); lang != "zh-Hans" {
		t.Errorf("LANG=zh_CN.UTF-8: got %s", lang)
	}
	if lang := p.language([]string{"detect", "--lang", "en"}); lang != "en" {
		t.Errorf("--lang over LANG: got %s", lang)
	}
}

func TestPlot(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, magic := range map[string]string{"a.png": "\x89PNG", "a.svg": "<?xml"} {
		path := filepath.Join(dir, name)
		got := foreshock(t, daily(unix), "detect", "-", "--plot", path)
		if got.code != 0 || got.out != "" {
			t.Errorf("%s: got %d, %q, %q", name, got.code, got.errors, got.out)
		}
		raw, err := os.ReadFile(path)
		if err != nil || !strings.HasPrefix(string(raw), magic) {
			t.Errorf("%s: %v, begins with %.8q", name, err, raw)
		}
	}
	both := foreshock(t, daily(unix), "detect", "-", "--plot", filepath.Join(dir, "b.png"), "--format", "csv")
	if len(records(t, both.out)) != 2870 {
		t.Error("--format beside --plot does not write the rows")
	}
}

func TestDetectors(t *testing.T) {
	t.Parallel()
	var list []struct {
		Name   string
		Params []struct{ Name string }
	}
	got := foreshock(t, "", "detectors", "--format", "json")
	if err := json.Unmarshal([]byte(got.out), &list); err != nil || len(list) < 2 {
		t.Fatalf("%v: %s", err, got.out)
	}
	for _, d := range list {
		table := foreshock(t, "", "detectors", d.Name).out
		for _, p := range d.Params {
			if !strings.Contains(table, p.Name) {
				t.Errorf("the table of %s lacks %s", d.Name, p.Name)
			}
		}
	}
}

// Long work tells how far it is, every two seconds.
func TestProgress(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var errs bytes.Buffer
		d := detectCommand{program: program{stderr: &errs, lang: "en"}, files: make([]string, 9)}
		stop := d.progress(func() int { return 3 })
		time.Sleep(5 * time.Second)
		stop()
		if want := "3 of 9 files done\n3 of 9 files done\n"; errs.String() != want {
			t.Errorf("after five seconds: got %q, want %q", errs.String(), want)
		}
	})
}

func BenchmarkReadCSV(b *testing.B) {
	var in bytes.Buffer
	in.WriteString("timestamp,value\n")
	const n = 200_000
	for i := range n {
		fmt.Fprintf(&in, "%d,%.3f\n", 1_700_000_000+60*i, 100+math.Sin(float64(i)))
	}
	b.SetBytes(int64(in.Len()))
	for b.Loop() {
		t, err := readCSV("x", bytes.NewReader(in.Bytes()), csvOptions{})
		if err != nil || t.n != n {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}

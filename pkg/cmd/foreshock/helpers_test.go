package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// outcome is what one run of the program left.
type outcome struct {
	code        int
	out, errors string
}

// foreshock runs the program within the test.
func foreshock(t testing.TB, stdin string, args ...string) outcome {
	t.Helper()
	var out, errs bytes.Buffer
	p := program{stdin: strings.NewReader(stdin), stdout: &out, stderr: &errs, getenv: func(string) string { return "" }}
	return outcome{p.run(context.Background(), args), out.String(), errs.String()}
}

// judged runs detect on a text and returns its rows without the header.
func judged(t testing.TB, input string, args ...string) [][]string {
	t.Helper()
	got := foreshock(t, input, append([]string{"detect", "-"}, args...)...)
	if got.code != 0 {
		t.Fatalf("exit code %d: %s", got.code, got.errors)
	}
	return records(t, got.out)
}

func records(t testing.TB, text string) [][]string {
	t.Helper()
	rows, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	return rows[1:]
}

func write(t testing.TB, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

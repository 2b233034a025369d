package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// TestMain lets the test binary be the process that burns CPU, and removes what was built.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == burnWord {
		os.Exit(burn(os.Args[2:]))
	}
	code := m.Run()
	if dir := builtIn; dir != "" {
		os.RemoveAll(dir)
	}
	os.Exit(code)
}

var builtIn string

// built builds all programs once for all tests and returns their folder.
var built = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "foreshock-demo-test-")
	if err != nil {
		return "", err
	}
	builtIn = dir
	_, err = findBinaries(context.Background(), options{}, dir, func(string) {})
	return dir, err
})

func programsOf(t *testing.T) string {
	t.Helper()
	dir, err := built()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// root is the checkout.
func root(t *testing.T) string {
	t.Helper()
	dir, err := checkout()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// need finds a program of the distribution. Without it the test fails, or is skipped when that is allowed.
func need(t *testing.T, program string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err == nil {
		return path
	}
	text := fmt.Sprintf("this test needs the program %s, which is not installed", program)
	if os.Getenv("FORESHOCK_TEST_OPTIONAL") == "1" {
		t.Skip(text)
	}
	t.Fatal(text)
	return ""
}

// succeeds runs a command and returns what it wrote.
func succeeds(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

func files(t *testing.T, pattern string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(root(t), pattern))
	if err != nil {
		t.Fatal(err)
	}
	if len(found) == 0 {
		t.Fatalf("no file is like %s", pattern)
	}
	return found
}

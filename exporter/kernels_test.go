//go:build cgo && linux

package main

import (
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/foreshock/foreshock/exporter/collector"
)

// kernelHost unpacks the files of a host with another kernel. What the archive cannot hold is the same for all of them.
func kernelHost(t *testing.T, archive string) *collector.Host {
	t.Helper()
	dir := t.TempDir()
	for _, sub := range []string{"proc", "sys", "root"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	unpack(t, archive, dir)
	h := collector.ThisHost(slog.New(slog.DiscardHandler))
	h.Proc, h.Sys, h.Root, h.Udev = filepath.Join(dir, "proc"), filepath.Join(dir, "sys"), filepath.Join(dir, "root"), filepath.Join(dir, "udev")
	h.Now = func() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) }
	h.Uname = func() (collector.Uname, error) { return collector.Uname{Sysname: "Linux", Nodename: "old-1"}, nil }
	h.Statfs = func(string) (collector.Usage, error) {
		return collector.Usage{Size: 1 << 40, Free: 1 << 39, Avail: 1 << 38}, nil
	}
	h.Timex = func() (collector.Timex, error) {
		return collector.Timex{State: 5, Status: 64, MaxError: 16000000, Tick: 10000}, nil
	}
	h.Links = func() ([]collector.Link, error) { return nil, nil }
	h.TCPSockets = func(family uint8) ([]byte, error) { return socketDump(family), nil }
	return h
}

// TestKernels: the whole scrape of hosts with old and new kernels. A family that a kernel does not have is absent, and no collector fails for it.
func TestKernels(t *testing.T) {
	t.Parallel()
	archives, err := filepath.Glob("testdata/kernels/*.txtar")
	if err != nil || len(archives) < 3 {
		t.Fatalf("%v, %v", archives, err)
	}
	for _, archive := range archives {
		name := strings.TrimSuffix(filepath.Base(archive), ".txtar")
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			args := []string{"--web.disable-exporter-metrics", "--no-collector.netdev.netlink", "--collector.cpu.info", "--collector.disable-defaults"}
			for _, n := range hostCollectors() {
				args = append(args, "--collector."+n)
			}
			o, _, err := parse(args)
			if err != nil {
				t.Fatal(err)
			}
			var log strings.Builder
			logger := slog.New(slog.NewTextHandler(&log, nil))
			host := kernelHost(t, archive)
			set, err := collector.NewSet(collector.Config{Host: host, Log: logger, Enabled: o.enabled, Options: o.collectors})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { set.Close() })
			h, err := newHandler(o, set, logger)
			if err != nil {
				t.Fatal(err)
			}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
			if strings.Contains(log.String(), "The collector failed") {
				t.Errorf("a kernel that lacks something is no trouble:\n%s", log.String())
			}
			got := regexp.MustCompile(`(?m)^(# .*|(node|foreshock)_exporter_build_info.*|node_scrape_collector_duration_seconds.*|foreshock_exporter_collector_stuck.*)\n`).
				ReplaceAllString(w.Body.String(), "")
			checkGolden(t, filepath.Join("testdata/golden", name+".prom"), got)
			checkMetrics(t, w.Body.String())
		})
	}
}

// hostCollectors are those that read the files of the kernel.
func hostCollectors() []string {
	var out []string
	for _, n := range collector.Collectors.Names() {
		switch n {
		case "nvml", "containers", "container", "logs":
		default:
			out = append(out, n)
		}
	}
	return out
}

func checkGolden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); diff != "" {
		t.Errorf("the scrape differs from %s (-want +got); after a wanted change: go test ./exporter -run TestKernels -update\n%s", path, diff)
	}
}

// checkMetrics gives a scrape to promtool.
func checkMetrics(t *testing.T, text string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), tool(t, "promtool"), "check", "metrics")
	cmd.Stdin = strings.NewReader(text)
	out, err := cmd.CombinedOutput()
	if exit := (*exec.ExitError)(nil); err != nil && (!errors.As(err, &exit) || exit.ExitCode() != 3) { // 3: there are objections
		t.Fatalf("promtool check metrics: %v\n%s", err, out)
	}
	reportLint(t, "promtool", strings.Split(strings.TrimSpace(string(out)), "\n"))
}

//go:build cgo && linux

package main

import (
	"bufio"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// programEnv makes the test binary be the exporter: the stand-in for NVIDIA's library reads the environment of its process.
const programEnv = "FORESHOCK_EXPORTER_PROGRAM"

// TestGPUDriver runs the program with the stand-in for NVIDIA's library. An error that the driver reports is counted without a scrape; a driver that hangs
// costs the GPUs' metrics and nothing else, and the program still ends when it is asked to.
func TestGPUDriver(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	script, events := filepath.Join(dir, "script"), filepath.Join(dir, "events")
	write := func(path, text string) {
		t.Helper()
		if err := os.WriteFile(path+".new", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(path+".new", path); err != nil { // the library reads at any time
			t.Fatal(err)
		}
	}
	const gpu = "count 1\n0.uuid GPU-aaaa\n0.minor 0\n0.util 37\n"
	write(script, gpu)
	cmd := exec.Command(os.Args[0], "--web.listen-address=127.0.0.1:0", "--collector.disable-defaults", "--collector.nvml", "--collector.loadavg",
		"--collector.nvml.library="+gpuLibrary(t), "--log.format=logfmt")
	cmd.Env = append(os.Environ(), programEnv+"=1", "NVML_STUB_SCRIPT="+script, "NVML_STUB_EVENTS="+events)
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill() })
	address := ""
	lines := bufio.NewScanner(stderr)
	for address == "" && lines.Scan() {
		if m := regexp.MustCompile(`msg="Listening on" address=(\S+)`).FindStringSubmatch(lines.Text()); m != nil {
			address = m[1]
		}
	}
	go io.Copy(io.Discard, stderr)
	scrape := func() string {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+"/metrics", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-Prometheus-Scrape-Timeout-Seconds", "2")
		resp, err := (&http.Client{Timeout: time.Minute}).Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	has := func(text string, parts ...string) {
		t.Helper()
		for _, p := range parts {
			if !strings.Contains(text, "\n"+p) {
				t.Errorf("no %q in the scrape", p)
			}
		}
	}
	first := scrape()
	has(first, `foreshock_gpu_utilization_ratio{device="nvidia0",gpu="0",uuid="GPU-aaaa"} 0.37`, `node_scrape_collector_success{collector="nvml"} 1`,
		`foreshock_gpu_xid_errors_total{device="nvidia0",gpu="0",uuid="GPU-aaaa",xid="79"} 0`)

	write(events, "0 79\n")
	counted := `foreshock_gpu_xid_errors_total{device="nvidia0",gpu="0",uuid="GPU-aaaa",xid="79"} 1`
	for range 1000 {
		if first = scrape(); strings.Contains(first, counted) {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	has(first, counted)

	write(script, "hang 600\n"+gpu)
	for range 2 {
		text := scrape()
		has(text, `node_scrape_collector_success{collector="nvml"} 0`, `node_scrape_collector_success{collector="loadavg"} 1`, "node_load1 ")
		if strings.Contains(text, "\nDCGM_") {
			t.Error("a driver that hangs has values")
		}
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("the program ended with %v", err)
		}
	case <-time.After(time.Minute):
		t.Error("the program does not end while the driver hangs")
	}
}

package main

import (
	"bytes"
	"context"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// The chain, wholly real, on the newest servers (embedded) and on the oldest that are supported (Debian's): the fault is found, alerted, received, made a
// case of and told, and afterwards nothing is left.
func TestTheAlertIsHandled(t *testing.T) {
	t.Parallel()
	for _, stack := range []string{stackEmbedded, stackDebian} {
		t.Run(stack, func(t *testing.T) {
			t.Parallel()
			if stack == stackDebian {
				need(t, "prometheus")
				need(t, "prometheus-alertmanager")
			}
			d, out := newDemo(t, stack)
			d.options.burnCores = 1 // it need not make the rule fire
			d.options.handled = func(ctx context.Context, d *demo) { lookAt(ctx, t, d) }
			if err := d.run(t.Context()); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			after := 0
			for _, want := range []string{
				"fault         checkout", "scorer        foreshock_score", "scorer        foreshock_anomalous 1", "Prometheus    alert ShopLatencyAnomaly fires",
				"Alertmanager  has the alert", "webhook       delivery", `P0 "ShopLatencyAnomaly`, `notification  received: "[P0] ShopLatencyAnomaly`, "Picture: ",
			} {
				at := strings.Index(out.String()[after:], want)
				if at < 0 {
					t.Fatalf("no %q, or not after the others, in\n%s", want, out)
				}
				after += at
			}
			if !strings.Contains(out.String(), "plugin        says the same") {
				t.Errorf("no verdict of the plugin in\n%s", out)
			}
			pictureIsDrawn(t, d.options.output)
			nothingIsLeft(t, d)
		})
	}
}

// A link that is broken is named, and only what comes after it is missing.
func TestTheBrokenLinkIsNamed(t *testing.T) {
	t.Parallel()
	d, out := newDemo(t, stackEmbedded)
	nobody, err := freeAddress()
	if err != nil {
		t.Fatal(err)
	}
	d.options.hook, d.options.burnCores, d.options.timeout = "http://"+nobody+"/api/v1/alerts", 0, 100*time.Second
	err = d.run(t.Context())
	if err == nil {
		t.Fatalf("the alert was handled without a webhook:\n%s", out)
	}
	for _, want := range []string{"the latency of checkout broke at webhook", "delivered none of it", "Alertmanager says", "connection refused"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in %v", want, err)
		}
	}
	if strings.Contains(err.Error(), "plugin") {
		t.Errorf("the plugin is blamed too: %v", err)
	}
	nothingIsLeft(t, d)
}

// Ctrl-C during the start ends everything.
func TestInterruptedAtTheStart(t *testing.T) {
	t.Parallel()
	d, _ := newDemo(t, stackEmbedded)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		for { // as soon as a program runs
			if found, _ := filepath.Glob(filepath.Join(d.options.tmp, "*", "logs", "webhook.log")); len(found) > 0 {
				cancel()
				return
			}
			select {
			case <-t.Context().Done():
				return
			case <-time.After(5 * time.Millisecond):
			}
		}
	}()
	if err := d.run(ctx); err == nil || !strings.Contains(err.Error(), errStopped.Error()) {
		t.Errorf("got %v, want %v", err, errStopped)
	}
	nothingIsLeft(t, d)
}

func newDemo(t *testing.T, stack string) (*demo, *buffer) {
	t.Helper()
	dir := programsOf(t)
	out := &buffer{}
	o, _, err := parse([]string{"--once", "--no-grafana", "--stack", stack, "--bin.dir", dir, "--dist.dir", dir, "--output", filepath.Join(t.TempDir(), "picture.png")})
	if err != nil {
		t.Fatal(err)
	}
	o.tmp = t.TempDir()
	return &demo{options: o, story: &story{w: out}}, out
}

// buffer is a bytes.Buffer for several writers.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) { b.mu.Lock(); defer b.mu.Unlock(); return b.b.Write(p) }

func (b *buffer) String() string { b.mu.Lock(); defer b.mu.Unlock(); return b.b.String() }

func pictureIsDrawn(t *testing.T, path string) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	picture, err := png.Decode(f)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	red := 0
	for y := range picture.Bounds().Dy() {
		for x := range picture.Bounds().Dx() {
			if r, g, b, _ := picture.At(x, y).RGBA(); r>>8 > 180 && g>>8 < 90 && b>>8 < 110 {
				red++
			}
		}
	}
	if red < 40 {
		t.Errorf("%s: %d red pixels, want the points of the anomaly", path, red)
	}
}

// nothingIsLeft looks for the temporary folder and for processes that came of it.
func nothingIsLeft(t *testing.T, d *demo) {
	t.Helper()
	left, err := os.ReadDir(d.options.tmp)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range left {
		t.Errorf("%s is left", e.Name())
	}
	processes, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range processes {
		text, err := os.ReadFile(p)
		if err == nil && bytes.Contains(text, []byte(d.options.tmp)) {
			t.Errorf("%s still runs: %q", p, text)
		}
	}
}

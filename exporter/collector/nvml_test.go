package collector

import (
	"context"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/foreshock/foreshock/exporter/nvml"
)

// cards is a reader that answers with what it has.
type cards struct {
	snapshot nvml.Snapshot
	block    chan struct{}
	closed   bool
}

func (c *cards) Read() nvml.Snapshot {
	if c.block != nil {
		<-c.block
	}
	return c.snapshot
}

func (c *cards) Close() { c.closed = true }

// sent runs one Update and returns its samples as name{label=value,…}.
func sent(t *testing.T, c Collector) (map[string]float64, error) {
	t.Helper()
	ch := make(chan prometheus.Metric, 10_000)
	err := c.Update(context.Background(), ch)
	close(ch)
	out := map[string]float64{}
	for m := range ch {
		var d dto.Metric
		if err := m.Write(&d); err != nil {
			t.Fatal(err)
		}
		var labels []string
		for _, p := range d.GetLabel() {
			labels = append(labels, p.GetName()+"="+p.GetValue())
		}
		key := m.(*sample).f.Name + "{" + strings.Join(labels, ",") + "}"
		if _, twice := out[key]; twice {
			t.Errorf("%s was sent twice", key)
		}
		out[key] = d.GetGauge().GetValue() + d.GetCounter().GetValue()
	}
	return out, err
}

// only returns the samples of the families that begin with one of the prefixes.
func only(samples map[string]float64, prefixes ...string) map[string]float64 {
	out := map[string]float64{}
	for k, v := range samples {
		for _, p := range prefixes {
			if strings.HasPrefix(k, p) {
				out[k] = v
			}
		}
	}
	return out
}

func openGPUs(t *testing.T, s nvml.Snapshot) (*gpus, *cards) {
	t.Helper()
	h := ThisHost(quiet())
	h.Proc = t.TempDir()
	r := &cards{snapshot: s}
	c := &gpus{MaxProcesses: 2, Hostname: "web-1", reader: r}
	if err := c.Open(h); err != nil {
		t.Fatal(err)
	}
	return c, r
}

// TestGPULost: of a lost GPU there is that it is lost, and the errors that it had; nothing else, and no zero.
func TestGPULost(t *testing.T) {
	t.Parallel()
	id := nvml.Identity{UUID: "GPU-a"}
	c, r := openGPUs(t, nvml.Snapshot{State: nvml.Lost, Detail: "gone", GPUs: []nvml.GPU{
		{Identity: id, Lost: true, Values: nvml.Unknown(), XIDs: &nvml.XIDs{Last: 79, Count: map[uint64]uint64{79: 1}}},
	}})
	got, err := sent(t, c)
	if err != nil {
		t.Error(err)
	}
	for _, xid := range commonXIDs {
		key := "foreshock_gpu_xid_errors_total{gpu=0,uuid=GPU-a,xid=" + strconv.FormatUint(xid, 10) + "}"
		if want := truth(xid == 79); got[key] != want {
			t.Errorf("%s is %v, want %v", key, got[key], want)
		}
	}
	want := map[string]float64{
		"DCGM_FI_DEV_XID_ERRORS{Hostname=web-1,UUID=GPU-a,gpu=0}": 79, "foreshock_gpu_up{gpu=0,uuid=GPU-a}": 0,
		"foreshock_gpu_state{state=ok}": 0, "foreshock_gpu_state{state=lost}": 1, "foreshock_gpu_state{state=no_device}": 0,
		"foreshock_gpu_state{state=library_missing}": 0, "foreshock_gpu_state{state=driver_error}": 0, "foreshock_gpu_state{state=not_built}": 0,
	}
	for k := range only(got, gpuXIDs.Name) {
		delete(got, k)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if err := c.Close(); err != nil || !r.closed {
		t.Error("the reader was not closed")
	}
}

// TestGPUProcesses: the largest are listed up to the limit, one that the driver lists twice is one, and the others are counted.
func TestGPUProcesses(t *testing.T) {
	t.Parallel()
	c, _ := openGPUs(t, nvml.Snapshot{State: nvml.OK, GPUs: []nvml.GPU{{Values: nvml.Unknown(), Processes: []nvml.Process{
		{PID: 1, Memory: 10}, {PID: 2, Memory: 30}, {PID: 1, Memory: 25}, {PID: 3, Memory: 5}, {PID: 4, Graphics: true, Memory: math.NaN()}, {PID: 2, Memory: math.NaN()},
	}}}})
	if err := os.MkdirAll(filepath.Join(c.host.Proc, "1"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(c.host.Proc, "1/comm"), []byte("train\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := sent(t, c)
	if err != nil {
		t.Error(err)
	}
	want := map[string]float64{
		"foreshock_gpu_processes{gpu=0,type=compute}": 3, "foreshock_gpu_processes{gpu=0,type=graphics}": 1, "foreshock_gpu_processes_omitted{gpu=0}": 2,
		"foreshock_gpu_process_memory_bytes{gpu=0,pid=1,process=train,type=compute}": 35, "foreshock_gpu_process_memory_bytes{gpu=0,pid=2,type=compute}": 30,
	}
	if diff := cmp.Diff(want, only(got, "foreshock_gpu_process")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestGPUHangs: a driver that does not return costs the GPUs' metrics, and neither the scrape nor the end of the program waits for it.
func TestGPUHangs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, r := openGPUs(t, nvml.Snapshot{State: nvml.NoDevice})
		r.block = make(chan struct{})
		s := setOf(quiet(), map[string]Collector{"nvml": c, "good": fake(good)})
		start := time.Now()
		got := values(t, s, 5*time.Second)
		if took := time.Since(start); took != 5*time.Second || got["success{collector=nvml}"] != 0 || got["node_fake{n=a}"] != 1 {
			t.Errorf("after %s: %v", took, got)
		}
		if err := s.Close(); err != nil || r.closed {
			t.Errorf("Close: %v, reader closed %v; it is busy", err, r.closed)
		}
		close(r.block)
		synctest.Wait()
		if err := s.Close(); err != nil || !r.closed {
			t.Errorf("Close: %v, reader closed %v", err, r.closed)
		}
	})
}

//go:build cgo && linux

package nvml

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// oneGPU is a host with one GPU of which only the identity is known.
func oneGPU(more ...string) []string { return append(more, "count 1", "0.uuid GPU-aaaa", "0.minor 0") }

func only(t *testing.T, s Snapshot) GPU {
	t.Helper()
	if s.State != OK || len(s.GPUs) != 1 {
		t.Fatalf("want one GPU that answers, got %+v", s)
	}
	return s.GPUs[0]
}

// appendEvent makes the driver report an error.
func (s *stub) appendEvent(t *testing.T, gpu, xid int) {
	t.Helper()
	f, err := os.OpenFile(filepath.Join(s.dir, "events"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	fmt.Fprintf(f, "%d %d\n", gpu, xid)
}

// until reads until the condition holds; events come from another thread.
func until(t *testing.T, r *Reader, what string, ok func(Snapshot) bool) Snapshot {
	t.Helper()
	for range 1000 {
		if s := r.Read(); ok(s) {
			return s
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("never: %s; last %+v", what, r.Read())
	return Snapshot{}
}

var moreScenarios = map[string]scenario{
	// Every value in the units of the package. Field numbers are those of nvml.h.
	"all values": {run: func(t *testing.T, s *stub) {
		s.script(t, oneGPU(
			"driver 580.65.06", "0.util 37", "0.memory_util 12", "0.encoder 3", "0.decoder 4", "0.sm_clock 1980", "0.memory_clock 3201", "0.video_clock 1545",
			"0.max_sm_clock 1980", "0.temp 51", "0.slowdown 92", "0.shutdown 95", "0.power 412345", "0.power_limit 700000", "0.total 143771", "0.used 1024",
			"0.free 142000", "0.reserved 747", "0.fan 30", "0.pstate 0", "0.clock_reasons 36", "0.pcie_generation 5", "0.pcie_width 16", "0.mig 0",
			"0.field.3 1", "0.field.4 2", "0.field.5 3", "0.field.6 4", "0.field.29 5", "0.field.30 6", "0.field.31 1", "0.field.38 7", "0.field.45 8",
			"0.field.52 9", "0.field.59 10", "0.field.138.4294967295 2", "0.field.139.4294967295 3", "0.field.74 1500000000", "0.field.75 2500000000",
			"0.field.76 0", "0.field.77 0", "0.field.78 0", "0.field.79 0", "0.field.251 1000000000", "0.field.252 0", "0.field.253 0", "0.field.82 u:64",
			"0.field.83 5000", "0.field.94 u:11", "0.field.197 12", "0.field.198 13", "0.field.142 h:14", "0.field.143 d:15", "0.field.144 1", "0.field.145 s:0",
			"0.compute 4711:512 4712:-1", "0.graphics 815:64",
		)...)
		got := s.reader().Read()
		if got.Driver != "580.65.06" {
			t.Errorf("driver %q", got.Driver)
		}
		g := only(t, got)
		want := known(map[Value]float64{
			Utilization: 37, MemoryUtilization: 12, EncoderUtilization: 3, DecoderUtilization: 4, SMClock: 1980e6, MemoryClock: 3201e6, VideoClock: 1545e6,
			MaxSMClock: 1980e6, Temperature: 51, MemoryTemperature: 64, SlowdownTemperature: 92, ShutdownTemperature: 95, Power: 412.345, PowerLimit: 700, Energy: 5,
			MemoryTotal: 143771 * mib, MemoryUsed: 1024 * mib, MemoryFree: 142000 * mib, MemoryReserved: 747 * mib, PCIeReplays: 11, PCIeGeneration: 5, PCIeWidth: 16,
			PCIeTransmit: 12, PCIeReceive: 13, FanSpeed: 30, PerformanceState: 0, ClockReasons: 36, MIGMode: 0, ECCSingleVolatile: 1, ECCDoubleVolatile: 2,
			ECCSingleAggregate: 3, ECCDoubleAggregate: 4, RetiredSingle: 5, RetiredDouble: 6, RetiredPending: 1, RemappedCorrectable: 14, RemappedUncorrectable: 15,
			RemapPending: 1, RemapFailure: 0, NVLinkFlitCRC: 7, NVLinkDataCRC: 8, NVLinkReplay: 9, NVLinkRecovery: 10, NVLinkTransmit: 2048, NVLinkReceive: 3072,
			ThrottledPower: 1.5, ThrottledThermal: 2.5, ThrottledSyncBoost: 0, ThrottledBoardLimit: 0, ThrottledLowUtilization: 0, ThrottledReliability: 0,
			ThrottledSoftwareThermal: 1, ThrottledHardwareThermal: 0, ThrottledPowerBrake: 0,
		})
		if diff := cmp.Diff(want, g.Values, cmpopts.EquateNaNs(), cmpopts.EquateApprox(1e-12, 0)); diff != "" {
			t.Errorf("values, by their number (-want +got):\n%s", diff)
		}
		processes := []Process{{PID: 4711, Memory: 512 * mib}, {PID: 4712, Memory: math.NaN()}, {PID: 815, Graphics: true, Memory: 64 * mib}}
		if diff := cmp.Diff(processes, g.Processes, cmpopts.EquateNaNs()); diff != "" {
			t.Errorf("processes (-want +got):\n%s", diff)
		}
	}},

	// A driver without field values tells some of them by functions of their own.
	"no fields": {without: []string{"FIELDS", "CLOCK_REASONS"}, run: func(t *testing.T, s *stub) {
		s.script(t, oneGPU("0.ecc.0.0 1", "0.ecc.1.0 2", "0.ecc.0.1 3", "0.ecc.1.1 4", "0.violation.0 1000000000", "0.violation.1 2000000000", "0.energy 7000",
			"0.pcie_replay 5", "0.remapped 6 7 1 0", "0.clock_reasons 4")...)
		want := known(map[Value]float64{
			ECCSingleVolatile: 1, ECCDoubleVolatile: 2, ECCSingleAggregate: 3, ECCDoubleAggregate: 4, ThrottledPower: 1, ThrottledThermal: 2, Energy: 7,
			PCIeReplays: 5, RemappedCorrectable: 6, RemappedUncorrectable: 7, RemapPending: 1, RemapFailure: 0, ClockReasons: 4,
		})
		if diff := cmp.Diff(want, only(t, s.reader().Read()).Values, cmpopts.EquateNaNs()); diff != "" {
			t.Errorf("values, by their number (-want +got):\n%s", diff)
		}
	}},

	// Blank fields, and fields of no known type, are not values.
	"blanks": {run: func(t *testing.T, s *stub) {
		s.script(t, oneGPU("0.field.3 9223372036854775792", "0.field.4 2147483632", "0.field.5 18446744073709551615", "0.field.6 d:140737488355328", "0.field.82 u:255",
			"0.power 2147483632", "0.compute 1:8796093022207")...) // the last is 2^63 bytes less a MiB
		g := only(t, s.reader().Read())
		if diff := cmp.Diff(Unknown(), g.Values, cmpopts.EquateNaNs()); diff != "" {
			t.Errorf("values, by their number (-want +got):\n%s", diff)
		}
		if len(g.Processes) != 1 || !math.IsNaN(g.Processes[0].Memory) {
			t.Errorf("processes %+v", g.Processes)
		}
	}},

	// GPUs without totals over their links tell each link, and the sum is taken.
	"links": {run: func(t *testing.T, s *stub) {
		s.script(t, oneGPU("0.field.161 1", "0.field.161.1 2", "0.field.161.17 4", "0.field.162 8", "0.field.163.2 16")...)
		want := known(map[Value]float64{NVLinkReplay: 7, NVLinkRecovery: 8, NVLinkCRC: 16})
		if diff := cmp.Diff(want, only(t, s.reader().Read()).Values, cmpopts.EquateNaNs()); diff != "" {
			t.Errorf("values, by their number (-want +got):\n%s", diff)
		}
	}},

	"instances": {run: func(t *testing.T, s *stub) {
		lines := oneGPU("0.name NVIDIA H200", "0.mig 1", "0.mig.0 1", "0.mig.1 5", "0.mig.3 5", "0.temp 40", "0.total 1000", "0.used 300", "0.free 700",
			"0.mig.0.name NVIDIA H200 MIG 1g.18gb", "0.mig.0.total 100", "0.mig.0.used 30", "0.mig.0.free 70",
			"0.mig.1.name NVIDIA H200 MIG 3g.71gb", "0.mig.1.total 400", "0.mig.1.used 4", "0.mig.1.free 396", "0.compute 7:20:5 8:1:1 9:2:5")
		s.script(t, lines...)
		r := s.reader()
		got := r.Read()
		id := func(instance, profile string) Identity {
			return Identity{UUID: "GPU-aaaa", Device: "nvidia0", Name: "NVIDIA H200", Instance: instance, Profile: profile}
		}
		want := []GPU{
			{
				Identity: id("", ""), XIDs: noErrors(),
				Values: known(map[Value]float64{MIGMode: 1, Temperature: 40, MemoryTotal: 1000 * mib, MemoryUsed: 300 * mib, MemoryFree: 700 * mib, MemoryReserved: 0}),
			},
			{
				Identity: id("1", "1g.18gb"), Processes: []Process{{PID: 8, Memory: mib}},
				Values: known(map[Value]float64{MemoryTotal: 100 * mib, MemoryUsed: 30 * mib, MemoryFree: 70 * mib, MemoryReserved: 0}),
			},
			{
				Identity: id("5", "3g.71gb"), Processes: []Process{{PID: 7, Memory: 20 * mib}, {PID: 9, Memory: 2 * mib}},
				Values: known(map[Value]float64{MemoryTotal: 400 * mib, MemoryUsed: 4 * mib, MemoryFree: 396 * mib, MemoryReserved: 0}),
			},
		}
		expect(t, got, OK, want)
		// An instance that is destroyed is gone, and not lost.
		s.script(t, append([]string{"0.mig.0 !6"}, lines...)...)
		if got := r.Read(); got.State != OK || len(got.GPUs) != 2 || got.GPUs[1].Instance != "5" {
			t.Errorf("after one instance was destroyed: %+v", got)
		}
	}},

	"events": {run: func(t *testing.T, s *stub) {
		s.script(t, twoGPUs("1.events !4")...)
		r := s.reader()
		got := r.Read()
		if x := got.GPUs[0].XIDs; x == nil || x.Last != 0 || len(x.Count) != 0 {
			t.Errorf("before any error: %+v", x)
		}
		if x := got.GPUs[1].XIDs; x != nil {
			t.Errorf("a GPU that reports no events has %+v", x)
		}
		s.appendEvent(t, 0, 43)
		s.appendEvent(t, 0, 79)
		s.appendEvent(t, 0, 43)
		got = until(t, r, "three errors", func(s Snapshot) bool { return s.GPUs[0].XIDs.Count[43] == 2 })
		if diff := cmp.Diff(&XIDs{Last: 43, Count: map[uint64]uint64{43: 2, 79: 1}}, got.GPUs[0].XIDs); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		// The GPU falls off the bus: the counts stay, through a fresh start of the library too.
		s.script(t, twoGPUs("0.util !15", "wait !15")...)
		if got = r.Read(); got.State != Lost || got.GPUs[0].XIDs.Count[43] != 2 {
			t.Errorf("lost: %+v", got)
		}
		s.script(t, twoGPUs()...)
		s.clock = s.clock.Add(retryLost)
		if got = r.Read(); got.State != OK || got.GPUs[0].XIDs.Count[79] != 1 {
			t.Errorf("back: %+v", got)
		}
		s.appendEvent(t, 1, 31)
		until(t, r, "an error of the other GPU", func(s Snapshot) bool { return s.GPUs[1].XIDs.Count[31] == 1 })
		r.Close()
		b, _ := os.ReadFile(filepath.Join(s.dir, "log"))
		if on, off := strings.Count(string(b), "\nevents"), strings.Count(string(b), "no events"); on != 2 || off != 2 {
			t.Errorf("%d event sets were made and %d freed, want 2", on, off)
		}
	}},

	// More different numbers than any GPU has do not fill the memory.
	"many events": {run: func(t *testing.T, s *stub) {
		s.script(t, oneGPU()...)
		for xid := range 3 * maxXIDs {
			s.appendEvent(t, 0, 1000+xid)
		}
		r := s.reader()
		defer r.Close()
		got := until(t, r, "all errors", func(s Snapshot) bool { return s.GPUs[0].XIDs.Last == 1000+3*maxXIDs-1 })
		if x := got.GPUs[0].XIDs; len(x.Count) != maxXIDs || x.Other != 2*maxXIDs {
			t.Errorf("%d numbers, %d others", len(x.Count), x.Other)
		}
	}},

	// A GPU is plugged in while the program runs: it is read, and its errors are counted. One that was without links is asked for them anew.
	"hot-plug": {run: func(t *testing.T, s *stub) {
		s.script(t, oneGPU()...)
		r := s.reader()
		only(t, r.Read())
		s.script(t, "count 2", "0.uuid GPU-aaaa", "0.minor 0", "1.uuid GPU-bbbb", "1.minor 1", "1.temp 33", "0.field.161.3 5")
		got := r.Read()
		if got.State != OK || len(got.GPUs) != 2 || got.GPUs[1].Values[Temperature] != 33 || got.GPUs[0].Values[NVLinkReplay] != 5 {
			t.Errorf("%+v", got)
		}
		s.appendEvent(t, 1, 31)
		until(t, r, "an error of the new GPU", func(s Snapshot) bool { return s.GPUs[1].XIDs.Count[31] == 1 })
		r.Close()
	}},

	// While the driver hangs in another call, errors are still counted: that is when they come.
	"hanging read": {run: func(t *testing.T, s *stub) {
		s.script(t, oneGPU()...)
		r := s.reader()
		r.Read()
		s.script(t, oneGPU("hang 2")...)
		done := make(chan Snapshot)
		began := time.Now()
		go func() { done <- r.Read() }()
		s.appendEvent(t, 0, 119)
		for r.xids.of("GPU-aaaa").Count[119] == 0 && time.Since(began) < time.Minute {
			time.Sleep(5 * time.Millisecond)
		}
		select {
		case <-done:
			t.Error("the read was over before the error was counted")
		default:
		}
		if got := <-done; only(t, got).XIDs.Last != 119 {
			t.Errorf("%+v", got)
		}
		r.Close()
	}},

	// A wait for events that does not come back holds up neither reading nor Close, and the library is not taken away under it.
	"hanging events": {run: func(t *testing.T, s *stub) {
		s.script(t, oneGPU("0.temp 40", "wait_hang 600")...)
		r := s.reader()
		if g := only(t, r.Read()); g.Values[Temperature] != 40 {
			t.Errorf("%+v", g)
		}
		time.Sleep(50 * time.Millisecond) // let it hang
		began := time.Now()
		r.Close()
		if took := time.Since(began); took < stopEvents || took > stopEvents+10*time.Second {
			t.Errorf("Close took %s", took)
		}
		if _, ends := s.starts(t); ends != 0 {
			t.Error("the library was shut down under a call")
		}
	}},
}

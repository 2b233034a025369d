//go:build cgo && linux

package nvml

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// The binding keeps what it found of a library for the life of the process, and a missing function ends the process. So every scenario runs in
// a process of its own, against a stub that is built from testdata/stub.c and does what a script file says.

// scenario runs in the child process. without names the functions that the stub lacks.
type scenario struct {
	without []string
	run     func(t *testing.T, s *stub)
}

// stub is what a scenario has in hand.
type stub struct {
	library string
	dir     string
	clock   time.Time
}

func (s *stub) script(t *testing.T, lines ...string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, "script"), []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
}

// starts returns how often the library was started and shut down.
func (s *stub) starts(t *testing.T) (starts, ends int) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(s.dir, "log"))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return strings.Count(string(b), "init\n"), strings.Count(string(b), "shutdown\n")
}

func (s *stub) reader() *Reader {
	r := NewReader(Options{Library: s.library})
	r.now = func() time.Time { return s.clock }
	return r
}

// twoGPUs is a healthy host.
func twoGPUs(more ...string) []string {
	return append(more,
		"count 2", "driver 580.65.06",
		"0.uuid GPU-aaaa", "0.name NVIDIA H200", "0.pci 00000000:07:00.0", "0.minor 0",
		"0.util 37", "0.temp 51", "0.power 412345", "0.total 143771", "0.used 1024", "0.free 142000",
		"1.uuid GPU-bbbb", "1.name NVIDIA H200", "1.pci 00000000:0A:00.0", "1.minor 3",
		"1.util 0", "1.temp 30", "1.power 0", "1.total 143771", "1.used 0", "1.free 143000",
	)
}

const mib = 1 << 20

// known returns values of which those in m are known.
func known(m map[Value]float64) Values {
	v := Unknown()
	for which, x := range m {
		v[which] = x
	}
	return v
}

func noErrors() *XIDs { return &XIDs{Count: map[uint64]uint64{}} }

func wantTwo() []GPU {
	return []GPU{
		{
			Identity: Identity{Index: 0, UUID: "GPU-aaaa", PCIBusID: "00000000:07:00.0", Device: "nvidia0", Name: "NVIDIA H200"},
			Values: known(map[Value]float64{
				Utilization: 37, MemoryUtilization: 0, Temperature: 51, Power: 412.345,
				MemoryTotal: 143771 * mib, MemoryUsed: 1024 * mib, MemoryFree: 142000 * mib, MemoryReserved: 0,
			}),
			XIDs: noErrors(),
		},
		{
			Identity: Identity{Index: 1, UUID: "GPU-bbbb", PCIBusID: "00000000:0A:00.0", Device: "nvidia3", Name: "NVIDIA H200"},
			Values: known(map[Value]float64{
				Utilization: 0, MemoryUtilization: 0, Temperature: 30, Power: 0,
				MemoryTotal: 143771 * mib, MemoryUsed: 0, MemoryFree: 143000 * mib, MemoryReserved: 0,
			}),
			XIDs: noErrors(),
		},
	}
}

// lose makes a GPU one that does not answer.
func lose(g *GPU) { g.Values, g.Lost, g.Processes = Unknown(), true, nil }

func expect(t *testing.T, got Snapshot, state State, gpus []GPU) {
	t.Helper()
	if got.State != state {
		t.Errorf("state %q (%s), want %q", got.State, got.Detail, state)
	}
	if (got.Detail == "") != (state == OK) {
		t.Errorf("state %q has the detail %q", got.State, got.Detail)
	}
	if diff := cmp.Diff(gpus, got.GPUs, cmpopts.EquateNaNs()); diff != "" {
		t.Errorf("GPUs (-want +got):\n%s", diff)
	}
}

var scenarios = map[string]scenario{
	"values": {run: func(t *testing.T, s *stub) {
		s.script(t, twoGPUs()...)
		r := s.reader()
		expect(t, r.Read(), OK, wantTwo())
		expect(t, r.Read(), OK, wantTwo())
		if n, _ := s.starts(t); n != 1 {
			t.Errorf("the library was started %d times for two reads, want 1", n)
		}
		r.Close()
		if _, n := s.starts(t); n != 1 {
			t.Errorf("the library was shut down %d times by Close, want 1", n)
		}
	}},

	// What a GPU does not support, or tells in a form that cannot be true, is unknown and not zero.
	"unknown values": {run: func(t *testing.T, s *stub) {
		s.script(t, "count 1", "0.uuid GPU-aaaa", "0.util 4294967295", "0.temp 4294967295", "0.power 4294967295", "0.total 0", "0.used 0", "0.free 0")
		got := s.reader().Read()
		expect(t, got, OK, []GPU{{Identity: Identity{UUID: "GPU-aaaa", Device: "nvidia0"}, Values: known(map[Value]float64{MemoryUtilization: 0}), XIDs: noErrors()}})
		s.script(t, "count 1", "0.uuid GPU-aaaa", "0.total 100", "0.used 200", "0.free 40", "0.temp 255", "0.util 101")
		got = s.reader().Read()
		expect(t, got, OK, []GPU{{
			Identity: Identity{UUID: "GPU-aaaa", Device: "nvidia0"}, XIDs: noErrors(),
			Values: known(map[Value]float64{MemoryTotal: 100 * mib, MemoryFree: 40 * mib, MemoryReserved: 0, MemoryUtilization: 0}),
		}})
	}},

	"old driver": {
		without: []string{"MINOR", "PCI", "UTIL", "MEMORY_V2", "TEMPERATURE", "POWER", "ERROR_STRING", "OLD"},
		run: func(t *testing.T, s *stub) {
			s.script(t, twoGPUs()...)
			want := wantTwo()
			for i := range want {
				want[i].PCIBusID, want[i].Device, want[i].XIDs = "", fmt.Sprintf("nvidia%d", i), nil
				v := want[i].Values
				want[i].Values = known(map[Value]float64{
					Temperature: v[Temperature], MemoryTotal: v[MemoryTotal], MemoryFree: v[MemoryFree], MemoryUsed: v[MemoryTotal] - v[MemoryFree],
				})
			}
			r := s.reader()
			expect(t, r.Read(), OK, want)
			// Without nvmlErrorString an error must still have a text.
			s.script(t, "count !999", "init !9")
			if got := r.Read(); got.State != Lost || !strings.Contains(got.Detail, "NVML error 9") {
				t.Errorf("got %+v", got)
			}
		},
	},

	"unusable library": {without: []string{"INIT"}, run: func(t *testing.T, s *stub) {
		s.script(t, twoGPUs()...)
		got := s.reader().Read()
		expect(t, got, DriverError, nil)
		if !strings.Contains(got.Detail, "nvmlInit_v2") {
			t.Errorf("the detail %q does not name the missing function", got.Detail)
		}
	}},

	"no device": {run: func(t *testing.T, s *stub) {
		s.script(t, "count 0")
		r := s.reader()
		expect(t, r.Read(), NoDevice, nil)
		s.script(t, twoGPUs()...)
		expect(t, r.Read(), OK, wantTwo())
		s.script(t, "count 0")
		if got := r.Read(); got.State != Lost || len(got.GPUs) != 2 {
			t.Errorf("both GPUs were pulled out: %+v", got)
		}
	}},

	"driver not loaded": {run: func(t *testing.T, s *stub) {
		s.script(t, "init !9")
		r := s.reader()
		got := r.Read()
		expect(t, got, DriverError, nil)
		if !strings.Contains(got.Detail, "Driver Not Loaded") {
			t.Errorf("detail %q", got.Detail)
		}
		s.script(t, twoGPUs()...)
		if got := r.Read(); got.State != DriverError {
			t.Errorf("tried again at once: %+v", got)
		}
		s.clock = s.clock.Add(retryLoad)
		expect(t, r.Read(), OK, wantTwo())
	}},

	// One GPU falls off the bus: the other is read on, and the lost one comes back after the library was started anew.
	"lost and back": {run: func(t *testing.T, s *stub) {
		s.script(t, twoGPUs()...)
		r := s.reader()
		expect(t, r.Read(), OK, wantTwo())

		half := wantTwo()
		lose(&half[0])
		s.script(t, twoGPUs("0.util !15")...)
		got := r.Read()
		expect(t, got, Lost, half)
		if !strings.Contains(got.Detail, "00000000:07:00.0") {
			t.Errorf("the detail %q does not say which GPU", got.Detail)
		}
		r.Read()
		if n, _ := s.starts(t); n != 1 {
			t.Errorf("the library was started %d times before the wait was over", n)
		}
		s.clock = s.clock.Add(retryLost)
		r.Read()
		if n, _ := s.starts(t); n != 2 {
			t.Errorf("the library was started %d times after the wait, want 2", n)
		}
		s.script(t, twoGPUs()...)
		s.clock = s.clock.Add(2 * retryLost)
		expect(t, r.Read(), OK, wantTwo())
	}},

	// A GPU that stays lost is tried for ever less often, and one that is lost after it was back is tried soon.
	"lost for long": {run: func(t *testing.T, s *stub) {
		s.script(t, twoGPUs()...)
		r := s.reader()
		r.Read()
		s.script(t, twoGPUs("0.util !15")...)
		r.Read()
		for i, wait := range []time.Duration{10, 20, 40, 80, 160, 300, 300} {
			s.clock = s.clock.Add(wait*time.Second - 1)
			r.Read()
			if n, _ := s.starts(t); n != 1+i {
				t.Errorf("the library was started %d times before the wait of %d s was over, want %d", n, wait, 1+i)
			}
			s.clock = s.clock.Add(1)
			r.Read()
			if n, _ := s.starts(t); n != 2+i {
				t.Errorf("the library was started %d times after the wait of %d s, want %d", n, wait, 2+i)
			}
		}
		s.script(t, twoGPUs()...)
		s.clock = s.clock.Add(retryLostMost)
		expect(t, r.Read(), OK, wantTwo())
		s.script(t, twoGPUs("0.util !15")...)
		r.Read()
		s.clock = s.clock.Add(retryLost)
		r.Read()
		if n, _ := s.starts(t); n != 10 {
			t.Errorf("the library was started %d times when the GPU was lost again, want 10", n)
		}
	}},

	// After a start without the lost GPU the driver numbers the others anew; the lost one is still reported.
	"renumbered": {run: func(t *testing.T, s *stub) {
		s.script(t, twoGPUs()...)
		r := s.reader()
		r.Read()
		s.script(t, twoGPUs("1.util !15")...)
		r.Read()
		s.clock = s.clock.Add(retryLost)
		one := twoGPUs()
		one[0] = "count 1"
		s.script(t, one...)
		want := wantTwo()
		lose(&want[1])
		expect(t, r.Read(), Lost, want)
	}},

	// The driver is reset under the program: the calls say "uninitialized", and one fresh start within the same read heals it.
	"driver reset": {run: func(t *testing.T, s *stub) {
		s.script(t, twoGPUs()...)
		r := s.reader()
		r.Read()
		lost := wantTwo()
		for i := range lost {
			lose(&lost[i])
		}
		s.script(t, "count !1", "init !9")
		expect(t, r.Read(), Lost, lost)
		s.script(t, twoGPUs()...)
		s.clock = s.clock.Add(retryLost)
		expect(t, r.Read(), OK, wantTwo())
	}},

	"handle refused": {run: func(t *testing.T, s *stub) {
		s.script(t, twoGPUs("0.handle !15")...)
		want := wantTwo()
		want[0] = GPU{Identity: Identity{Index: 0, Device: "nvidia0"}, Values: Unknown(), Lost: true}
		expect(t, s.reader().Read(), Lost, want)
	}},
}

const childEnv = "FORESHOCK_NVML_STUB"

// TestScenarios runs every scenario in a child process.
func TestScenarios(t *testing.T) {
	t.Parallel()
	if library := os.Getenv(childEnv); library != "" {
		t.Skip("this is a child process")
	}
	all := maps.Clone(scenarios)
	maps.Copy(all, moreScenarios)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			library := buildStub(t, dir, all[name].without)
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestChild$", "-test.v")
			cmd.Env = append(os.Environ(), childEnv+"="+library, "FORESHOCK_NVML_SCENARIO="+name,
				"NVML_STUB_SCRIPT="+filepath.Join(dir, "script"), "NVML_STUB_LOG="+filepath.Join(dir, "log"), "NVML_STUB_EVENTS="+filepath.Join(dir, "events"))
			out, err := cmd.CombinedOutput()
			if err != nil || !strings.Contains(string(out), "--- PASS: TestChild") {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

// TestChild is the body of a child process of TestScenarios.
func TestChild(t *testing.T) {
	library := os.Getenv(childEnv)
	if library == "" {
		t.Skip("runs only as a child of TestScenarios")
	}
	s := &stub{library: library, dir: filepath.Dir(library), clock: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	all := maps.Clone(scenarios)
	maps.Copy(all, moreScenarios)
	all[os.Getenv("FORESHOCK_NVML_SCENARIO")].run(t, s)
}

// headerFolder is where NVIDIA's nvml.h lies, which comes with the binding.
var headerFolder = sync.OnceValues(func() (string, error) {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/NVIDIA/go-nvml").Output()
	return filepath.Join(strings.TrimSpace(string(out)), "pkg", "nvml"), err
})

// buildStub compiles the stand-in library. The C compiler is there whenever cgo is.
func buildStub(t *testing.T, dir string, without []string) string {
	t.Helper()
	library := filepath.Join(dir, "libnvidia-ml.so.1")
	args := []string{"-shared", "-fPIC", "-o", library}
	header, err := headerFolder()
	if err != nil {
		t.Fatalf("looking for the folder of nvml.h: %v", err)
	}
	args = append(args, "-I", header, "-Wno-deprecated-declarations")
	for _, w := range without {
		if w != "OLD" {
			w = "NO_" + w
		}
		args = append(args, "-D"+w)
	}
	if out, err := exec.Command("gcc", append(args, "testdata/stub.c")...).CombinedOutput(); err != nil {
		t.Fatalf("building the stand-in for libnvidia-ml.so.1 with gcc: %v\n%s", err, out)
	}
	return library
}

// TestNoLibrary: a host without a driver is a quiet state, and the dynamic linker is asked again only after a while.
func TestNoLibrary(t *testing.T) {
	t.Parallel()
	clock := time.Now()
	r := NewReader(Options{Library: filepath.Join(t.TempDir(), "libnvidia-ml.so.1")})
	r.now = func() time.Time { return clock }
	expect(t, r.Read(), LibraryMissing, nil)
	first := r.retry
	r.Read()
	if !r.retry.Equal(first) {
		t.Error("looked for the library again at once")
	}
	clock = clock.Add(retryLoad)
	expect(t, r.Read(), LibraryMissing, nil)
	if r.retry.Equal(first) {
		t.Error("did not look for the library again")
	}
	r.Close()
}

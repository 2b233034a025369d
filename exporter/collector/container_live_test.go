package collector

import (
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// TestContainerLive holds what is read of this kernel's control groups against what the kernel says of the same process to its parent. It makes groups of
// its own, for which it must be root, and so runs only when asked for: FORESHOCK_TEST_CGROUPS=1.
func TestContainerLive(t *testing.T) {
	t.Parallel()
	if os.Getenv("FORESHOCK_TEST_CGROUPS") == "" {
		t.Skip("makes control groups; set FORESHOCK_TEST_CGROUPS=1 to run it as root")
	}
	h := ThisHost(quiet())
	trees := findTrees(h)
	at := fmt.Sprintf("/foreshock-test-%d/%064x", os.Getpid(), os.Getpid())
	roots := []string{trees.unified}
	for _, dir := range trees.v1 {
		roots = append(roots, dir)
	}
	cmd := exec.Command("sh", "-c", "read line; i=0; while [ $i -lt 2000000 ]; do i=$((i+1)); done; read line")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for _, root := range roots {
		if root == "" {
			continue
		}
		dir := filepath.Join(root, at)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			os.Remove(dir)
			os.Remove(filepath.Dir(dir))
		})
		if err := os.WriteFile(filepath.Join(dir, "cgroup.procs"), fmt.Append(nil, cmd.Process.Pid), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { // before the groups are removed
		cmd.Process.Kill()
		cmd.Wait()
	})
	fmt.Fprintln(in, "work")
	kinds := map[string]cgroupTrees{"as found": trees}
	if trees.unified != "" { // the version 2 hierarchy counts CPU time without any controller
		kinds["version 2"] = cgroupTrees{unified: trees.unified}
	}
	for { // until it waits for the second line
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/syscall", cmd.Process.Pid))
		if err == nil && len(b) > 2 && string(b[:2]) == "0 " { // read(2)
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	got := map[string]*containerStats{}
	for name, kind := range kinds {
		list, _, err := kind.groups()
		if err != nil {
			t.Fatal(err)
		}
		found := false
		for _, g := range list {
			if g.path == at && g.kind == containerGroup {
				found = true
				got[name] = (&cgroupReader{trees: kind}).read(g)
			}
		}
		if !found || got[name] == nil {
			t.Fatalf("%s: %s was not found", name, at)
		}
	}
	fmt.Fprintln(in, "end")
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	want := (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds()
	for name, s := range got {
		usage := s.values[ctrCPUUsage]
		t.Logf("%s: %.3f s of CPU, the process had %.3f s; memory %v, %v processes", name, usage, want, s.values[ctrMemoryUsage], s.values[ctrProcesses])
		if math.IsNaN(usage) || usage < 0.9*want || usage > 1.05*want+0.02 {
			t.Errorf("%s: %v s of CPU, the process had %v s", name, usage, want)
		}
		if s.values[ctrProcesses] != 1 || len(s.pids) != 1 || s.pids[0] != cmd.Process.Pid {
			t.Errorf("%s: processes %v, %v", name, s.values[ctrProcesses], s.pids)
		}
	}
}

package collector

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestContainerTrees holds each host of testdata/container against what is published of it.
func TestContainerTrees(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/container/*.txtar")
	if err != nil || len(files) < 6 {
		t.Fatalf("%d hosts, %v", len(files), err)
	}
	for _, f := range files {
		name := strings.TrimSuffix(filepath.Base(f), ".txtar")
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, _ := tree(t, name)
			sent(t, c) // names come at the first scrape, series stay
			got, err := sent(t, c)
			if err != nil {
				t.Error(err)
			}
			var b strings.Builder
			for _, k := range slices.Sorted(maps.Keys(got)) {
				fmt.Fprintf(&b, "%s %s\n", k, strconv.FormatFloat(got[k], 'g', -1, 64))
			}
			path := filepath.Join("testdata/container", name+".prom")
			if *update {
				if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(b.String(), "\n")); diff != "" {
				t.Errorf("after a wanted change: go test ./exporter/collector -run TestContainerTrees -update (-want +got):\n%s", diff)
			}
		})
	}
}

func TestIdentify(t *testing.T) {
	t.Parallel()
	const id, uid = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", "0a1b2c3d-1111-4222-8333-444455556666"
	slice := "pod" + strings.ReplaceAll(uid, "-", "_") + ".slice"
	for _, tc := range []struct {
		path string
		want cgroupIdentity
	}{
		{"/", cgroupIdentity{kind: rootGroup, id: "/"}},
		{"/docker/" + id, cgroupIdentity{kind: containerGroup, id: id}},
		{"/system.slice/docker-" + id + ".scope", cgroupIdentity{kind: containerGroup, id: id}},
		{"/kubepods/burstable/pod" + uid, cgroupIdentity{kind: podGroup, pod: uid}},
		{"/kubepods/burstable/pod" + uid + "/" + id, cgroupIdentity{kind: containerGroup, id: id, pod: uid}},
		{"/kubepods/pod9f8e7d6c5b4a39281706f5e4d3c2b1a0", cgroupIdentity{kind: podGroup, pod: "9f8e7d6c5b4a39281706f5e4d3c2b1a0"}},
		{"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-" + slice, cgroupIdentity{kind: podGroup, pod: uid}},
		{"/kubepods.slice/kubepods-" + slice + "/crio-" + id + ".scope", cgroupIdentity{kind: containerGroup, id: id, pod: uid}},
		{"/kubepods.slice/kubepods-" + slice + "/crio-conmon-" + id + ".scope", cgroupIdentity{}},
		{"/system.slice/kubepods-besteffort-" + slice + ":cri-containerd:" + id, cgroupIdentity{kind: containerGroup, id: id, pod: uid}},
		{"/kubelet/kubepods/pod" + uid + "/" + id, cgroupIdentity{kind: containerGroup, id: id, pod: uid}}, // kind, k3s
		{"/machine.slice/libpod-" + id + ".scope", cgroupIdentity{kind: containerGroup, id: id}},
		{"/machine.slice/libpod-conmon-" + id + ".scope", cgroupIdentity{}},
		{`/machine.slice/machine-deb\x2d12.scope`, cgroupIdentity{kind: containerGroup, id: "deb-12"}},
		{"/lxc/db", cgroupIdentity{kind: containerGroup, id: "db"}},
		{"/lxc.payload.db", cgroupIdentity{kind: containerGroup, id: "db"}},
		{"/lxc.monitor.db", cgroupIdentity{}},
		{"/system.slice/cron.service", cgroupIdentity{kind: serviceGroup, id: "cron.service"}},
		{"/docker", cgroupIdentity{}},
		{"/docker/buildkit/k2j3", cgroupIdentity{}},
		{"/kubepods.slice", cgroupIdentity{}},
		{"/pod" + uid, cgroupIdentity{}}, // not of Kubernetes
	} {
		if got := identify(tc.path); got != tc.want {
			t.Errorf("%s: got %+v, want %+v", tc.path, got, tc.want)
		}
	}
}

// many is a host with n containers of Docker, "00…0" and on.
func many(n int) map[string]string {
	files := map[string]string{"sys/fs/cgroup/cgroup.controllers": "memory\n", "proc/1/net/dev": "", "proc/meminfo": "MemTotal: 1 kB\n"}
	for i := range n {
		files[fmt.Sprintf("sys/fs/cgroup/docker/%064x/memory.current", i)] = "1\n"
	}
	return files
}

// TestRootMemory: with cgroup v2 the root has no memory.current; its memory is the host's, with the figures that runc's rootStatsFromMeminfo would have.
func TestRootMemory(t *testing.T) {
	t.Parallel()
	const meminfo = "MemTotal: 1000 kB\nMemFree: 300 kB\nInactive(file): 200 kB\nSwapTotal: 50 kB\nSwapFree: 40 kB\n"
	prefix := []string{containerValues[ctrMemoryUsage].family.Name, containerValues[ctrMemoryWorkingSet].family.Name, containerValues[ctrMemorySwap].family.Name}
	of := func(usage, working, swap float64) map[string]float64 {
		return map[string]float64{prefix[0] + "{id=/}": usage * 1024, prefix[1] + "{id=/}": working * 1024, prefix[2] + "{id=/}": swap * 1024}
	}
	for what, tc := range map[string]struct {
		meminfo, stat string
		want          map[string]float64
	}{
		"meminfo alone":      {meminfo, "", of(700, 500, 10)},
		"memory.stat too":    {meminfo, "inactive_file 102400\n", of(700, 600, 10)},
		"without free":       {"MemTotal: 1000 kB\n", "", map[string]float64{}},
		"no sense":           {"MemTotal 1000\n", "", map[string]float64{}},
		"no swap, free only": {"MemTotal: 10 kB\nMemFree: 20 kB\nSwapTotal: 0 kB\nSwapFree: 0 kB\n", "", of(0, 0, 0)},
	} {
		files := many(0)
		files["proc/meminfo"] = tc.meminfo
		if tc.stat != "" {
			files["sys/fs/cgroup/memory.stat"] = tc.stat
		}
		got, err := sent(t, hostOf(t, files))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tc.want, only(got, prefix...)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}
}

// TestContainerLimit: more containers than the limit are counted, and those that were published stay when new ones come.
func TestContainerLimit(t *testing.T) {
	t.Parallel()
	c := hostOf(t, many(5))
	c.MaxContainers = 4 // one is the root
	first, err := sent(t, c)
	if err != nil {
		t.Fatal(err)
	}
	if first["foreshock_containers{}"] != 5 || first["foreshock_containers_omitted{what=containers}"] != 2 {
		t.Errorf("%v", only(first, "foreshock_containers"))
	}
	listed := only(first, containerLastSeen.Name)
	if len(listed) != 4 {
		t.Errorf("%d groups are listed, want 4", len(listed))
	}
	for i := range 3 { // they sort before all others
		dir := filepath.Join(c.reader.trees.unified, "aaa", fmt.Sprintf("%064x", 100+i))
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	second, err := sent(t, c)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(listed, only(second, containerLastSeen.Name)); diff != "" {
		t.Errorf("new containers pushed others out (-before +after):\n%s", diff)
	}
	if second["foreshock_containers_omitted{what=containers}"] != 5 {
		t.Errorf("%v", only(second, "foreshock_containers"))
	}
}

// TestContainerVanishes: a group that goes between the listing and the reading is not there, and the others are; so are a file that cannot be read
// and one that holds nonsense.
func TestContainerVanishes(t *testing.T) {
	t.Parallel()
	files := many(3)
	files[fmt.Sprintf("sys/fs/cgroup/docker/%064x/cpu.stat", 1)] = "usage_usec -1\nuser_usec 99999999999999999999\n\x00\xff\nsystem_usec 5\n"
	files[fmt.Sprintf("sys/fs/cgroup/docker/%064x/io.stat", 1)] = "8:0 rbytes=x wbytes\n:: rbytes=1\n8:16\n"
	files[fmt.Sprintf("sys/fs/cgroup/docker/%064x/memory.max", 1)] = "lots\n"
	files[fmt.Sprintf("sys/fs/cgroup/docker/%064x/cpu.pressure", 1)] = "some total=-1\n"
	files[fmt.Sprintf("sys/fs/cgroup/docker/%064x/cgroup.procs", 1)] = "0\n-1\n99999999999999999999\nx\n"
	c := hostOf(t, files)
	c.reader.trees = findTrees(c.host)
	list, _, err := c.reader.trees.groups()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(c.reader.trees.unified, list[1].path)); err != nil {
		t.Fatal(err)
	}
	if got := c.reader.read(list[1]); got != nil {
		t.Errorf("of a group that is gone: %+v", got)
	}
	got, err := sent(t, c)
	if err != nil {
		t.Error(err)
	}
	odd := fmt.Sprintf("%064x", 1)
	want := map[string]float64{
		"container_cpu_system_seconds_total{id=/docker/" + odd + ",name=000000000000}": 5e-6,
	}
	if diff := cmp.Diff(want, only(got, "container_cpu")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if n := len(only(got, containerLastSeen.Name)); n != 3 { // the root and two
		t.Errorf("%d groups, want 3", n)
	}
	// The whole tree goes.
	if err := os.RemoveAll(c.host.Sys); err != nil {
		t.Fatal(err)
	}
	if _, err := sent(t, c); err == nil {
		t.Error("a tree that is gone is no trouble")
	}
}

// TestContainerChurn: groups come and go while they are read. No scrape fails, no container is there in part, and nothing is kept of those that went.
func TestContainerChurn(t *testing.T) {
	t.Parallel()
	c := hostOf(t, many(3))
	root := c.host.sys("fs/cgroup/docker")
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			dir := filepath.Join(root, fmt.Sprintf("%064x", 1000+i%7))
			_ = os.Mkdir(dir, 0o755)
			_ = os.WriteFile(filepath.Join(dir, "memory.current"), []byte("1\n"), 0o600)
			_ = os.RemoveAll(filepath.Join(root, fmt.Sprintf("%064x", 1000+(i+3)%7)))
		}
	}()
	for range 100 {
		got, err := sent(t, c)
		if err != nil {
			t.Error(err)
		}
		if n := len(only(got, containerLastSeen.Name)); n < 4 {
			t.Fatalf("%d groups, want the root and three that stay", n)
		}
	}
	close(stop)
	<-done
	for i := range 7 {
		if err := os.RemoveAll(filepath.Join(root, fmt.Sprintf("%064x", 1000+i))); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := sent(t, c); err != nil || len(c.known) != 4 {
		t.Errorf("%v; %d groups are kept, want 4", err, len(c.known))
	}
}

// TestContainerLabels: labels get cAdvisor's names, and two that would get the same one are one.
func TestContainerLabels(t *testing.T) {
	t.Parallel()
	files := many(1)
	id := fmt.Sprintf("%064x", 0)
	files["docker.json"] = fmt.Sprintf(`[{"Id":%q,"Names":["/a"],"State":"running","Labels":{"a.b":"\u00fc\n","a-b":"2","é":"3","none":""}}]`, id)
	c := hostOf(t, files)
	c.Labels = " a.b,a-b,,é,none"
	if err := c.Open(c.host); err != nil {
		t.Fatal(err)
	}
	got, err := sent(t, c)
	if err != nil {
		t.Fatal(err)
	}
	key := "container_memory_usage_bytes{container_label__=3,container_label_a_b=ü\n,id=/docker/" + id + ",name=a}"
	if got[key] != 1 {
		t.Errorf("no %q in %v", key, only(got, "container_memory_usage_bytes"))
	}
}

// TestContainerNone: a host without control groups has nothing to collect.
func TestContainerNone(t *testing.T) {
	t.Parallel()
	if _, err := sent(t, hostOf(t, map[string]string{"proc/1/net/dev": ""})); !errors.Is(err, ErrNoData) {
		t.Errorf("got %v", err)
	}
}

// TestContainerTime: when the time is over, what was read is published, and what was not is counted.
func TestContainerTime(t *testing.T) {
	t.Parallel()
	c := hostOf(t, many(3))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	ch := sink(t)
	err := c.Update(ctx, ch)
	if err == nil || !strings.Contains(err.Error(), "after 0 of 4 groups") {
		t.Errorf("got %v", err)
	}
}

// TestContainerUnnamed: without a runtime a container is called by its id, shortened only where a person would see it so.
func TestContainerUnnamed(t *testing.T) {
	t.Parallel()
	const id = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	for want, g := range map[string]cgroupIdentity{
		"0123456789ab": {kind: containerGroup, id: id}, id: {kind: containerGroup, id: id, pod: "uid"}, "web": {kind: containerGroup, id: "web"},
	} {
		if got := unnamed(cgroup{cgroupIdentity: g}, containerInfo{}); got != want {
			t.Errorf("%+v: got %q, want %q", g, got, want)
		}
	}
	if got := unnamed(cgroup{cgroupIdentity: cgroupIdentity{kind: containerGroup, id: id}}, containerInfo{pod: "web-0"}); got != id {
		t.Errorf("of a pod that the kubelet's folders tell: got %q", got)
	}
}

// TestContainerNetwork: a container with the network of the host, or of another container, has no numbers of its own.
func TestContainerNetwork(t *testing.T) {
	t.Parallel()
	const dev = "a\nb\neth0: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n"
	files := many(3)
	files["proc/1/net/dev"], files["proc/20/net/dev"] = dev, dev
	for i, pid := range []string{"10", "20", "30"} {
		files[fmt.Sprintf("sys/fs/cgroup/docker/%064x/cgroup.procs", i)] = pid + "\n"
	}
	c := hostOf(t, files)
	for pid, like := range map[string]string{"10": "1", "30": "20"} { // the same file: the same name space
		if err := os.MkdirAll(c.host.proc(pid+"/net"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Link(c.host.proc(like+"/net/dev"), c.host.proc(pid+"/net/dev")); err != nil {
			t.Fatal(err)
		}
	}
	got, err := sent(t, c)
	if err != nil {
		t.Fatal(err)
	}
	id := fmt.Sprintf("%064x", 1)
	want := map[string]float64{
		"container_network_receive_bytes_total{id=/,interface=eth0}":                                    1, // the host's
		"container_network_receive_bytes_total{id=/docker/" + id + ",interface=eth0,name=000000000000}": 1,
	}
	if diff := cmp.Diff(want, only(got, "container_network_receive_bytes_total")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

package collector

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"
)

// tree is a host of testdata/container: a comment, then files after lines "-- path --", as in txtar. docker.json and inspect/<id>.json are what Docker
// answers, cri.json what the Container Runtime Interface does; the others are files.
func tree(t testing.TB, name string) (*containers, map[string]string) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata/container", name+".txtar"))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	at := ""
	for line := range strings.Lines(string(b)) {
		if strings.HasPrefix(line, "-- ") && strings.HasSuffix(line, " --\n") {
			at = line[3 : len(line)-4]
			files[at] = ""
		} else if at != "" {
			files[at] += line
		}
	}
	return hostOf(t, files), files
}

// hostOf makes a collector that sees these files.
func hostOf(t testing.TB, files map[string]string) *containers {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		p := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	made := time.Unix(1_764_000_000, 0)
	if err := filepath.WalkDir(dir, func(p string, _ fs.DirEntry, _ error) error { return os.Chtimes(p, made, made) }); err != nil {
		t.Fatal(err)
	}
	e, err := Collectors.Get("container")
	if err != nil {
		t.Fatal(err)
	}
	c := e.New().(*containers)
	c.DockerSockets, c.CRISockets = "run/docker.sock", "run/cri.sock"
	h := ThisHost(quiet())
	h.Proc, h.Sys, h.Root = filepath.Join(dir, "proc"), filepath.Join(dir, "sys"), shortDir(t)
	if err := os.MkdirAll(filepath.Join(h.Root, "run"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(filepath.Join(h.Root, "var"), os.DirFS(filepath.Join(dir, "root/var"))); err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	h.Now = func() time.Time { return time.Unix(1_764_600_000, 0) }
	if files["docker.json"] != "" {
		serveDocker(t, filepath.Join(h.Root, "run/docker.sock"), files)
	}
	if files["cri.json"] != "" {
		serveCRI(t, filepath.Join(h.Root, "run/cri.sock"), files["cri.json"])
	}
	if err := c.Open(h); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// shortDir is a folder whose name is short enough for a socket in it.
func shortDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "fs")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func listenUnix(t testing.TB, path string) net.Listener {
	t.Helper()
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// serveDocker stands in for Docker's daemon, as its API is documented: GET /containers/json?all=1 and GET /containers/<id>/json. It returns how often
// details were asked for.
func serveDocker(t testing.TB, path string, files map[string]string) *atomic.Int32 {
	t.Helper()
	inspected := new(atomic.Int32)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /containers/json", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("all") != "1" {
			http.Error(w, "stopped containers were not asked for", http.StatusBadRequest)
			return
		}
		fmt.Fprint(w, files["docker.json"])
	})
	mux.HandleFunc("GET /containers/{id}/json", func(w http.ResponseWriter, r *http.Request) {
		inspected.Add(1)
		text, ok := files["inspect/"+r.PathValue("id")+".json"]
		if !ok {
			http.Error(w, `{"message":"No such container"}`, http.StatusNotFound)
			return
		}
		fmt.Fprint(w, text)
	})
	s := &http.Server{Handler: mux, ReadHeaderTimeout: time.Minute}
	l := listenUnix(t, path)
	go s.Serve(l)
	t.Cleanup(func() { s.Close() })
	return inspected
}

// rawCodec passes messages of gRPC through as bytes.
type rawCodec struct{}

func (rawCodec) Marshal(v any) ([]byte, error)   { return v.([]byte), nil }
func (rawCodec) Unmarshal(b []byte, v any) error { *v.(*[]byte) = bytes.Clone(b); return nil }
func (rawCodec) Name() string                    { return "proto" }
func message(b []byte, n protowire.Number) []byte {
	return protowire.AppendTag(b, n, protowire.BytesType)
}

func text(b []byte, n protowire.Number, s string) []byte {
	return protowire.AppendString(message(b, n), s)
}

func inner(b []byte, n protowire.Number, m []byte) []byte {
	return protowire.AppendBytes(message(b, n), m)
}

func varint(b []byte, n protowire.Number, x uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(b, n, protowire.VarintType), x)
}

// serveCRI stands in for containerd: gRPC's own server, which answers the two calls with messages as in k8s.io/cri-api's api.proto.
func serveCRI(t testing.TB, path, answers string) {
	t.Helper()
	var host struct {
		Pods []struct {
			ID, Name, UID, Namespace string
			Created                  int64
		}
		Containers []struct {
			ID, Sandbox, Name, Image, UserImage string
			Attempt, State                      uint64
			Created                             int64
		}
	}
	if err := json.Unmarshal([]byte(answers), &host); err != nil {
		t.Fatal(err)
	}
	var pods, list []byte
	for _, p := range host.Pods {
		meta := varint(text(text(text(nil, 1, p.Name), 2, p.UID), 3, p.Namespace), 4, 1)
		m := varint(varint(inner(text(nil, 1, p.ID), 2, meta), 3, 0), 4, uint64(p.Created)*1e9)
		m = inner(m, 5, text(text(nil, 1, "app"), 2, "x")) // a label
		pods = inner(pods, 1, text(m, 7, "runc"))
	}
	for _, c := range host.Containers {
		image := text(nil, 1, c.Image)
		if c.UserImage != "" {
			image = text(image, 18, c.UserImage)
		}
		m := inner(text(text(nil, 1, c.ID), 2, c.Sandbox), 3, varint(text(nil, 1, c.Name), 2, c.Attempt))
		m = varint(varint(text(inner(m, 4, image), 5, "sha256:def"), 6, c.State), 7, uint64(c.Created)*1e9)
		list = inner(list, 1, m)
	}
	s := grpc.NewServer(grpc.ForceServerCodec(rawCodec{}), grpc.UnknownServiceHandler(func(_ any, stream grpc.ServerStream) error {
		method, _ := grpc.MethodFromServerStream(stream)
		var in []byte
		if err := stream.RecvMsg(&in); err != nil || len(in) != 0 {
			return status.Errorf(codes.InvalidArgument, "%v, %d bytes", err, len(in))
		}
		switch method {
		case "/runtime.v1.RuntimeService/ListPodSandbox":
			return stream.SendMsg(pods)
		case "/runtime.v1.RuntimeService/ListContainers":
			return stream.SendMsg(list)
		}
		return status.Errorf(codes.Unimplemented, "unknown method %s", method)
	}))
	l := listenUnix(t, path)
	go s.Serve(l)
	t.Cleanup(s.Stop)
}

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
		"container_cpu_system_seconds_total{id=/docker/" + odd + ",name=" + odd + "}": 5e-6,
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
	want := map[string]float64{"container_network_receive_bytes_total{id=/docker/" + id + ",interface=eth0,name=" + id + "}": 1}
	if diff := cmp.Diff(want, only(got, "container_network_receive_bytes_total")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

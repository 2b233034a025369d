package collector

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/encoding/protowire"
)

// TestContainerRuntimes starts the real containerd and Docker on sockets of their own, runs a pod through the Container Runtime Interface and containers
// through Docker, and wants their names, limits and fates in what is published. It needs root and Debian's packages containerd, runc, docker.io and
// busybox-static, makes control groups, and so runs only when asked for: FORESHOCK_TEST_RUNTIMES=1.
func TestContainerRuntimes(t *testing.T) {
	t.Parallel()
	if os.Getenv("FORESHOCK_TEST_RUNTIMES") == "" {
		t.Skip("starts containerd and Docker; set FORESHOCK_TEST_RUNTIMES=1 to run it as root")
	}
	dir := shortDir(t)
	at := func(name string) string { return filepath.Join(dir, name) }
	image := at("image.tar")
	writeImage(t, image)
	containerd := startContainerd(t, dir)
	shell(t, "ctr", "-a", containerd, "-n", "k8s.io", "images", "import", image)
	t.Cleanup(func() { // the runtime leaves the pod's own group to the kubelet
		left, _ := filepath.Glob("/sys/fs/cgroup/*" + testPod())
		for _, group := range append(left, "/sys/fs/cgroup"+testPod()) {
			os.Remove(group)
		}
	})
	pod, app := startPod(t, containerd)

	docker := at("docker.sock")
	background(t, "dockerd", "--containerd", containerd, "--data-root", at("docker"), "--exec-root", at("run"), "--pidfile", at("pid"), "-H", "unix://"+docker,
		"--iptables=false", "--ip6tables=false", "--bridge=none", "--storage-driver=vfs")
	eventually(t, "Docker answers", func() bool { return exec.Command("docker", "-H", "unix://"+docker, "version").Run() == nil })
	d := func(args ...string) string {
		return shell(t, "docker", append([]string{"-H", "unix://" + docker}, args...)...)
	}
	d("load", "-i", image)
	name := func(what string) string { return fmt.Sprintf("foreshock-%s-%d", what, os.Getpid()) }
	var ids []string
	t.Cleanup(func() {
		exec.Command("docker", append([]string{"-H", "unix://" + docker, "rm", "-f"}, ids...)...).Run()
	})
	start := func(what string, args ...string) string {
		id := d(append([]string{"run", "-d", "--name", name(what)}, args...)...)
		ids = append(ids, id)
		return id
	}
	web := start("web", "--label", "com.docker.compose.service=web", "--memory", "64m", "--cpus", "0.5", "--health-cmd", "true", "--health-interval", "1s", testImage)
	start("crash", "--restart", "on-failure:2", testImage, "/bin/false")
	oom := start("oom", "--memory", "16m", testImage, "/bin/sh", "-c", "dd if=/dev/zero of=/dev/null bs=64M count=1; exec sleep 1000")
	eventually(t, "the health check, the restarts and the kill", func() bool {
		return d("inspect", "-f", "{{.State.Health.Status}}", name("web")) == "healthy" && d("inspect", "-f", "{{.RestartCount}} {{.State.Status}}", name("crash")) == "2 exited" &&
			strings.Contains(d("top", name("oom")), "sleep 1000")
	})

	e, err := Collectors.Get("container")
	if err != nil {
		t.Fatal(err)
	}
	c := e.New().(*containers)
	c.DockerSockets, c.CRISockets = docker, containerd
	if err := c.Open(ThisHost(quiet())); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	got, err := sent(t, c)
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]float64{
		"foreshock_container_runtime_up{runtime=cri,socket=" + containerd + "}":                                                                                              1,
		"foreshock_container_runtime_up{runtime=docker,socket=" + docker + "}":                                                                                               1,
		"container_spec_memory_limit_bytes{container_label_com_docker_compose_service=web,id=/docker/" + web + ",image=" + testImage + ",name=" + name("web") + "}":          64 << 20,
		"container_spec_cpu_quota{container_label_com_docker_compose_service=web,id=/docker/" + web + ",image=" + testImage + ",name=" + name("web") + "}":                   50_000,
		"foreshock_container_health{health=healthy,image=" + testImage + ",name=" + name("web") + "}":                                                                        1,
		"foreshock_container_restarts{image=" + testImage + ",name=" + name("crash") + "}":                                                                                   2,
		"foreshock_container_running{image=" + testImage + ",name=" + name("crash") + "}":                                                                                    0,
		"container_oom_events_total{id=/docker/" + oom + ",image=" + testImage + ",name=" + name("oom") + "}":                                                                1,
		"container_spec_memory_limit_bytes{container=app,id=" + testPod() + "/" + app + ",image=" + testImage + ",name=" + app + ",namespace=shop,pod=web-1}":                32 << 20,
		"container_processes{container=app,id=" + testPod() + "/" + app + ",image=" + testImage + ",name=" + app + ",namespace=shop,pod=web-1}":                              1,
		"container_processes{id=" + testPod() + "/" + pod + ",name=" + pod + ",namespace=shop,pod=web-1}":                                                                    1,
		"foreshock_container_running{container=app,image=" + testImage + ",namespace=shop,pod=web-1}":                                                                        1,
		"container_cpu_cfs_throttled_seconds_total{container=app,id=" + testPod() + "/" + app + ",image=" + testImage + ",name=" + app + ",namespace=shop,pod=web-1} exists": 0,
	} {
		key, exists := strings.CutSuffix(key, " exists")
		if v, ok := got[key]; !ok || !exists && v != want {
			t.Errorf("%s: got %v (%v), want %v", key, v, ok, want)
		}
	}
	if t.Failed() {
		for _, family := range []string{"container_spec_memory_limit_bytes", "container_processes", "container_oom_events_total", "foreshock_container"} {
			t.Log(only(got, family))
		}
	}
}

const testImage = "docker.io/foreshock/test:1"

// podUID is unlike that of any other run of the test.
func podUID() string { return fmt.Sprintf("00000000-0000-0000-0000-%012d", os.Getpid()) }

func testPod() string { return "/kubepods/burstable/pod" + podUID() }

// writeImage makes an image that has nothing but busybox, in the form of docker save. Left alone, a container of it sleeps.
func writeImage(t *testing.T, path string) {
	t.Helper()
	busybox, err := exec.LookPath("busybox")
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile(busybox)
	if err != nil {
		t.Fatal(err)
	}
	pack := func(files map[string][]byte, links map[string]string) []byte {
		var b bytes.Buffer
		w := tar.NewWriter(&b)
		for name, content := range files {
			w.WriteHeader(&tar.Header{Name: name, Mode: 0o755, Size: int64(len(content))})
			w.Write(content)
		}
		for name, to := range links {
			w.WriteHeader(&tar.Header{Name: name, Linkname: to, Typeflag: tar.TypeSymlink, Mode: 0o777})
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	layer := pack(map[string][]byte{"bin/busybox": program}, map[string]string{"bin/sh": "busybox", "bin/sleep": "busybox", "bin/dd": "busybox", "bin/true": "busybox", "bin/false": "busybox"})
	config := fmt.Appendf(nil, `{"architecture":"amd64","os":"linux","config":{"Cmd":["/bin/sleep","100000"],"Env":["PATH=/bin"]},"rootfs":{"type":"layers","diff_ids":["sha256:%x"]}}`,
		sha256.Sum256(layer))
	manifest := fmt.Appendf(nil, `[{"Config":"config.json","RepoTags":[%q],"Layers":["layer.tar"]}]`, testImage)
	if err := os.WriteFile(path, pack(map[string][]byte{"config.json": config, "layer.tar": layer, "manifest.json": manifest}, nil), 0o600); err != nil {
		t.Fatal(err)
	}
}

func startContainerd(t *testing.T, dir string) (socket string) {
	t.Helper()
	socket = filepath.Join(dir, "containerd.sock")
	config := filepath.Join(dir, "containerd.toml")
	text := fmt.Sprintf(`version = 2
root = %q
state = %q
[grpc]
  address = %q
[plugins."io.containerd.grpc.v1.cri"]
  disable_tcp_service = true
  restrict_oom_score_adj = true
  sandbox_image = %q
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "native"
`, filepath.Join(dir, "root"), filepath.Join(dir, "state"), socket, testImage)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	background(t, "containerd", "-c", config)
	eventually(t, "containerd answers", func() bool { return exec.Command("ctr", "-a", socket, "version").Run() == nil })
	return socket
}

// startPod runs a pod "web-1" of the namespace "shop" on the host's network with a container "app", by the messages of k8s.io/cri-api's api.proto.
func startPod(t *testing.T, socket string) (pod, app string) {
	t.Helper()
	conn, err := grpc.NewClient("unix://"+socket, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDefaultCallOptions(grpc.ForceCodec(rawCodec{})))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	call := func(method string, in []byte) string {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		var out []byte
		if err := conn.Invoke(ctx, "/runtime.v1.RuntimeService/"+method, in, &out); err != nil {
			t.Fatalf("%s: %v", method, err)
		}
		id := ""
		eachField(out, func(n protowire.Number, v []byte, _ uint64) error {
			if n == 1 {
				id = string(v)
			}
			return nil
		})
		return id
	}
	const node = 2 // the namespace of the host
	uid := podUID()
	sandbox := inner(nil, 1, text(text(text(nil, 1, "web-1"), 2, uid), 3, "shop"))
	sandbox = inner(sandbox, 8, inner(text(nil, 1, testPod()), 2, inner(nil, 1, varint(nil, 1, node))))
	pod = call("RunPodSandbox", inner(nil, 1, sandbox))
	t.Cleanup(func() {
		call("StopPodSandbox", text(nil, 1, pod))
		call("RemovePodSandbox", text(nil, 1, pod))
	})
	config := inner(nil, 1, text(nil, 1, "app"))
	config = inner(config, 2, text(nil, 1, testImage))
	config = text(text(config, 3, "/bin/sleep"), 3, "1000")
	config = inner(config, 15, inner(nil, 1, varint(varint(varint(nil, 1, 100_000), 2, 20_000), 4, 32<<20)))
	app = call("CreateContainer", inner(inner(text(nil, 1, pod), 2, config), 3, sandbox))
	call("StartContainer", text(nil, 1, app))
	return pod, app
}

// background runs a program until the test ends.
func background(t *testing.T, program string, args ...string) {
	t.Helper()
	cmd := exec.Command(program, args...)
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Signal(os.Interrupt)
		cmd.Wait()
		if t.Failed() {
			lines := strings.Split(strings.TrimSpace(log.String()), "\n")
			t.Logf("%s said:\n%s", program, strings.Join(lines[max(0, len(lines)-20):], "\n"))
		}
	})
}

func shell(t *testing.T, program string, args ...string) string {
	t.Helper()
	b, err := exec.Command(program, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v: %s", program, strings.Join(args, " "), err, b)
	}
	return strings.TrimSpace(string(b))
}

func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for range 600 {
		if is() {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Fatalf("waited a minute in vain: %s", what)
}

package collector

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// sink takes metrics and drops them.
func sink(t *testing.T) chan<- prometheus.Metric {
	t.Helper()
	ch := make(chan prometheus.Metric)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range ch {
		}
	}()
	t.Cleanup(func() { close(ch); <-done })
	return ch
}

// frozen makes the collector's time stand still at the returned address.
func frozen(c *containers) *time.Time {
	now := time.Unix(1_764_600_000, 0)
	c.host.Now = func() time.Time { return now }
	c.names.now = c.host.Now
	return &now
}

// TestDockerIsAskedSparingly: the list not more often than every ten seconds, details only of containers that are new or have changed, or after a while.
func TestDockerIsAskedSparingly(t *testing.T) {
	t.Parallel()
	files := many(2)
	one := fmt.Sprintf("%064x", 0)
	files["inspect/"+one+".json"] = `{"RestartCount":2}`
	c := hostOf(t, files)
	now := frozen(c)
	list := func(state, status string) {
		files["docker.json"] = fmt.Sprintf(`[{"Id":%q,"Names":["/a"],"State":%q,"Status":%q},{"Id":"%064x","Names":["/b"],"State":"running"}]`, one, state, status, 1)
	}
	list("running", "Up 1 second (health: starting)")
	inspected := serveDocker(t, filepath.Join(c.host.Root, "run/docker.sock"), files)
	key := "foreshock_container_restarts{name=a}"
	for i, step := range []struct {
		wait      time.Duration
		status    string
		inspected int32
		healthy   float64
	}{
		{0, "Up 1 second (health: starting)", 2, 0},
		{time.Second, "Up 2 seconds (healthy)", 2, 0}, // not asked again yet
		{refreshNames, "Up 12 seconds (healthy)", 3, 1},
		{inspectAfter, "Up 1 minute (unhealthy)", 5, 0},
	} {
		*now = now.Add(step.wait)
		list("running", step.status)
		got, err := sent(t, c)
		if err != nil {
			t.Fatal(err)
		}
		// The other container is not known to Docker's details: it is asked for each time the list is.
		if n := inspected.Load(); n != step.inspected || got[key] != 2 || got["foreshock_container_health{health=healthy,name=a}"] != step.healthy {
			t.Errorf("step %d: %d asked for, restarts %v, health %v", i, n, got[key], only(got, "foreshock_container_health"))
		}
	}
}

// TestRuntimeFails: a runtime that hangs or talks nonsense costs a second now and then, and its names stay known.
func TestRuntimeFails(t *testing.T) {
	t.Parallel()
	files := many(1)
	id := fmt.Sprintf("%064x", 0)
	c := hostOf(t, files)
	now := frozen(c)
	answer := make(chan func(http.ResponseWriter), 10)
	s := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/containers/json") {
			(<-answer)(w)
			return
		}
		fmt.Fprint(w, `{}`)
	})}
	l := listenUnix(t, filepath.Join(c.host.Root, "run/docker.sock"))
	go s.Serve(l)
	t.Cleanup(func() { s.Close() })
	good := func(w http.ResponseWriter) { fmt.Fprintf(w, `[{"Id":%q,"Names":["/web"],"State":"running"}]`, id) }
	release := make(chan struct{})
	t.Cleanup(func() { close(release) })
	up := "foreshock_container_runtime_up{runtime=docker,socket=/run/docker.sock}"
	named := "container_last_seen{id=/docker/" + id + ",name=web}"
	for _, step := range []struct {
		what string
		do   func(http.ResponseWriter) // nil: it must not be asked
		wait time.Duration
		up   float64
	}{
		{"good", good, 0, 1},
		{"nonsense", func(w http.ResponseWriter) { fmt.Fprint(w, `{"what":`) }, refreshNames, 0},
		{"left alone", nil, refreshNames, 0},
		{"error", func(w http.ResponseWriter) { http.Error(w, "no", http.StatusInternalServerError) }, retryRuntime, 0},
		{"hangs", func(http.ResponseWriter) { <-release }, retryRuntime, 0},
		{"good again", good, retryRuntime, 1},
	} {
		*now = now.Add(step.wait)
		if step.do != nil {
			answer <- step.do
		}
		began := time.Now()
		got, err := sent(t, c)
		if err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("%s: took %s", step.what, took)
		}
		if v, ok := got[up]; !ok || v != step.up || got[named] == 0 {
			t.Errorf("%s: %v %v", step.what, only(got, runtimeUp.Name), only(got, containerLastSeen.Name))
		}
		if len(answer) != 0 {
			t.Errorf("%s: it was not asked", step.what)
		}
	}
}

// TestCRIFails: an error of gRPC and a server that speaks something else are errors in words.
func TestCRIFails(t *testing.T) {
	t.Parallel()
	s := grpc.NewServer(grpc.UnknownServiceHandler(func(any, grpc.ServerStream) error {
		return status.Error(codes.PermissionDenied, "not you")
	}))
	dir := shortDir(t)
	l := listenUnix(t, filepath.Join(dir, "a"))
	go s.Serve(l)
	t.Cleanup(s.Stop)
	h := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.NotFoundHandler()}
	l2 := listenUnix(t, filepath.Join(dir, "b"))
	go h.Serve(l2)
	t.Cleanup(func() { h.Close() })
	for name, want := range map[string]string{"a": `gRPC status "7": not you`, "b": "", "c": "no such file"} {
		c := newCRI(filepath.Join(dir, name))
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		list, err := c.list(ctx)
		cancel()
		if err == nil || !strings.Contains(err.Error(), want) || list != nil {
			t.Errorf("%s: got %v, %v; want %s", name, list, err, want)
		}
		c.close()
	}
}

// TestNoCRI: the containerd of an ordinary host of Docker answers and has no CRI. That is no trouble, and ends when CRI is switched on.
func TestNoCRI(t *testing.T) {
	t.Parallel()
	c := hostOf(t, many(1))
	now := frozen(c)
	var log strings.Builder
	c.names.log = slog.New(slog.NewTextHandler(&log, nil))
	code, asked := codes.Unimplemented, 0
	var mu sync.Mutex
	s := grpc.NewServer(grpc.UnknownServiceHandler(func(any, grpc.ServerStream) error {
		mu.Lock()
		defer mu.Unlock()
		asked++
		return status.Error(code, "unknown service runtime.v1.RuntimeService")
	}))
	l := listenUnix(t, filepath.Join(c.host.Root, "run/cri.sock"))
	go s.Serve(l)
	t.Cleanup(s.Stop)
	for i, step := range []struct {
		wait   time.Duration
		code   codes.Code
		asked  int
		up     map[string]float64
		logged string
	}{
		{0, codes.Unimplemented, 1, map[string]float64{}, "level=INFO"},
		{retryRuntime, codes.Unimplemented, 1, map[string]float64{}, ""}, // left alone
		{retryNoCRI, codes.Unimplemented, 2, map[string]float64{}, ""},
		{retryNoCRI, codes.Internal, 3, map[string]float64{"foreshock_container_runtime_up{runtime=cri,socket=/run/cri.sock}": 0}, "level=WARN"},
	} {
		*now = now.Add(step.wait)
		log.Reset()
		mu.Lock()
		code = step.code
		mu.Unlock()
		got, err := sent(t, c)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(step.up, only(got, runtimeUp.Name)); diff != "" || asked != step.asked {
			t.Errorf("step %d: asked %d times, want %d; (-want +got):\n%s", i, asked, step.asked, diff)
		}
		if !strings.Contains(log.String(), step.logged) || step.logged == "" && log.Len() > 0 {
			t.Errorf("step %d: logged %q, want %q", i, log.String(), step.logged)
		}
	}
}

// FuzzContainerParsers gives every input to every parser of what runtimes and the kernel tell of containers. They may refuse anything and must never panic.
func FuzzContainerParsers(f *testing.F) {
	f.Add([]byte("8:0 rbytes=1 wbytes=2 rios=3 wios=4\n"))
	f.Add([]byte("8:0 Read 1\nTotal 1\n"))
	f.Add([]byte("/kubepods.slice/kubepods-pod0a1b2c3d_1111_4222_8333_444455556666.slice/crio-x.scope"))
	f.Add([]byte(`/machine.slice/machine-a\x2d\x`))
	f.Add([]byte("shop_prod_app-" + strings.Repeat("a", 64) + ".log"))
	f.Add(inner(nil, 1, inner(varint(text(nil, 1, "id"), 6, 1), 3, varint(text(nil, 1, "n"), 2, 1<<63))))
	f.Fuzz(func(t *testing.T, b []byte) {
		parseIOStat(b)
		eachBlkio(b, func(deviceIO, string, uint64) {})
		eachCgroupPair(b, func(string, float64) {})
		deviceNames(b)
		identify(string(b))
		parseLogName(string(b))
		parsePodFolder(string(b))
		if h := healthOf(string(b)); len(h) > len("unhealthy") {
			t.Errorf("health %q", h)
		}
		_, _ = parseContainers(b)
		_, _ = parseSandboxes(b)
	})
}

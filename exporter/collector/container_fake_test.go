package collector

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

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

package httpserver

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

// start runs a server on a free port and returns it with its base URL; it is stopped, and must stop cleanly, at the end.
func start(t *testing.T, o Options) (*Server, string) {
	t.Helper()
	if o.Listen == nil {
		o.Listen = []string{"127.0.0.1:0"}
	}
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Listen(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	return s, "http://" + s.Addr()
}

// client keeps no connection, so that a stop has nothing to wait for.
func client() *http.Client {
	return &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 20 * time.Second}
}

func do(t *testing.T, method, url string) (int, string) {
	t.Helper()
	req, err := http.NewRequest(method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, strings.TrimSpace(string(body))
}

func expect(t *testing.T, method, url string, code int, body string) {
	t.Helper()
	gotCode, gotBody := do(t, method, url)
	if gotCode != code || !strings.Contains(gotBody, body) {
		t.Errorf("%s %s: got %d %q, want %d with %q", method, url, gotCode, gotBody, code, body)
	}
}

func TestEndpoints(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	ready, reload := errors.New("the store does not answer"), error(nil)
	reg := prometheus.NewRegistry()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /cases/{id}", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "case "+r.PathValue("id")) })
	mux.HandleFunc("/panic", func(http.ResponseWriter, *http.Request) { panic("boom") })
	s, url := start(t, Options{
		Registry: reg, Handler: mux,
		Ready:   func() error { mu.Lock(); defer mu.Unlock(); return ready },
		Reload:  func() error { mu.Lock(); defer mu.Unlock(); return reload },
		Landing: Landing{Name: "Foreshock test", Description: "d", Links: []Link{{Address: "/cases", Text: "Cases"}}},
	})
	set := func(p *error, v error) { mu.Lock(); *p = v; mu.Unlock() }

	expect(t, "GET", url+"/-/healthy", 200, "healthy")
	expect(t, "GET", url+"/-/ready", 503, "not ready: the store does not answer")
	set(&ready, nil)
	expect(t, "GET", url+"/-/ready", 200, "ready")
	expect(t, "GET", url+"/", 200, "Foreshock test")
	expect(t, "GET", url+"/cases/7", 200, "case 7")
	expect(t, "GET", url+"/cases/8", 200, "case 8")
	expect(t, "GET", url+"/nothing", 404, "")
	expect(t, "BREW", url+"/cases/8", 405, "")
	expect(t, "GET", url+"/panic", 500, "internal error")

	expect(t, "GET", url+"/-/reload", 405, "want POST")
	expect(t, "POST", url+"/-/reload", 200, "reloaded")
	expect(t, "GET", url+"/metrics", 200, "foreshock_config_last_reload_successful 1")
	set(&reload, errors.New(`field "n": 0 is too small: want 1 to 100`))
	expect(t, "POST", url+"/-/reload", 400, `field "n": 0 is too small: want 1 to 100`)
	expect(t, "GET", url+"/metrics", 200, "foreshock_config_last_reload_successful 0")
	set(&reload, nil)
	if err := s.Reload(); err != nil {
		t.Error(err)
	}
	expect(t, "GET", url+"/metrics", 200, "foreshock_config_last_reload_successful 1")

	for label, want := range map[[3]string]float64{
		{"/cases/{id}", "GET", "2xx"}: 2, {"none", "GET", "4xx"}: 1, {"none", "other", "4xx"}: 1, {"/panic", "GET", "5xx"}: 1,
		{"/-/reload", "POST", "4xx"}: 1, {"/-/ready", "GET", "5xx"}: 1,
	} {
		if got := testutil.ToFloat64(s.metrics.requests.WithLabelValues(label[:]...)); got != want {
			t.Errorf("requests%v = %v, want %v", label, got, want)
		}
	}
	if problems, err := testutil.GatherAndLint(reg); err != nil || len(problems) > 0 {
		t.Errorf("metrics: %v %v", problems, err)
	}
}

func TestReloadRefusesOtherSites(t *testing.T) {
	t.Parallel()
	_, url := start(t, Options{Reload: func() error { t.Error("reloaded for another site"); return nil }})
	req, _ := http.NewRequest("POST", url+"/-/reload", nil)
	req.Header.Set("Sec-Fetch-Site", "cross-site")
	resp, err := client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 403 {
		t.Errorf("got %d, want 403", resp.StatusCode)
	}
}

func TestWithoutReload(t *testing.T) {
	t.Parallel()
	_, url := start(t, Options{})
	expect(t, "POST", url+"/-/reload", 404, "")
	if _, body := do(t, "GET", url+"/metrics"); strings.Contains(body, "config_last_reload") {
		t.Error("reload metrics without reload")
	}
}

// A request in flight when the context ends gets its whole answer, and new connections are refused.
func TestGracefulStop(t *testing.T) {
	t.Parallel()
	entered, release := make(chan struct{}), make(chan struct{})
	s, err := New(Options{Listen: []string{"127.0.0.1:0", "127.0.0.1:0"}, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(entered)
		<-release
		fmt.Fprint(w, "done")
	})})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Listen(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	go func() { ran <- s.Run(ctx) }()
	got := make(chan string, 1)
	go func() { _, body := do(t, "GET", "http://"+s.Addrs()[1]+"/slow"); got <- body }()
	<-entered
	cancel()
	for { // until the socket is closed
		c, err := net.Dial("tcp", s.Addr())
		if err != nil {
			break
		}
		c.Close()
	}
	if err := s.ready(); !errors.Is(err, errStopping) {
		t.Errorf("ready while stopping: %v", err)
	}
	close(release)
	if body := <-got; body != "done" {
		t.Errorf("answer in flight: %q", body)
	}
	if err := <-ran; err != nil {
		t.Errorf("Run: %v", err)
	}
	if err := s.Run(context.Background()); err == nil {
		t.Error("a second Run must be refused")
	}
}

func TestStopDeadline(t *testing.T) {
	t.Parallel()
	entered := make(chan struct{})
	s, err := New(Options{
		Listen: []string{"127.0.0.1:0"}, Limits: Limits{Stop: 50 * time.Millisecond},
		Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { close(entered); <-r.Context().Done() }),
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Listen(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	go func() { ran <- s.Run(ctx) }()
	go client().Get("http://" + s.Addr() + "/")
	<-entered
	cancel()
	if err := <-ran; err == nil || !strings.Contains(err.Error(), "requests were cut off after 50ms") {
		t.Errorf("Run: %v", err)
	}
}

// A client that trickles its headers is cut off, and does not keep others out for longer.
func TestSlowHeaders(t *testing.T) {
	t.Parallel()
	s, url := start(t, Options{Limits: Limits{ReadHeader: 100 * time.Millisecond, MaxConnections: 1}})
	slow, err := net.Dial("tcp", s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer slow.Close()
	fmt.Fprint(slow, "GET / HTTP/1.1\r\nHost: x\r\nX-Slow")
	expect(t, "GET", url+"/-/healthy", 200, "healthy") // waits in the queue until the slow one is gone
	slow.SetReadDeadline(time.Now().Add(20 * time.Second))
	if _, err := io.ReadAll(slow); err != nil {
		t.Errorf("the slow connection was not closed: %v", err)
	}
}

func TestHeaderLimit(t *testing.T) {
	t.Parallel()
	s, _ := start(t, Options{Limits: Limits{MaxHeaderBytes: 1024}})
	c, err := net.Dial("tcp", s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	go fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: x\r\nX-Long: %s\r\n\r\n", strings.Repeat("x", 16<<10))
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("got %s", resp.Status)
	}
}

func TestAddressInUse(t *testing.T) {
	t.Parallel()
	s, _ := start(t, Options{})
	second, err := New(Options{Listen: []string{"127.0.0.1:0", s.Addr()}})
	if err != nil {
		t.Fatal(err)
	}
	if err := second.Run(context.Background()); err == nil || !strings.Contains(err.Error(), "cannot listen on \""+s.Addr()+"\"") {
		t.Errorf("got %v", err)
	}
	if _, err := New(Options{}); err == nil {
		t.Error("no address must be an error")
	}
}

// fakepassword, as the toolkit hashes it.
const hash = "$2y$10$QOauhQNbBCuQDKes6eFzPeMqBSjb7Mr5DUmpZ/VcEd00UAV/LDeSi"

// TLS and basic auth from the web configuration, on two addresses at once; a file broken later is logged without what it holds.
func TestWebConfig(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	pool := writeCertificate(t, dir)
	file := filepath.Join(dir, "web.yml")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("tls_server_config: {cert_file: cert.pem, key_file: key.pem}\nbasic_auth_users: {ann: " + hash + "}\n")
	var log syncBuffer
	s, _ := start(t, Options{Listen: []string{"127.0.0.1:0", "127.0.0.1:0"}, WebConfigFile: file, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	c := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: pool}}}
	get := func(address, user, password string) int {
		req, _ := http.NewRequest("GET", "https://"+address+"/-/healthy", nil)
		if user != "" {
			req.SetBasicAuth(user, password)
		}
		resp, err := c.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp.StatusCode
	}
	for _, address := range s.Addrs() {
		if a, b, ok := get(address, "", ""), get(address, "ann", "wrong-one"), get(address, "ann", "fakepassword"); a != 401 || b != 401 || ok != 200 {
			t.Errorf("%s: got %d %d %d, want 401 401 200", address, a, b, ok)
		}
	}
	write("tls_server_config: {cert_file: cert.pem, key_file: key.pem}\nbasic_auth_users: hunter2\n")
	req, _ := http.NewRequest("GET", "https://"+s.Addr()+"/-/healthy", nil)
	if resp, err := c.Do(req); err == nil { // refused in the handshake, which reads the file too
		resp.Body.Close()
	}
	if strings.Contains(log.String(), "hunter2") || strings.Contains(log.String(), "fakepassword") || strings.Contains(log.String(), hash) {
		t.Errorf("the log shows a secret:\n%s", log.String())
	}
	if !strings.Contains(log.String(), "Listening on") {
		t.Errorf("the toolkit's log is lost:\n%s", log.String())
	}
}

func TestBadWebConfig(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ text, want string }{
		"typo":       {"basic_auth_user: {ann: x}", "field basic_auth_user not found"},
		"plain":      {"basic_auth_users: {ann: hunter2}", "basic_auth_users: a password is not a bcrypt hash"},
		"misplaced":  {"basic_auth_users: hunter2", "cannot unmarshal !!str `<secret>`"},
		"no key":     {"tls_server_config: {cert_file: c.pem}", "missing one of key or key_file"},
		"no such":    {"", "no such file"},
		"bad header": {"http_server_config: {headers: {X-Frame-Options: maybe}}", "invalid value for X-Frame-Options"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "web.yml")
			if c.text != "" {
				if err := os.WriteFile(file, []byte(c.text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			_, err := New(Options{Listen: []string{"127.0.0.1:0"}, WebConfigFile: file})
			if err == nil {
				t.Fatal("accepted")
			}
			if !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), file) || strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "\n") {
				t.Errorf("got %q, want one line with the file and %q", err, c.want)
			}
		})
	}
}

// writeCertificate puts a self-signed cert.pem and key.pem for 127.0.0.1 into dir and returns the pool that trusts it.
func writeCertificate(t *testing.T, dir string) *x509.CertPool {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	for name, block := range map[string]*pem.Block{"cert.pem": {Type: "CERTIFICATE", Bytes: der}, "key.pem": {Type: "PRIVATE KEY", Bytes: keyDER}} {
		data := pem.EncodeToMemory(block)
		pool.AppendCertsFromPEM(data)
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return pool
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}
func (s *syncBuffer) String() string { s.mu.Lock(); defer s.mu.Unlock(); return s.b.String() }

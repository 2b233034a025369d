package main

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/foreshock/foreshock/exporter/collector"
)

// program is a running exporter.
type program struct {
	address string
	stop    func() int
}

// start runs the program on a free port of the loopback and waits until it listens.
func start(t *testing.T, args ...string) program {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r, w := io.Pipe()
	code := make(chan int, 1)
	go func() {
		c := run(ctx, append([]string{"--web.listen-address=127.0.0.1:0"}, args...), io.Discard, w)
		w.Close()
		code <- c
	}()
	address := make(chan string, 1)
	go func() {
		listening := regexp.MustCompile(`msg="Listening on" address=(\S+)`)
		lines := bufio.NewScanner(r)
		for lines.Scan() {
			t.Log(lines.Text())
			if m := listening.FindStringSubmatch(lines.Text()); m != nil {
				address <- m[1]
			}
		}
		close(address)
	}()
	p := program{stop: func() int { cancel(); c := <-code; code <- c; return c }}
	t.Cleanup(func() { p.stop() })
	select {
	case a, ok := <-address:
		if !ok {
			t.Fatal("the program ended before it listened")
		}
		p.address = a
	case <-time.After(30 * time.Second):
		t.Fatal("the program does not listen after 30 s")
	}
	return p
}

func get(t *testing.T, client *http.Client, url string) (int, string) {
	t.Helper()
	resp, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

// TestServe: the real program on this host, from start to signal.
func TestServe(t *testing.T) {
	t.Parallel()
	p := start(t)
	base := "http://" + p.address
	for _, tc := range []struct {
		path string
		code int
		has  []string
		not  []string
	}{
		{"/metrics", 200, []string{"node_cpu_seconds_total{", "node_memory_MemTotal_bytes ", "go_goroutines ", "process_cpu_seconds_total ", "promhttp_metric_handler_requests_total{", "foreshock_exporter_build_info{"}, nil},
		{"/metrics?collect[]=loadavg&collect[]=uname", 200, []string{"node_load1 ", "node_uname_info{"}, []string{"node_cpu_seconds_total"}},
		{"/metrics?exclude[]=cpu", 200, []string{"node_load1 "}, []string{"node_cpu_seconds_total"}},
		{"/metrics?collect[]=cpus", 400, []string{`collect[]: got "cpus", want one of arp, `}, nil},
		{"/-/healthy", 200, []string{"Healthy"}, nil},
		{"/", 200, []string{"Foreshock exporter", `href="/metrics"`}, nil},
		{"/nope", 404, nil, nil},
	} {
		code, body := get(t, http.DefaultClient, base+tc.path)
		if code != tc.code {
			t.Errorf("%s: got %d, want %d", tc.path, code, tc.code)
		}
		for _, want := range tc.has {
			if !strings.Contains(body, want) {
				t.Errorf("%s lacks %q", tc.path, want)
			}
		}
		for _, not := range tc.not {
			if strings.Contains(body, not) {
				t.Errorf("%s has %q", tc.path, not)
			}
		}
	}
	if code := p.stop(); code != 0 {
		t.Errorf("exit status %d after a signal, want 0", code)
	}
}

// TestPortTaken: a port in use is exit status 1.
func TestPortTaken(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if code := run(t.Context(), []string{"--web.listen-address=" + l.Addr().String()}, io.Discard, io.Discard); code != 1 {
		t.Errorf("exit status %d, want 1", code)
	}
}

// TestTLSAndBasicAuth: --web.config.file is exporter-toolkit's.
func TestTLSAndBasicAuth(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	pool := certificate(t, dir)
	const hash = "$2a$04$mv7sZfS2u4j/qfFuNj/NaeNbdYHVCcXmlEVHeJfYlIcCQptSW9x4C" // bcrypt of "secret", at the lowest cost
	config := filepath.Join(dir, "web.yml")
	text := "tls_server_config:\n  cert_file: cert.pem\n  key_file: key.pem\nbasic_auth_users:\n  prometheus: " + hash + "\n"
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	p := start(t, "--web.config.file="+config)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}
	for user, want := range map[string]int{"": 401, "prometheus:wrong@": 401, "prometheus:secret@": 200} {
		if code, _ := get(t, client, "https://"+user+p.address+"/metrics?collect[]=time"); code != want {
			t.Errorf("as %q: got %d, want %d", user, code, want)
		}
	}
}

// certificate writes cert.pem and key.pem for 127.0.0.1.
func certificate(t *testing.T, dir string) *x509.CertPool {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	keyPEM := pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: keyDER})
	for name, b := range map[string][]byte{"cert.pem": certPEM, "key.pem": keyPEM} {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(certPEM)
	return pool
}

// TestStuckScrape: what Prometheus says about its patience reaches the collectors: one that hangs costs its own metrics only.
func TestStuckScrape(t *testing.T) {
	t.Parallel()
	log := slog.New(slog.DiscardHandler)
	host, release := collector.ThisHost(log), make(chan struct{})
	defer close(release)
	host.Uname = func() (collector.Uname, error) { <-release; return collector.Uname{}, nil }
	set, err := collector.NewSet(collector.Config{Host: host, Log: log, Enabled: []string{"loadavg", "uname"}})
	if err != nil {
		t.Fatal(err)
	}
	o, _, err := parse(nil)
	if err != nil {
		t.Fatal(err)
	}
	o.timeout = time.Hour
	for range 2 {
		r := httptest.NewRequest(http.MethodGet, "/metrics", nil)
		r.Header.Set(timeoutHeader, "0.2")
		w := httptest.NewRecorder()
		newMetrics(o, set, log).ServeHTTP(w, r)
		for _, want := range []string{
			"\nnode_load1 ", "\nnode_scrape_collector_success{collector=\"loadavg\"} 1\n", "\nnode_scrape_collector_success{collector=\"uname\"} 0\n",
			"\nforeshock_exporter_collector_stuck_seconds{collector=\"uname\"} 0.",
		} {
			if !strings.Contains(w.Body.String(), want) {
				t.Errorf("%d, the scrape lacks %q", w.Code, want)
			}
		}
	}
}

// TestBusy: more scrapes than --web.max-requests are turned away, not queued.
func TestBusy(t *testing.T) {
	t.Parallel()
	log := slog.New(slog.DiscardHandler)
	set, err := collector.NewSet(collector.Config{Host: collector.ThisHost(log), Log: log, Enabled: []string{"time"}})
	if err != nil {
		t.Fatal(err)
	}
	m := &metrics{set: set, own: prometheus.NewRegistry(), timeout: time.Second, slots: make(chan struct{}, 1), log: log}
	m.slots <- struct{}{} // a scrape in progress
	w := httptest.NewRecorder()
	m.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if w.Code != http.StatusServiceUnavailable || !strings.Contains(w.Body.String(), "Limit of 1 scrapes") {
		t.Errorf("got %d: %s", w.Code, w.Body)
	}
	<-m.slots
	w = httptest.NewRecorder()
	m.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if w.Code != http.StatusOK {
		t.Errorf("got %d: %s", w.Code, w.Body)
	}
}

// TestSlots: of more requests than there are slots one has 503, and a slot is free again after its answer.
func TestSlots(t *testing.T) {
	t.Parallel()
	s := newSlots(1)
	h := s.limited("requests", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "fine") }))
	ask := func(h http.Handler) (int, string) {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/api/v1/templates", nil))
		return w.Code, w.Body.String()
	}
	for _, step := range []struct {
		do   func()
		code int
		body string
	}{
		{func() {}, 200, "fine"},
		{func() { s <- struct{}{} }, 503, "Limit of 1 requests at the same time reached, try again later.\n"},
		{func() { <-s }, 200, "fine"},
	} {
		step.do()
		if code, body := ask(h); code != step.code || body != step.body {
			t.Errorf("got %d %q, want %d %q", code, body, step.code, step.body)
		}
	}
	if code, body := ask(newSlots(0).limited("requests", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "fine") }))); code != 200 || body != "fine" {
		t.Errorf("without a limit: %d %q", code, body)
	}
}

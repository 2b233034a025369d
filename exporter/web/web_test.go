package web

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	toolkit "github.com/prometheus/exporter-toolkit/web"
)

// hash is bcrypt of "secret", at the lowest cost.
const hash = "$2a$04$mv7sZfS2u4j/qfFuNj/NaeNbdYHVCcXmlEVHeJfYlIcCQptSW9x4C"

const certAndKey = "tls_server_config: {cert_file: cert.pem, key_file: key.pem"

// TestFile: what exporter-toolkit accepts is accepted, what it refuses is refused; an error names the file and shows nothing of it that may be a secret.
func TestFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	certificate(t, dir, "cert", nil)
	for text, want := range map[string]string{
		"":                                    "",
		"basic_auth_users: {a: " + hash + "}": "",
		"basic_auth_users: {a: hunter2}":      `basic_auth_users: the password of "a" is not a bcrypt hash, as htpasswd -nBC 10 "" makes it`,
		"basic_auth_users: hunter2":           "yaml: unmarshal errors: line 1: cannot unmarshal !!str `<secret>` into map[string]string",
		certAndKey + "}":                      "",
		certAndKey + ", min_version: TLS13}":  "",
		certAndKey + ", min_version: SSL3}":   `tls_server_config.min_version: got "SSL3", want one of TLS10, TLS11, TLS12, TLS13`,
		certAndKey + ", max_version: TLS12, prefer_server_cipher_suites: false, cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256]}": "",
		certAndKey + ", cipher_suites: [ROT13]}":                                                        `tls_server_config.cipher_suites: got "ROT13", want one of TLS_`,
		certAndKey + ", curve_preferences: [X25519, CurveP256, CurveP384, CurveP521]}":                  "",
		certAndKey + ", curve_preferences: [round]}":                                                    `tls_server_config.curve_preferences: got "round", want one of CurveP256, CurveP384, CurveP521, X25519`,
		certAndKey + ", client_auth_type: RequireAndVerifyClientCert, client_ca_file: cert.pem}":        "",
		certAndKey + ", client_auth_type: RequestClientCert, client_allowed_sans: [a.example]}":         "",
		certAndKey + ", client_auth_type: RequireClientCert}":                                           "",
		certAndKey + ", client_auth_type: Ask}":                                                         `tls_server_config.client_auth_type: got "Ask", want one of NoClientCert, `,
		certAndKey + ", client_ca_file: cert.pem}":                                                      "tls_server_config: client_ca or client_ca_file without client_auth_type, which would let everybody in",
		certAndKey + ", client_ca_file: none.pem, client_auth_type: RequireAnyClientCert}":              "no such file or directory",
		"tls_server_config: {cert_file: cert.pem}":                                                      "tls_server_config: want key or key_file",
		"tls_server_config: {key_file: key.pem}":                                                        "tls_server_config: want cert or cert_file",
		"tls_server_config: {cert_file: cert.pem, key_file: none.pem}":                                  "none.pem: no such file or directory",
		"tls_server_config: {cert_file: cert.pem, key_file: cert.pem}":                                  "tls_server_config: certificate and key: tls: found a certificate rather than a key",
		"tls_server_config: {cert: hunter2, key: hunter2}":                                              "tls_server_config: certificate and key: tls: failed to find any PEM data in certificate input",
		"tls_server_config: {min_version: TLS13}":                                                       "",
		"http_server_config: {http2: false, headers: {X-Frame-Options: deny, X-XSS-Protection: \"1\"}}": "",
		"http_server_config: {headers: {X-Frame-Options: maybe}}":                                       `http_server_config.headers.X-Frame-Options: got "maybe", want one of deny, sameorigin`,
		"http_server_config: {headers: {X-Other: a}}":                                                   `http_server_config.headers: got "X-Other", want one of Content-Security-Policy, `,
		"rate_limit: {interval: 1s, burst: 3}":                                                          "",
		"rate_limit: {interval: often}":                                                                 "cannot unmarshal !!str `<secret>` into time.Duration",
		"basic_auth_user: {a: " + hash + "}":                                                            "line 1: field basic_auth_user not found",
		"tls_server_config: {cert_files: a}":                                                            "line 1: field cert_files not found",
		"basic_auth_users: [":                                                                           "yaml: line 1:",
	} {
		path := filepath.Join(dir, "web.yml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		err, theirs := Options{ConfigFile: path}.Validate(), toolkit.Validate(path)
		if (err == nil) != (theirs == nil) {
			t.Errorf("%s\ngot %v, exporter-toolkit says %v", text, err, theirs)
		}
		switch {
		case want == "" && err == nil:
		case err == nil || want == "" || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path):
			t.Errorf("%s\ngot  %v\nwant %s: %s", text, err, path, want)
		case strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "\n"):
			t.Errorf("%s\n%q", text, err)
		}
	}
}

// TestReload: passwords and headers are those of the file as it is now; a file that broke lets nobody in, and is logged once.
func TestReload(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "web.yml")
	write := func(text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("basic_auth_users: {a: " + hash + "}\nhttp_server_config: {headers: {X-Frame-Options: deny}}\n")
	var said bytes.Buffer
	next := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	g, err := newGuard(path, next, slog.New(slog.NewTextHandler(&said, nil)))
	if err != nil {
		t.Fatal(err)
	}
	g.unknown = hash // which is faster, and would let everybody in who is taken for a user
	ask := func(user, password string, want int) {
		t.Helper()
		w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/metrics", nil)
		if user != "" {
			r.SetBasicAuth(user, password)
		}
		if g.ServeHTTP(w, r); w.Code != want {
			t.Errorf("%s:%s: got %d, want %d", user, password, w.Code, want)
		}
	}
	for range 2 { // the second time it is known
		ask("", "", 401)
		ask("a", "secret", 204)
		ask("a", "", 401)
		ask("a", "Secret", 401)
		ask("b", "secret", 401)
	}
	write("basic_auth_users: {b: " + hash + "}")
	ask("a", "secret", 401)
	ask("b", "secret", 204)
	write("basic_auth_users: {b: hunter2}")
	ask("b", "secret", 500)
	ask("b", "hunter2", 500)
	if n := strings.Count(said.String(), "\n"); n != 1 || strings.Contains(said.String(), "hunter2") {
		t.Errorf("%d lines in the log:\n%s", n, said.String())
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	ask("b", "secret", 500)
	write("")
	ask("", "", 204)
	for i := range 3 * maxKnown {
		g.right(map[string]string{"a": "no hash"}, "a", strings.Repeat("x", i))
	}
	if len(g.known) > maxKnown {
		t.Errorf("%d answers are kept", len(g.known))
	}
}

func TestRate(t *testing.T) {
	t.Parallel()
	now := time.Unix(0, 0)
	l := &limiter{interval: time.Second, burst: 3, now: func() time.Time { return now }}
	for _, step := range []struct {
		after time.Duration
		want  string
	}{{0, "yyyn"}, {999 * time.Millisecond, "n"}, {time.Millisecond, "yn"}, {2 * time.Second, "yyn"}, {time.Hour, "yyyn"}} {
		now = now.Add(step.after)
		for i, want := range step.want {
			if l.allow() != (want == 'y') {
				t.Errorf("after %s, request %d: want %c", step.after, i, want)
			}
		}
	}
}

// TestServe: TLS with certificates of clients, on TCP and on a socket, and a certificate that is replaced while the server runs.
func TestServe(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	pool := certificate(t, dir, "cert", nil)
	certificate(t, dir, "good", []string{"good.example"})
	certificate(t, dir, "bad", []string{"bad.example"})
	config := filepath.Join(dir, "web.yml")
	text := certAndKey + ", client_auth_type: RequireAnyClientCert, client_allowed_sans: [good.example]}\n"
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(dir, "s")
	old, err := net.ListenUnix("unix", &net.UnixAddr{Name: socket, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	old.SetUnlinkOnClose(false)
	if err := old.Close(); err != nil { // as after a crash
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }), ReadHeaderTimeout: time.Minute}
	ended := make(chan error, 1)
	go func() {
		ended <- ListenAndServe(server, Options{Addresses: []string{"unix:" + socket}, ConfigFile: config}, slog.New(slog.DiscardHandler))
	}()
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}
	ask := func(name string) error {
		c := &tls.Config{RootCAs: pool, ServerName: "127.0.0.1"}
		if name != "" {
			pair, err := tls.LoadX509KeyPair(filepath.Join(dir, name+".pem"), filepath.Join(dir, strings.Replace(name, "cert", "", 1)+"key.pem"))
			if err != nil {
				t.Fatal(err)
			}
			c.Certificates = []tls.Certificate{pair}
		}
		transport := &http.Transport{TLSClientConfig: c, DisableKeepAlives: true, DialContext: dial}
		resp, err := (&http.Client{Transport: transport}).Get("https://127.0.0.1/")
		if err == nil {
			err = resp.Body.Close()
		}
		return err
	}
	for begin := time.Now(); ask("good") != nil; time.Sleep(time.Millisecond) {
		if time.Since(begin) > 20*time.Second {
			t.Fatal(ask("good"))
		}
	}
	for _, name := range []string{"", "bad"} {
		if ask(name) == nil {
			t.Errorf("the certificate %q is accepted", name)
		}
	}
	if err := (Options{Addresses: []string{"unix:" + socket}}).try(); err == nil || !strings.Contains(err.Error(), "another program listens there") {
		t.Errorf("a socket in use: %v", err)
	}
	pool = certificate(t, dir, "cert", nil)
	if err := ask("good"); err != nil {
		t.Errorf("with a new certificate: %v", err)
	}
	if err := server.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
		t.Error(err)
	}
}

// try listens and closes.
func (o Options) try() error {
	list, err := o.listen()
	for _, l := range list {
		_ = l.Close()
	}
	return err
}

func TestAddresses(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"127.0.0.1:0": "", "[::1]:x": "unknown port", "vsock://:x": "invalid port", "unix:/nowhere/s": "no such file or directory",
		"unix://" + filepath.Join(t.TempDir(), "s"): "",
	} {
		if err := (Options{Addresses: []string{address}}).try(); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", address, err, want)
		}
	}
	if err := (Options{Systemd: true}).try(); err == nil || !strings.Contains(err.Error(), "want a .socket unit") {
		t.Errorf("no sockets of systemd: %v", err)
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := (Options{Addresses: []string{"unix:" + file}}).try(); err == nil {
		t.Error("a file gave way to a socket")
	}
}

// certificate writes name.pem and its key for 127.0.0.1 and names; the key of cert.pem is key.pem.
func certificate(t *testing.T, dir, name string, names []string) *x509.CertPool {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), DNSNames: names,
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
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	for file, b := range map[string][]byte{
		name + ".pem": cert, strings.Replace(name, "cert", "", 1) + "key.pem": pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: keyDER}),
	} {
		if err := os.WriteFile(filepath.Join(dir, file), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(cert)
	return pool
}

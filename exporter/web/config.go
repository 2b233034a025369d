package web

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"go.yaml.in/yaml/v3"
	"golang.org/x/crypto/bcrypt"
)

// config is the file, decoded and checked.
type config struct {
	TLS  tlsSection `yaml:"tls_server_config"`
	HTTP struct {
		HTTP2   bool              `yaml:"http2"`
		Headers map[string]string `yaml:"headers"`
	} `yaml:"http_server_config"`
	Rate struct {
		Burst    int           `yaml:"burst"`
		Interval time.Duration `yaml:"interval"`
	} `yaml:"rate_limit"`
	Users map[string]string `yaml:"basic_auth_users"` // bcrypt hashes
}

type tlsSection struct {
	Cert         string   `yaml:"cert"`
	CertFile     string   `yaml:"cert_file"`
	Key          string   `yaml:"key"`
	KeyFile      string   `yaml:"key_file"`
	ClientAuth   string   `yaml:"client_auth_type"`
	ClientCA     string   `yaml:"client_ca"`
	ClientCAFile string   `yaml:"client_ca_file"`
	ClientSANs   []string `yaml:"client_allowed_sans"`
	Ciphers      []string `yaml:"cipher_suites"`
	Curves       []string `yaml:"curve_preferences"`
	MinVersion   string   `yaml:"min_version"`
	MaxVersion   string   `yaml:"max_version"`
	PreferServer *bool    `yaml:"prefer_server_cipher_suites"` // read and without effect: Go chooses by itself since 1.18
}

var (
	versions = map[string]uint16{"TLS10": tls.VersionTLS10, "TLS11": tls.VersionTLS11, "TLS12": tls.VersionTLS12, "TLS13": tls.VersionTLS13}
	curves   = map[string]tls.CurveID{"CurveP256": tls.CurveP256, "CurveP384": tls.CurveP384, "CurveP521": tls.CurveP521, "X25519": tls.X25519}

	clientAuth = map[string]tls.ClientAuthType{
		"": tls.NoClientCert, "NoClientCert": tls.NoClientCert, "RequestClientCert": tls.RequestClientCert, "RequireAnyClientCert": tls.RequireAnyClientCert,
		"RequireClientCert": tls.RequireAnyClientCert, "VerifyClientCertIfGiven": tls.VerifyClientCertIfGiven, "RequireAndVerifyClientCert": tls.RequireAndVerifyClientCert,
	}

	// headers that may be set, with the values that they may have; none: any.
	headers = map[string][]string{
		"Strict-Transport-Security": nil, "X-Content-Type-Options": {"nosniff"}, "X-Frame-Options": {"deny", "sameorigin"}, "X-XSS-Protection": nil,
		"Content-Security-Policy": nil,
	}

	quoted = regexp.MustCompile("`[^`]*`") // what YAML's errors quote of a file: it may be a secret in the wrong place
)

func load(path string) (*config, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return decode(path, text)
}

func decode(path string, text []byte) (*config, error) {
	c := &config{TLS: tlsSection{MinVersion: "TLS12", MaxVersion: "TLS13"}}
	c.HTTP.HTTP2 = true
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	if err := d.Decode(c); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s: %s", path, strings.Join(strings.Fields(quoted.ReplaceAllString(err.Error(), "`<secret>`")), " "))
	}
	for _, f := range []*string{&c.TLS.CertFile, &c.TLS.KeyFile, &c.TLS.ClientCAFile} {
		if *f != "" && !filepath.IsAbs(*f) {
			*f = filepath.Join(filepath.Dir(path), *f)
		}
	}
	if err := c.check(); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return c, nil
}

func (c *config) check() error {
	for _, name := range slices.Sorted(maps.Keys(c.HTTP.Headers)) {
		allowed, ok := headers[name]
		if !ok {
			return fmt.Errorf("http_server_config.headers: got %q, want one of %s", name, strings.Join(slices.Sorted(maps.Keys(headers)), ", "))
		}
		if v := c.HTTP.Headers[name]; allowed != nil && !slices.Contains(allowed, v) {
			return fmt.Errorf("http_server_config.headers.%s: got %q, want one of %s", name, v, strings.Join(allowed, ", "))
		}
	}
	for _, user := range slices.Sorted(maps.Keys(c.Users)) {
		if _, err := bcrypt.Cost([]byte(c.Users[user])); err != nil { // its error shows the first letter
			return fmt.Errorf("basic_auth_users: the password of %q is not a bcrypt hash, as htpasswd -nBC 10 \"\" makes it", user)
		}
	}
	return nil
}

// serverTLS reads the certificates and returns the configuration of the server; nil when the file has none.
func (c *config) serverTLS() (*tls.Config, error) {
	s := c.TLS
	if s.Cert+s.CertFile+s.Key+s.KeyFile+s.ClientCA+s.ClientCAFile+s.ClientAuth == "" {
		return nil, nil
	}
	out := &tls.Config{}
	var ok bool
	for _, v := range []struct {
		field, value string
		to           *uint16
	}{{"min_version", s.MinVersion, &out.MinVersion}, {"max_version", s.MaxVersion, &out.MaxVersion}} {
		if *v.to, ok = versions[v.value]; !ok {
			return nil, oneOf(v.field, v.value, slices.Sorted(maps.Keys(versions)))
		}
	}
	if out.ClientAuth, ok = clientAuth[s.ClientAuth]; !ok {
		return nil, oneOf("client_auth_type", s.ClientAuth, slices.Sorted(maps.Keys(clientAuth))[1:])
	}
	for _, name := range s.Curves {
		id, ok := curves[name]
		if !ok {
			return nil, oneOf("curve_preferences", name, slices.Sorted(maps.Keys(curves)))
		}
		out.CurvePreferences = append(out.CurvePreferences, id)
	}
	for _, name := range s.Ciphers {
		i := slices.IndexFunc(tls.CipherSuites(), func(c *tls.CipherSuite) bool { return c.Name == name })
		if i < 0 {
			names := []string{}
			for _, c := range tls.CipherSuites() {
				names = append(names, c.Name)
			}
			return nil, oneOf("cipher_suites", name, names)
		}
		out.CipherSuites = append(out.CipherSuites, tls.CipherSuites()[i].ID)
	}
	cert, err := s.certificate()
	if err != nil {
		return nil, err
	}
	out.Certificates = []tls.Certificate{cert}
	return out, s.clients(out)
}

func oneOf(field, got string, want []string) error {
	return fmt.Errorf("tls_server_config.%s: got %q, want one of %s", field, got, strings.Join(want, ", "))
}

func (s tlsSection) certificate() (tls.Certificate, error) {
	cert, err := textOrFile("cert", s.Cert, s.CertFile)
	if err != nil {
		return tls.Certificate{}, err
	}
	key, err := textOrFile("key", s.Key, s.KeyFile)
	if err != nil {
		return tls.Certificate{}, err
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return pair, fmt.Errorf("tls_server_config: certificate and key: %w", err)
	}
	return pair, nil
}

// clients adds what is asked of the certificates of clients.
func (s tlsSection) clients(out *tls.Config) error {
	if s.ClientCA+s.ClientCAFile != "" {
		if out.ClientAuth == tls.NoClientCert {
			return errors.New("tls_server_config: client_ca or client_ca_file without client_auth_type, which would let everybody in")
		}
		pem, err := textOrFile("client_ca", s.ClientCA, s.ClientCAFile)
		if err != nil {
			return err
		}
		out.ClientCAs = x509.NewCertPool()
		if !out.ClientCAs.AppendCertsFromPEM(pem) {
			return errors.New("tls_server_config: client_ca or client_ca_file has no certificate")
		}
	}
	if s.ClientSANs == nil {
		return nil
	}
	out.VerifyPeerCertificate = func(raw [][]byte, _ [][]*x509.Certificate) error {
		if len(raw) == 0 {
			return errors.New("the client has no certificate")
		}
		cert, err := x509.ParseCertificate(raw[0])
		if err != nil {
			return fmt.Errorf("reading the client's certificate: %w", err)
		}
		names := slices.Concat(cert.DNSNames, cert.EmailAddresses)
		for _, ip := range cert.IPAddresses {
			names = append(names, ip.String())
		}
		for _, u := range cert.URIs {
			names = append(names, u.String())
		}
		if !slices.ContainsFunc(names, func(n string) bool { return slices.Contains(s.ClientSANs, n) }) {
			return fmt.Errorf("the client's certificate is for %q, and none of them is in client_allowed_sans", names)
		}
		return nil
	}
	return nil
}

// textOrFile returns what the file at path has, else text. The file wins where both are given, as in exporter-toolkit.
func textOrFile(field, text, path string) ([]byte, error) {
	if path == "" && text == "" {
		return nil, fmt.Errorf("tls_server_config: want %s or %s_file", field, field)
	}
	if path == "" {
		return []byte(text), nil
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("tls_server_config.%s_file: %w", field, err)
	}
	return b, nil
}

// file is the configuration file as it is now: read each time, decoded when it has changed.
type file struct {
	path string
	log  *slog.Logger

	mu      sync.Mutex
	text    []byte
	decoded *config
	err     error
	said    string
}

func (f *file) current() (*config, error) {
	text, err := os.ReadFile(f.path)
	f.mu.Lock()
	defer f.mu.Unlock()
	if err == nil && (f.decoded == nil && f.err == nil || !bytes.Equal(text, f.text)) {
		f.text = text
		f.decoded, f.err = decode(f.path, text)
	}
	if err == nil {
		err = f.err
	}
	if err != nil {
		f.say(err)
		return nil, err
	}
	return f.decoded, nil
}

// troubled logs err, once until it is another one.
func (f *file) troubled(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.say(err)
}

func (f *file) say(err error) {
	if text := err.Error(); text != f.said {
		f.said = text
		f.log.Error("The web configuration cannot be used: nobody is let in", "err", text)
	}
}

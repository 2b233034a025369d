package notify

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/foreshock/foreshock/pkg/registry"
	"github.com/foreshock/foreshock/webhook/cases"
)

// fakeSMTP is a mail server of RFC 5321 with STARTTLS (RFC 3207) and AUTH PLAIN (RFC 4954), as far as a client sees it.
type fakeSMTP struct {
	addr     string
	startTLS bool
	reject   string // answer to RCPT, "" accepts
	vanish   bool   // the connection is cut after the data, before the answer
	config   *tls.Config
	ca       string

	mu    sync.Mutex
	mails []string
	seen  []string // commands, with whether they were encrypted
}

func newFakeSMTP(t *testing.T, startTLS, implicit bool) *fakeSMTP {
	t.Helper()
	f := &fakeSMTP{startTLS: startTLS}
	f.config, f.ca = certificate(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f.addr = l.Addr().String()
	var wg sync.WaitGroup
	t.Cleanup(func() { _ = l.Close(); wg.Wait() })
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer c.Close()
				_ = c.SetDeadline(time.Now().Add(20 * time.Second))
				if implicit {
					f.serve(tls.Server(c, f.config), true)
				} else {
					f.serve(c, false)
				}
			})
		}
	})
	return f
}

func certificate(t *testing.T) (*tls.Config, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "fake"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}, file
}

func (f *fakeSMTP) serve(c net.Conn, encrypted bool) {
	r := bufio.NewReader(c)
	say := func(format string, args ...any) { fmt.Fprintf(c, format+"\r\n", args...) }
	say("220 fake ESMTP")
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		line = strings.TrimRight(line, "\r\n")
		verb, _, _ := strings.Cut(strings.ToUpper(line), " ")
		f.mu.Lock()
		f.seen = append(f.seen, fmt.Sprintf("%s %v", verb, encrypted))
		f.mu.Unlock()
		switch {
		case verb == "EHLO" && f.startTLS && !encrypted:
			say("250-fake\r\n250 STARTTLS")
		case verb == "EHLO" && encrypted:
			say("250-fake\r\n250 AUTH PLAIN")
		case verb == "EHLO":
			say("250 fake")
		case verb == "STARTTLS":
			say("220 go on")
			t := tls.Server(c, f.config)
			if t.Handshake() != nil {
				return
			}
			c, r, encrypted = t, bufio.NewReader(t), true
		case verb == "AUTH":
			if line != "AUTH PLAIN "+base64.StdEncoding.EncodeToString([]byte("\x00alerts\x00s3cr3t")) {
				say("535 5.7.8 authentication failed for s3cr3t-wrong")
				continue
			}
			say("235 welcome")
		case verb == "RCPT" && f.reject != "":
			say("%s", f.reject)
		case verb == "DATA":
			say("354 go on")
			var b strings.Builder
			for {
				l, err := r.ReadString('\n')
				if err != nil {
					return
				}
				if l == ".\r\n" {
					break
				}
				b.WriteString(strings.TrimPrefix(l, "."))
			}
			if f.vanish {
				return
			}
			f.mu.Lock()
			f.mails = append(f.mails, b.String())
			f.mu.Unlock()
			say("250 taken")
		case verb == "QUIT":
			say("221 bye")
			return
		default:
			say("250 ok")
		}
	}
}

func (f *fakeSMTP) open(t *testing.T, more map[string]any) Channel {
	t.Helper()
	settings := map[string]any{"smarthost": f.addr, "from": "Foreshock <alerts@example.com>", "to": []any{"ops@example.com", "Boss <boss@example.com>"}, "ca_file": f.ca}
	for k, v := range more {
		settings[k] = v
	}
	c, err := Open("email", registry.FromMap(settings), Env{ExternalURL: external})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestEmailEncryption(t *testing.T) {
	t.Parallel()
	login := map[string]any{"username": "alerts", "password": "s3cr3t"}
	for _, tt := range []struct {
		name               string
		startTLS, implicit bool
		more               map[string]any
		want               Status
	}{
		{"starttls", true, false, login, StatusSent},
		{"starttls refused by a server without", false, false, nil, StatusRetry},
		{"implicit", false, true, map[string]any{"tls": "implicit", "username": "alerts", "password": "s3cr3t"}, StatusSent},
		{"opportunistic without", false, false, map[string]any{"tls": "opportunistic"}, StatusSent},
		{"none", false, false, map[string]any{"tls": "none"}, StatusSent},
		{"wrong password", true, false, map[string]any{"username": "alerts", "password": "s3cr3t-wrong"}, StatusPermanent},
		{"unknown authority", true, false, map[string]any{"ca_file": ""}, StatusRetry},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := newFakeSMTP(t, tt.startTLS, tt.implicit)
			o := f.open(t, tt.more).Send(t.Context(), sample(nil))
			if o.Status != tt.want {
				t.Fatalf("got %+v, want %v", o, tt.want)
			}
			if strings.Contains(o.Reason+o.Receipt.Reply, "s3cr3t") {
				t.Errorf("the reason shows the password: %s", o.Reason)
			}
			f.mu.Lock()
			defer f.mu.Unlock()
			for _, c := range f.seen {
				if (c == "MAIL false" || c == "DATA false") && (tt.startTLS || tt.implicit) {
					t.Errorf("%s: %s without encryption", tt.name, c)
				}
			}
		})
	}
}

func TestEmailFate(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		reject string
		vanish bool
		want   Status
	}{
		"no such mailbox":    {"550 5.1.1 no such user", false, StatusPermanent},
		"greylisted":         {"451 4.7.1 come back later", false, StatusRetry},
		"the answer is lost": {"", true, StatusUnknown},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFakeSMTP(t, true, false)
			f.reject, f.vanish = tt.reject, tt.vanish
			if o := f.open(t, nil).Send(t.Context(), sample(nil)); o.Status != tt.want {
				t.Errorf("got %+v, want %v", o, tt.want)
			}
		})
	}
}

// mailParts are the decoded parts of a mail, by type.
func mailParts(t *testing.T, raw string) (mail.Header, map[string]string) {
	t.Helper()
	m, err := mail.ReadMessage(strings.NewReader(raw))
	if err != nil {
		t.Fatalf("%v in\n%s", err, raw)
	}
	kind, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/alternative" {
		t.Fatalf("got %s %v", kind, err)
	}
	out := map[string]string{}
	for r := multipart.NewReader(m.Body, params["boundary"]); ; {
		p, err := r.NextRawPart()
		if errors.Is(err, io.EOF) {
			return m.Header, out
		}
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(quotedprintable.NewReader(p))
		if err != nil {
			t.Fatal(err)
		}
		kind, _, _ := mime.ParseMediaType(p.Header.Get("Content-Type"))
		out[kind] = strings.ReplaceAll(string(text), "\r\n", "\n")
	}
}

func TestEmailHostileAlerts(t *testing.T) {
	t.Parallel()
	f := newFakeSMTP(t, true, false)
	c := f.open(t, nil)
	for name, edit := range hostile {
		m := sample(edit)
		m.Notice.Case.Title += "\r\nBcc: evil@example.com"
		m.Key = name
		if o := c.Send(t.Context(), m); o.Status != StatusSent {
			t.Fatalf("%s: %+v", name, o)
		}
		head, parts := mailParts(t, f.mails[len(f.mails)-1])
		if head.Get("Bcc") != "" || head.Get("Auto-Submitted") != "auto-generated" || !strings.Contains(head.Get("To"), "boss@example.com") {
			t.Errorf("%s: header %v", name, head)
		}
		subject, err := new(mime.WordDecoder).DecodeHeader(head.Get("Subject"))
		if err != nil {
			t.Error(err)
		}
		text := "Subject: " + subject + "\n\n" + parts["text/plain"] + "\n=====\n" + parts["text/html"]
		path := filepath.Join("testdata", "email", name+".txt")
		if *update {
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if text != string(want) {
			t.Errorf("%s: got\n%s\nwant\n%s", name, text, want)
		}
		for _, bad := range []string{"<!channel>", "<https", "<img", "javascript:", "\u202e", "<主机>"} {
			if strings.Contains(parts["text/html"], bad) {
				t.Errorf("%s: the page holds %q", name, bad)
			}
		}
	}
}

// A message has the same identity at every attempt, and later ones of the case refer to the first.
func TestEmailConversation(t *testing.T) {
	t.Parallel()
	f := newFakeSMTP(t, true, false)
	c := f.open(t, nil)
	first := c.Send(t.Context(), sample(nil))
	c.Send(t.Context(), sample(nil))
	c.Send(t.Context(), sample(func(m *cases.Message) { m.Key, m.Previous = "another", first.Receipt }))
	var ids []string
	for _, raw := range f.mails {
		h, _ := mailParts(t, raw)
		ids = append(ids, h.Get("Message-ID")+" "+h.Get("References"))
	}
	if ids[0] != ids[1] || ids[2] == ids[0] || !strings.HasSuffix(ids[2], " "+strings.TrimSpace(ids[0])) {
		t.Errorf("got %q", ids)
	}
}

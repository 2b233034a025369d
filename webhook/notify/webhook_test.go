package notify

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/foreshock/foreshock/pkg/registry"
	"github.com/foreshock/foreshock/webhook/cases"
)

// verify checks a signature as the Standard Webhooks specification says, written from the specification.
func verify(key []byte, h http.Header, body []byte) error {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(h.Get("webhook-id") + "." + h.Get("webhook-timestamp") + "." + string(body)))
	for one := range strings.FieldsSeq(h.Get("webhook-signature")) {
		coded, ok := strings.CutPrefix(one, "v1,")
		if got, err := base64.StdEncoding.DecodeString(coded); ok && err == nil && hmac.Equal(got, mac.Sum(nil)) {
			return nil
		}
	}
	return errors.New("no signature fits")
}

func TestWebhookSendsSigned(t *testing.T) {
	t.Parallel()
	key := []byte("0123456789abcdef0123456789abcdef")
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte("whsec_"+base64.StdEncoding.EncodeToString(key)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var header http.Header
	var body []byte
	url := server(t, func(_ http.ResponseWriter, r *http.Request) {
		header = r.Header
		body, _ = io.ReadAll(r.Body)
	})
	c, err := Open("webhook", registry.FromMap(map[string]any{"url": url, "secret_file": file, "bearer": "b3arer"}), Env{
		ExternalURL: external, Now: func() time.Time { return time.Unix(1795175430, 0) },
	})
	if err != nil {
		t.Fatal(err)
	}
	m := sample(func(m *cases.Message) { m.Key, m.Attempt, m.Interrupted = "01JD/opened\n磁", 3, true })
	if o := c.Send(t.Context(), m); o.Status != StatusSent {
		t.Fatalf("got %+v", o)
	}
	if err := verify(key, header, body); err != nil {
		t.Error(err)
	}
	if err := verify(key, header, append(body, ' ')); err == nil {
		t.Error("the signature fits another body too")
	}
	got := []string{header.Get("Idempotency-Key"), header.Get("Webhook-Id"), header.Get("Webhook-Timestamp"), header.Get("Authorization")}
	if d := cmp.Diff([]string{"01JD/opened__", "01JD/opened__", "1795175430", "Bearer b3arer"}, got); d != "" {
		t.Error(d)
	}
	golden(t, filepath.Join("testdata", "webhook", "opened.json"), string(body))
	var back WebhookBody
	if err := json.Unmarshal(body, &back); err != nil || back.Key != m.Key || !back.MaybeRepeated || back.Alerts[0].Labels["service"] != "checkout" {
		t.Errorf("read back %+v, %v", back, err)
	}
	if dump := fmt.Sprintf("%+v", c); strings.Contains(dump, "b3arer") {
		t.Errorf("printing the channel shows a secret: %s", dump)
	}
}

func TestWebhookUnsigned(t *testing.T) {
	t.Parallel()
	var header http.Header
	url := server(t, func(w http.ResponseWriter, r *http.Request) {
		header = r.Header
		http.Error(w, "gone", http.StatusGone)
	})
	c, err := Open("webhook", registry.FromMap(map[string]any{"url": url}), Env{})
	if err != nil {
		t.Fatal(err)
	}
	receipt, err := Sender{c}.Send(t.Context(), sample(nil))
	var failed *cases.SendError
	if !errors.As(err, &failed) || !failed.Permanent || receipt.Status != http.StatusGone || err.Error() != "410 Gone: gone" {
		t.Errorf("got %+v, %v", receipt, err)
	}
	if header.Get("Webhook-Signature") != "" || header.Get("Authorization") != "" {
		t.Errorf("headers without secrets: %v", header)
	}
}

func TestWebhookSettings(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		settings map[string]any
		want     string
	}{
		{nil, `channel webhook: parameter "url" is missing: want it, or "url_file" with the path of a file that holds it`},
		{map[string]any{"url": "ftp://s3cr3t"}, `channel webhook: parameter "url": want an address like https://host/path`},
		{map[string]any{"url": "http://s3cr3t", "secret": "whsec_***"}, `channel webhook: parameter "secret": what follows whsec_ is not base64`},
	} {
		_, err := Open("webhook", registry.FromMap(tt.settings), Env{})
		if err == nil || err.Error() != tt.want {
			t.Errorf("got  %v\nwant %s", err, tt.want)
		}
	}
}

func TestLog(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&b, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}))
	c, err := Open("log", registry.FromMap(map[string]any{"level": "warn"}), Env{Logger: logger, ExternalURL: external})
	if err != nil {
		t.Fatal(err)
	}
	m := sample(func(m *cases.Message) { m.Notice.Case.Title = "a\nlevel=ERROR msg=forged \x1b[2J" })
	if o := c.Send(t.Context(), m); o.Status != StatusSent {
		t.Fatalf("got %+v", o)
	}
	want := `level=WARN msg="[P1] a level=ERROR msg=forged \\u001b[2J" what=opened case=01JD0000000000000000000001 grade=P1 ` +
		`title="a level=ERROR msg=forged \\u001b[2J" firing=1 total=1 ` +
		`alerts="[{alertname=\"HighLatency\", service=\"checkout\", severity=\"error\"}]" more=0 channel=ops key=01JD/1/opened/slack attempt=1 ` +
		"link=https://foreshock.example.com/alerts/cases/01JD0000000000000000000001\n"
	if d := cmp.Diff(want, b.String()); d != "" {
		t.Error(d)
	}
}

// Every registered channel refuses to open without credentials, or needs none, and says what it is for.
func TestEveryChannel(t *testing.T) {
	t.Parallel()
	for _, name := range Channels.Names() {
		e, err := Channels.Get(name)
		if err != nil {
			t.Fatal(err)
		}
		if e.Summary == "" || e.Source == "" {
			t.Errorf("%s has no summary or source", name)
		}
		params, err := Channels.Params(name)
		if err != nil {
			t.Fatal(err)
		}
		secret := false
		for _, p := range params {
			if p.Help == "" {
				t.Errorf("%s: parameter %s has no help", name, p.Name)
			}
			_, is := p.Default.(Secret)
			secret = secret || is
		}
		if _, err := Open(name, nil, Env{}); (err != nil) != secret {
			t.Errorf("%s without settings: %v", name, err)
		}
	}
}

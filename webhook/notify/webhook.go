package notify

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/foreshock/foreshock/pkg/registry"
	"github.com/foreshock/foreshock/webhook/alert"
	"github.com/foreshock/foreshock/webhook/cases"
)

func init() {
	Channels.Add(registry.Entry[Channel]{
		Name:    "webhook",
		Summary: "Posts each message as JSON to an address of your own, signed so that the receiver can check it.",
		Source:  "https://www.standardwebhooks.com (headers webhook-id, webhook-timestamp, webhook-signature)",
		New:     func() Channel { return &Webhook{Common: common()} },
	})
}

// Webhook posts messages as JSON. The body is a WebhookBody; the headers are those of the Standard Webhooks specification, and the
// message's key again as Idempotency-Key.
type Webhook struct {
	Common
	URL        Secret `json:"url" yaml:"url" help:"address to post to; a secret, since it often holds a key"`
	URLFile    string `json:"url_file" yaml:"url_file" help:"path of a file that holds url"`
	Secret     Secret `json:"secret" yaml:"secret" help:"key of the HMAC-SHA256 signature; with the prefix whsec_ it is base64; without a key messages are not signed"`
	SecretFile string `json:"secret_file" yaml:"secret_file" help:"path of a file that holds secret"`
	Bearer     Secret `json:"bearer" yaml:"bearer" help:"token for the header Authorization: Bearer"`
	BearerFile string `json:"bearer_file" yaml:"bearer_file" help:"path of a file that holds bearer"`

	key []byte
}

// WebhookBody is the JSON that the webhook channel posts. Fields are only ever added.
type WebhookBody struct {
	Version       string        `json:"version"`                 // "1"
	Key           string        `json:"key"`                     // the same at every attempt of this message: drop what was seen
	Attempt       int           `json:"attempt"`                 // from 1
	MaybeRepeated bool          `json:"maybeRepeated,omitempty"` // an attempt before this one may have arrived
	What          cases.What    `json:"what"`                    // opened, reopened, resolved, merged (case.mergedInto names the other one), …
	At            time.Time     `json:"at"`
	Channel       string        `json:"channel"`
	Subject       string        `json:"subject"` // one line in the channel's language
	Link          string        `json:"link,omitempty"`
	Case          cases.Case    `json:"case"`
	Alerts        []alert.Alert `json:"alerts"`
	More          int           `json:"more,omitempty"` // alerts left off
	Note          string        `json:"note,omitempty"`
}

// Validate asks for an address.
func (w *Webhook) Validate() error {
	if w.URL == "" && w.URLFile == "" {
		return errNoSecret("url")
	}
	return nil
}

// Open reads the secrets.
func (w *Webhook) Open(env Env) error {
	if err := w.open(env, jsonInner, jsonInner); err != nil {
		return err
	}
	var err error
	if w.Text != "" {
		if w.texted, err = env.Templates.compile(w.Text, jsonInner, "toJson"); err != nil {
			return fmt.Errorf("parameter %q: %w", "text", err)
		}
	}
	if w.URL, err = resolve("url", w.URL, w.URLFile); err != nil {
		return err
	}
	if _, err = parseURL("url", w.URL); err != nil {
		return err
	}
	if w.Secret, err = resolve("secret", w.Secret, w.SecretFile); err != nil {
		return err
	}
	if w.Bearer, err = resolve("bearer", w.Bearer, w.BearerFile); err != nil {
		return err
	}
	w.key, err = signingKey(w.Secret)
	if err != nil {
		return fmt.Errorf("parameter %q: %w", "secret", err)
	}
	return nil
}

// signingKey is the key's bytes: those after whsec_ are base64.
func signingKey(s Secret) ([]byte, error) {
	coded, ok := strings.CutPrefix(s.Reveal(), "whsec_")
	if !ok {
		return []byte(s.Reveal()), nil
	}
	key, err := base64.StdEncoding.DecodeString(coded)
	if err != nil || len(key) == 0 {
		return nil, errors.New("what follows whsec_ is not base64")
	}
	return key, nil
}

// Send posts the message.
func (w *Webhook) Send(ctx context.Context, m cases.Message) Outcome {
	body, err := w.body(m)
	if err != nil {
		return Permanent(err.Error())
	}
	header := map[string]string{
		"Content-Type":    "application/json; charset=utf-8",
		"Idempotency-Key": headerValue(m.Key),
	}
	at := w.env.Now()
	for k, v := range w.sign(headerValue(m.Key), at, body) {
		header[k] = v
	}
	if w.Bearer != "" {
		header["Authorization"] = "Bearer " + w.Bearer.Reveal()
	}
	_, outcome := w.env.Poster.Post(ctx, Request{URL: w.URL, Header: header, Body: body, Hide: []Secret{w.Secret, w.Bearer}})
	return outcome
}

// SingleOnly says that a program reads one message at a time.
func (*Webhook) SingleOnly() {}

// body is a WebhookBody, or what the template of the text makes: JSON, in which data are escaped for strings.
func (w *Webhook) body(m cases.Message) ([]byte, error) {
	n := m.Notice
	_, text := w.written(m)
	if text != "" {
		if !json.Valid([]byte(text)) {
			return nil, errors.New("the template of the text does not make JSON")
		}
		return []byte(text), nil
	}
	body, err := json.Marshal(WebhookBody{
		Version: "1", Key: m.Key, Attempt: m.Attempt, MaybeRepeated: m.Interrupted, What: n.What, At: n.At, Channel: m.Channel,
		Subject: w.subject(n), Link: w.link(n.Case.ID), Case: n.Case, Alerts: n.Alerts, More: n.More, Note: n.Note,
	})
	if err != nil {
		return nil, fmt.Errorf("the message cannot be written as JSON: %w", err)
	}
	return body, nil
}

// sign makes the headers of the Standard Webhooks specification: the signature is over "id.timestamp.body".
func (w *Webhook) sign(id string, at time.Time, body []byte) map[string]string {
	stamp := strconv.FormatInt(at.Unix(), 10)
	header := map[string]string{"Webhook-Id": id, "Webhook-Timestamp": stamp}
	if len(w.key) > 0 {
		mac := hmac.New(sha256.New, w.key)
		fmt.Fprintf(mac, "%s.%s.", id, stamp)
		mac.Write(body)
		header["Webhook-Signature"] = "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	}
	return header
}

// headerValue keeps what a header may carry: visible ASCII. Keys are made by us; this is for the day that one is not.
func headerValue(s string) string {
	return strings.Map(func(r rune) rune {
		if r <= ' ' || r >= 0x7f {
			return '_'
		}
		return r
	}, s)
}

package notify

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/foreshock/foreshock/pkg/message"
	"github.com/foreshock/foreshock/webhook/cases"
)

// Bounds of one exchange.
const (
	// postTimeout ends an exchange: PagerDuty and Slack answer within a second or two; the executor has others to serve.
	postTimeout = 15 * time.Second
	// maxReply is how much of a reply is read. Replies are read for their error code only.
	maxReply = 64 << 10
	// maxReplyShown is how much of a reply goes into a reason, in bytes: enough for an error code or a sentence.
	maxReplyShown = 200
	// maxRetryAfter bounds what a server may ask for: beyond a day, its clock or ours is wrong.
	maxRetryAfter = 24 * time.Hour
)

// Poster is the one way out over HTTP. It follows no redirect (the credentials would go with it), reads a bounded part of the reply, and
// tells what became of the message. It is safe for concurrent use.
type Poster struct {
	client *http.Client
	now    func() time.Time
	show   io.Writer // nil but for previews, see NewPreview
}

// NewPoster returns a poster over the transport; nil is one of its own, with proxies from the environment.
func NewPoster(transport http.RoundTripper) *Poster {
	if transport == nil {
		t := http.DefaultTransport.(*http.Transport).Clone()
		t.MaxIdleConnsPerHost = 8 // the executor sends to few hosts from several workers
		// A kept connection that the other side closes just as we write makes an outcome unknown: keep them shortly.
		t.IdleConnTimeout = 10 * time.Second
		t.ResponseHeaderTimeout = postTimeout
		t.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
		transport = t
	}
	return &Poster{
		client: &http.Client{
			Transport:     transport,
			Timeout:       postTimeout,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		now: time.Now,
	}
}

// Request is one message to post.
type Request struct {
	URL    Secret // checked by parseURL before
	Header map[string]string
	Body   []byte
	Hide   []Secret // further secrets of the request, never to be shown even when the reply echoes them
}

// Reply is what came back; Status 0 means that nothing did. Body is at most 64 KiB.
type Reply struct {
	Status int
	Header http.Header
	Body   []byte
}

// Post sends the request and classifies what happened:
//
//	2xx                                       sent
//	408, 425, 429, 5xx                        retry, after Retry-After when given
//	any other status                          permanent
//	no reply, and the body had not all gone   retry
//	no reply after it had                     unknown: it may have arrived
//
// A channel whose server says more in the body than in the status refines the outcome. The reason holds no secret.
func (p *Poster) Post(ctx context.Context, r Request) (Reply, Outcome) {
	hide := secretsOf(r)
	if p.show != nil {
		return p.preview(r, hide)
	}
	var written atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		WroteRequest: func(i httptrace.WroteRequestInfo) { written.Store(i.Err == nil) },
	})
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.URL.Reveal(), bytes.NewReader(r.Body))
	if err != nil {
		return Reply{}, Permanent("the address is not valid: " + errBadURL.Error())
	}
	// Without GetBody the transport cannot repeat the request by itself when a kept connection dies: whether to repeat is decided by us.
	req.GetBody = nil
	req.Header.Set("User-Agent", "foreshock-webhook")
	for k, v := range r.Header {
		req.Header.Set(k, v)
	}
	res, err := p.client.Do(req)
	if err != nil {
		reason := scrub(plainError(err), hide...)
		if written.Load() {
			return Reply{}, Unknown("no reply after the message was sent: " + reason)
		}
		return Reply{}, Retry(0, reason)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxReply))
	reply := Reply{Status: res.StatusCode, Header: res.Header, Body: body}
	if err != nil && res.StatusCode/100 == 2 {
		// The status came: for a channel that reads the status alone, this is sent. One that needs the body sees that it is cut.
		reply.Body = nil
	}
	return reply, p.classify(reply, hide)
}

func (p *Poster) classify(r Reply, hide []string) Outcome {
	text := shown(r.Body, hide)
	what := strconv.Itoa(r.Status) + " " + http.StatusText(r.Status)
	if text != "" {
		what += ": " + text
	}
	o := Permanent(what)
	switch {
	case r.Status/100 == 2:
		o = Sent(what)
	case r.Status == http.StatusRequestTimeout, r.Status == http.StatusTooEarly, r.Status == http.StatusTooManyRequests, r.Status >= 500:
		o = Retry(retryAfter(r.Header.Get("Retry-After"), p.now()), what)
	case r.Status/100 == 3:
		o = Permanent(what + " (redirects are not followed: write the final address)")
	}
	o.Receipt = cases.Receipt{Status: r.Status, Reply: text}
	return o
}

// retryAfter reads seconds or an HTTP date. 0 means that none was given that can be read.
func retryAfter(v string, now time.Time) time.Duration {
	v = strings.TrimSpace(v)
	if n, err := strconv.ParseFloat(v, 64); err == nil && n > 0 {
		return min(time.Duration(min(n, maxRetryAfter.Seconds())*float64(time.Second)), maxRetryAfter)
	}
	if at, err := http.ParseTime(v); err == nil && at.After(now) {
		return min(at.Sub(now), maxRetryAfter)
	}
	return 0
}

// plainError words an error of the transport without the address: url.Error would show it whole.
func plainError(err error) string {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	var timeout net.Error
	switch {
	case errors.Is(err, context.Canceled):
		return "stopped before an answer came"
	case errors.As(err, &timeout) && timeout.Timeout():
		return "timed out"
	}
	return err.Error()
}

// shown is the beginning of a reply as one line of printable text.
func shown(body []byte, hide []string) string {
	text := scrub(string(body), hide...)
	text = strings.Join(strings.Fields(strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == utf8.RuneError {
			return ' '
		}
		return r
	}, text)), " ")
	return message.Cut(text, maxReplyShown, "…")
}

// secretsOf lists the texts that must not be shown: the address, its path and query, and what else was named.
func secretsOf(r Request) []string {
	hide := []string{r.URL.Reveal()}
	if u, err := url.Parse(r.URL.Reveal()); err == nil {
		hide = append(hide, u.RequestURI(), strings.TrimPrefix(u.EscapedPath(), "/"), u.RawQuery)
		if pass, ok := u.User.Password(); ok {
			hide = append(hide, pass)
		}
	}
	for _, s := range r.Hide {
		hide = append(hide, s.Reveal())
	}
	return hide
}

// parseURL checks an address without ever showing it.
func parseURL(name string, s Secret) (*url.URL, error) {
	u, err := url.Parse(s.Reveal())
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return nil, fmt.Errorf("parameter %q: %w", name, errBadURL)
	}
	return u, nil
}

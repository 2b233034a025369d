package notify

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/foreshock/foreshock/webhook/cases"
)

// server answers on loopback until the test ends.
func server(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

func TestPostClassifies(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		name   string
		status int
		after  string
		body   string
		want   Outcome
	}{
		{"ok", 200, "", "ok", Outcome{Status: StatusSent, Reason: "200 OK: ok"}},
		{"no content", 204, "", "", Outcome{Status: StatusSent, Reason: "204 No Content"}},
		{"throttled", 429, "7", "", Outcome{Status: StatusRetry, After: 7 * time.Second, Reason: "429 Too Many Requests"}},
		{"fraction", 429, "0.5", "", Outcome{Status: StatusRetry, After: 500 * time.Millisecond, Reason: "429 Too Many Requests"}},
		{"date", 503, "Fri, 20 Nov 2026 12:01:00 GMT", "", Outcome{Status: StatusRetry, After: time.Minute, Reason: "503 Service Unavailable"}},
		{"past date", 503, "Fri, 20 Nov 2026 11:01:00 GMT", "", Outcome{Status: StatusRetry, Reason: "503 Service Unavailable"}},
		{"for ever", 429, "1e300", "", Outcome{Status: StatusRetry, After: 24 * time.Hour, Reason: "429 Too Many Requests"}},
		{"nonsense", 429, "soon", "", Outcome{Status: StatusRetry, Reason: "429 Too Many Requests"}},
		{"negative", 429, "-5", "", Outcome{Status: StatusRetry, Reason: "429 Too Many Requests"}},
		{"server error", 500, "", "<html>\x00boom\n at line 1", Outcome{Status: StatusRetry, Reason: "500 Internal Server Error: <html> boom at line 1"}},
		{"timeout", 408, "", "", Outcome{Status: StatusRetry, Reason: "408 Request Timeout"}},
		{"refused", 403, "", "invalid_token", Outcome{Status: StatusPermanent, Reason: "403 Forbidden: invalid_token"}},
		{"redirect", 302, "", "", Outcome{Status: StatusPermanent, Reason: "302 Found (redirects are not followed: write the final address)"}},
		{"echo", 400, "", "no such hook /T0/B0/s3cr3t?key=abcdef with hmac-key-1", Outcome{Status: StatusPermanent, Reason: "400 Bad Request: no such hook <secret> with <secret>"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			url := server(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Retry-After", tt.after)
				if tt.status/100 == 3 {
					w.Header().Set("Location", "/elsewhere")
				}
				w.WriteHeader(tt.status)
				fmt.Fprint(w, tt.body)
			})
			p := NewPoster(nil)
			p.now = func() time.Time { return now }
			_, got := p.Post(t.Context(), Request{URL: Secret(url + "/T0/B0/s3cr3t?key=abcdef"), Hide: []Secret{"hmac-key-1"}, Body: []byte("x")})
			got.Receipt = cases.Receipt{}
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestPostBoundsTheReply(t *testing.T) {
	t.Parallel()
	url := server(t, func(w http.ResponseWriter, _ *http.Request) {
		for range 64 {
			if _, err := w.Write([]byte(strings.Repeat("a", 1<<20))); err != nil {
				return
			}
		}
	})
	reply, got := NewPoster(nil).Post(t.Context(), Request{URL: Secret(url)})
	if got.Status != StatusSent || len(reply.Body) != maxReply || len(got.Reason) > 300 {
		t.Errorf("got %v with %d bytes and a reason of %d", got.Status, len(reply.Body), len(got.Reason))
	}
}

func TestPostThatNeverLeft(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	_, got := NewPoster(nil).Post(t.Context(), Request{URL: Secret("http://user:pa55word@" + addr + "/s3cr3t")})
	if got.Status != StatusRetry || strings.Contains(got.Reason, "s3cr3t") || strings.Contains(got.Reason, "pa55word") {
		t.Errorf("got %+v, want a retry without secrets", got)
	}
}

// A server that takes the message and dies: whether it was processed cannot be known.
func TestPostWithoutReply(t *testing.T) {
	t.Parallel()
	var took atomic.Int32
	url := server(t, func(w http.ResponseWriter, _ *http.Request) {
		took.Add(1)
		c, _, err := http.NewResponseController(w).Hijack()
		if err == nil {
			c.Close()
		}
	})
	p := NewPoster(nil)
	for range 3 {
		_, got := p.Post(t.Context(), Request{URL: Secret(url + "/s3cr3t"), Header: map[string]string{"Idempotency-Key": "k"}, Body: []byte("x")})
		if got.Status != StatusUnknown || strings.Contains(got.Reason, "s3cr3t") {
			t.Errorf("got %+v, want unknown without secrets", got)
		}
		if _, err := got.Result(); !cases.AsSendError(err).Unknown {
			t.Errorf("the executor is not told that it may have arrived: %v", err)
		}
	}
	if took.Load() != 3 {
		t.Errorf("the transport sent %d requests for 3 posts: it must not repeat by itself", took.Load())
	}
}

func TestPostTimesOut(t *testing.T) {
	t.Parallel()
	arrived, done := make(chan struct{}), make(chan struct{})
	url := server(t, func(http.ResponseWriter, *http.Request) { close(arrived); <-done })
	defer close(done)
	p := NewPoster(nil)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-arrived; cancel() }()
	_, got := p.Post(ctx, Request{URL: Secret(url)})
	if want := Unknown("no reply after the message was sent: stopped before an answer came"); cmp.Diff(want, got) != "" {
		t.Errorf("got %+v, want %+v", got, want)
	}
	p.client.Timeout = 50 * time.Millisecond
	_, got = p.Post(t.Context(), Request{URL: Secret(server(t, func(http.ResponseWriter, *http.Request) { <-done }))})
	if want := Unknown("no reply after the message was sent: timed out"); cmp.Diff(want, got) != "" {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestPostBadAddress(t *testing.T) {
	t.Parallel()
	_, got := NewPoster(nil).Post(t.Context(), Request{URL: "http://ho st/s3cr3t"})
	if got.Status != StatusPermanent || strings.Contains(got.Reason, "s3cr3t") {
		t.Errorf("got %+v", got)
	}
	for _, bad := range []Secret{"", "s3cr3t", "ftp://host/s3cr3t", "http://", "http://[::1/s3cr3t", "https:///s3cr3t"} {
		if _, err := parseURL("url", bad); err == nil || err.Error() != `parameter "url": want an address like https://host/path` {
			t.Errorf("parseURL(%q): %v", bad.Reveal(), err)
		}
	}
}

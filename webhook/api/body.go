package api

import (
	"compress/gzip"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"strings"
	"time"
)

// Bounds of bodies that are read at the same time.
const (
	// lightBody is how much of a body is read without a slot: a thousand ordinary alerts.
	lightBody = 1 << 20
	// heavySlots is how many larger bodies are read and stored at a time: their labels are held in memory.
	heavySlots = 2
	// heavyPatience is how long a large body waits for a slot. It is shorter than Alertmanager's own patience, which is a minute or more.
	heavyPatience = 20 * time.Second
)

// Errors of bodies, beside those of alert.Decode.
var (
	// errTooLarge: more was unpacked than is read. The sender is told to try again (503): a refusal would make it drop the alerts.
	errTooLarge = errors.New("the body is longer than limits.body")
	// errBusy: too many large bodies at once.
	errBusy = errors.New("too many large messages at once")
	// errCoding: the body is not packed as its header says; it never will be.
	errCoding = errors.New("the body is not what Content-Encoding says")
)

// body reads a request's body: unpacked, bounded, and one of few when it is large. Close it.
type body struct {
	ctx   context.Context
	src   io.Reader
	zip   *gzip.Reader
	mac   hash.Hash // over the bytes as they came; nil when nobody asks
	heavy chan struct{}
	held  bool
	read  int64
	limit int64
}

// open begins to read. A key asks for the HMAC of the bytes as they came, begun with prefix.
func (h *Handler) open(r *http.Request, limit int64, key []byte, prefix string) (*body, error) {
	b := &body{ctx: r.Context(), src: r.Body, heavy: h.heavy, limit: limit}
	if len(key) > 0 {
		b.mac = hmac.New(sha256.New, key)
		_, _ = io.WriteString(b.mac, prefix)
		b.src = io.TeeReader(b.src, b.mac)
	}
	switch coding := strings.ToLower(strings.TrimSpace(r.Header.Get("Content-Encoding"))); coding {
	case "", "identity":
	case "gzip", "x-gzip":
		zip, err := gzip.NewReader(b.src)
		if err != nil {
			return nil, codingError(err)
		}
		b.zip, b.src = zip, zip
	default:
		return nil, fmt.Errorf("%w: got %q, want gzip or none", errCoding, coding)
	}
	return b, nil
}

// codingError tells a body that is not gzip from one that did not arrive.
func codingError(err error) error {
	if errors.Is(err, gzip.ErrHeader) || errors.Is(err, gzip.ErrChecksum) || strings.HasPrefix(err.Error(), "flate:") {
		return fmt.Errorf("%w: %w", errCoding, err)
	}
	return err
}

func (b *body) Read(p []byte) (int, error) {
	if b.read >= lightBody && !b.held {
		if err := b.wait(); err != nil {
			return 0, err
		}
	}
	n, err := b.src.Read(p)
	if b.read += int64(n); b.read > b.limit {
		return 0, errTooLarge
	}
	if err != nil && !errors.Is(err, io.EOF) && b.zip != nil {
		err = codingError(err)
	}
	return n, err
}

// wait takes a slot for a large body.
func (b *body) wait() error {
	t := time.NewTimer(heavyPatience)
	defer t.Stop()
	select {
	case b.heavy <- struct{}{}:
		b.held = true
		return nil
	case <-t.C:
		return errBusy
	case <-b.ctx.Done():
		return b.ctx.Err()
	}
}

// Close frees the slot. The request's body is the server's to close. A nil body has none.
func (b *body) Close() error {
	if b != nil && b.held {
		<-b.heavy
		b.held = false
	}
	return nil
}

// signed reports whether the signature is that of what was read; the body must have been read to its end. An unpacked body is followed by
// nothing that matters, yet all of it is signed.
func (b *body) signed(signature []byte) bool {
	return b.mac != nil && hmac.Equal(b.mac.Sum(nil), signature)
}

package api

import (
	"encoding/hex"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Signature says how Grafana's contact point signs: hexadecimal HMAC-SHA256 of the body, or of "<unix seconds>:" and the body when it
// sends a timestamp. Source: Grafana 12.3, contact point "webhook", HMAC signature.
type Signature struct {
	Key             []byte // empty: signatures are not checked
	Header          string
	TimestampHeader string        // empty: no timestamp is signed
	MaxAge          time.Duration // of the timestamp, in both directions: clocks differ
}

// on reports whether signatures are checked.
func (s Signature) on() bool { return len(s.Key) > 0 }

// prefix is what is signed before the body.
func (s Signature) prefix(r *http.Request) string {
	if s.TimestampHeader == "" {
		return ""
	}
	return r.Header.Get(s.TimestampHeader) + ":"
}

// given is the signature of the request; the sentence says what is wrong with it, without the body.
func (s Signature) given(r *http.Request, now time.Time) (sum []byte, sentence string) {
	text := strings.TrimSpace(r.Header.Get(s.Header))
	if text == "" {
		return nil, "the signature is missing: want it in the header " + s.Header
	}
	sum, err := hex.DecodeString(text)
	if err != nil {
		return nil, "the signature in the header " + s.Header + " is not hexadecimal"
	}
	if s.TimestampHeader == "" {
		return sum, ""
	}
	at, err := strconv.ParseInt(r.Header.Get(s.TimestampHeader), 10, 64)
	if err != nil {
		return nil, "the signed time is missing: want unix seconds in the header " + s.TimestampHeader
	}
	if age := now.Sub(time.Unix(at, 0)); age > s.MaxAge || age < -s.MaxAge {
		return nil, "the signed time is too far from now: want at most " + s.MaxAge.String() + "; are both clocks right?"
	}
	return sum, ""
}

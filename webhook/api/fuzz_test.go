package api

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/foreshock/foreshock/webhook/cases"
	"github.com/foreshock/foreshock/webhook/notify"
)

func fuzzed(f *testing.F) *Handler {
	f.Helper()
	m := &memory{stories: map[string]cases.Story{"C1": {Case: cases.Case{ID: "C1", State: cases.New, Epoch: 1, Version: 1}}}}
	s := settings()
	s.Interactions = Interactions{Slack: [][]byte{[]byte("k")}, PagerDuty: [][]byte{[]byte("k")}, Dedup: notify.CaseOfKey, Link: LinkSigner{Key: []byte("k"), Valid: time.Hour}}
	h, err := New(Options{Intake: m, Store: m, Settings: func() Settings { return s }, Registerer: prometheus.NewRegistry(), Now: func() time.Time { return clock }})
	if err != nil {
		f.Fatal(err)
	}
	return h
}

// Whatever Slack signs is answered 200 or 400: never anything that it would repeat, and nothing panics.
func FuzzSlack(f *testing.F) {
	h := fuzzed(f)
	f.Add(click("ann", "foreshock:acknowledge C1/1"))
	f.Add(click("ann", "foreshock:useful C1/1", "foreshock:mute C1/1"))
	f.Add("payload=%7B%7D")
	f.Add("payload=%zz")
	f.Fuzz(func(t *testing.T, body string) {
		stamp := fmt.Sprint(clock.Unix())
		r := httptest.NewRequest("POST", "/interactions/slack", strings.NewReader(body))
		r.Header.Set("X-Slack-Request-Timestamp", stamp)
		r.Header.Set("X-Slack-Signature", "v0="+mac("k", "v0:"+stamp+":"+body))
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != 200 && w.Code != 400 {
			t.Errorf("%q is answered %d %s", body, w.Code, w.Body)
		}
	})
}

// The same of PagerDuty, whose old events are 401.
func FuzzPagerDuty(f *testing.F) {
	h := fuzzed(f)
	f.Add(pdEvent("e1", "incident.acknowledged", notify.DedupKey("C1", 1), clock))
	f.Add(pdEvent("e2", "incident.resolved", "foreshock/C1/99999999999999999999", clock))
	f.Add(`{"event":null}`)
	f.Fuzz(func(t *testing.T, body string) {
		m := hmac.New(sha256.New, []byte("k"))
		m.Write([]byte(body))
		r := httptest.NewRequest("POST", "/interactions/pagerduty", strings.NewReader(body))
		r.Header.Set("X-PagerDuty-Signature", "v1="+hex.EncodeToString(m.Sum(nil)))
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != 200 && w.Code != 400 && w.Code != 401 {
			t.Errorf("%q is answered %d %s", body, w.Code, w.Body)
		}
	})
}

// No token but ours is taken, and ours is read as it was made.
func FuzzLink(f *testing.F) {
	s := LinkSigner{Key: []byte("k"), Valid: time.Hour}
	good := s.Token("C1", 1, cases.Acknowledge, clock)
	f.Add(good, "C1", 1)
	f.Add("....", "", 0)
	f.Add("acknowledge.QzE.1.99999999999."+good[strings.LastIndexByte(good, '.')+1:], "a.b/ü", -1)
	f.Fuzz(func(t *testing.T, token, id string, epoch int) {
		// The last character of base64 has bits that mean nothing: another one may stand for the same signature.
		if _, _, _, err := s.read(token, clock); err == nil && len(token) == len(good) && token[:len(token)-1] != good[:len(good)-1] {
			t.Errorf("%q is taken", token)
		}
		mine := s.Token(id, epoch, cases.Resolve, clock)
		if len(mine) > 1000 {
			return
		}
		gotID, gotEpoch, on, err := s.read(mine, clock)
		if err != nil || gotID != id || gotEpoch != epoch || on != cases.Resolve {
			t.Errorf("%q is read as %q %d %s: %v", mine, gotID, gotEpoch, on, err)
		}
	})
}

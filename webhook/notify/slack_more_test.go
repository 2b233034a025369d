package notify

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/foreshock/foreshock/pkg/registry"
	"github.com/foreshock/foreshock/webhook/cases"
	"github.com/foreshock/foreshock/webhook/policy"
)

// The case's own message is brought up to date, and what is new stands in its thread; a message that is gone changes nothing.
func TestSlackUpdatesInPlace(t *testing.T) {
	t.Parallel()
	f := newFakeSlack(t)
	c, err := Open("slack", registry.FromMap(bot(f)), Env{ExternalURL: external, Buttons: true})
	if err != nil {
		t.Fatal(err)
	}
	s := c.(*Slack)
	send := func(m cases.Message) Outcome {
		s.pace.next = time.Time{}
		return s.Send(t.Context(), m)
	}
	first := send(sample(nil))
	acked := sample(func(m *cases.Message) {
		m.Notice.What, m.Notice.Case.State, m.Previous = cases.WhatAcknowledged, cases.Triage, first.Receipt
	})
	second := send(acked)
	third := send(sample(func(m *cases.Message) {
		m.Notice.What, m.Notice.Case.State, m.Notice.Case.Firing, m.Previous = cases.WhatResolved, cases.Resolved, 0, second.Receipt
	}))
	if third.Status != StatusSent || len(f.posts) != 3 || len(f.updates) != 2 {
		t.Fatalf("%+v: %d posts, %d updates", third, len(f.posts), len(f.updates))
	}
	for i, u := range f.updates {
		if u.ThreadTS != "1700000000.000001" {
			t.Errorf("update %d changes message %s", i, u.ThreadTS)
		}
	}
	if got := strings.Join(f.posts[0].Buttons, ", "); !strings.HasPrefix(got, "foreshock:acknowledge 01JD0000000000000000000001/1, foreshock:resolve ") || len(f.posts[0].Buttons) != 6 {
		t.Errorf("the buttons are %s", got)
	}
	if len(f.updates[0].Buttons) != 5 || len(f.updates[1].Buttons) != 0 {
		t.Errorf("an acknowledged case has the buttons %v, one that is over %v", f.updates[0].Buttons, f.updates[1].Buttons)
	}
	if strings.Contains(f.posts[2].Raw, `"reply_broadcast":true`) {
		t.Error("a resolution is shown in the channel, too")
	}
	f.gone = true
	again := send(sample(func(m *cases.Message) {
		m.Notice.What, m.Notice.Case.Epoch, m.Previous = cases.WhatReopened, 2, third.Receipt
	}))
	if again.Status != StatusSent || !strings.Contains(f.posts[3].Raw, `"reply_broadcast":true`) {
		t.Errorf("%+v, %s", again, f.posts[3].Raw)
	}
}

// A digest lists its cases with links, nothing in their titles acts, and it never takes a case's thread.
func TestSlackDigest(t *testing.T) {
	t.Parallel()
	f := newFakeSlack(t)
	s := openSlack(t, bot(f))
	m := sample(nil)
	names := []string{"ordinary", "mention", "link", "markup", "entities", "hidden", "chinese", "template"}
	for i, name := range names {
		one := sample(hostile[name]).Notice
		one.Case.Grade = policy.Grade(i % 4)
		m.Batch = append(m.Batch, one)
	}
	m.Previous = cases.Receipt{Data: map[string]string{"thread": "1.2", "channel": "C1"}}
	if o := s.Send(t.Context(), m); o.Status != StatusSent {
		t.Fatalf("got %+v", o)
	}
	if len(f.updates) != 0 || f.posts[0].ThreadTS != "" {
		t.Error("a digest went into a thread")
	}
	for _, c := range f.posts[0].specials() {
		if !allowed.MatchString(c) && c != "<https://foreshock.example.com/alerts/|Open the list of cases>" {
			t.Errorf("Slack would act on %q", c)
		}
	}
	golden(t, filepath.Join("testdata", "slack", "digest.json"), f.posts[0].Raw)
	for _, fill := range []string{"&", "磁", "🔥", "x"} {
		s.pace.next = time.Time{}
		if o := s.Send(t.Context(), digestOf(400, fill)); o.Status != StatusSent {
			t.Errorf("%s: %+v", fill, o)
		}
	}
}

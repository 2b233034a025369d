package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/foreshock/foreshock/webhook/cases"
	"github.com/foreshock/foreshock/webhook/policy"
)

// duty plays the schedules and the store of overrides.
type dutyBook struct {
	rules     policy.Rules
	overrides []cases.Override
	audit     []cases.Event
}

func (d *dutyBook) Roster(_ context.Context, name string) (policy.Roster, bool, error) {
	s, ok := d.rules.Schedules[name]
	r := policy.Roster{Schedule: s}
	for _, o := range d.overrides {
		r.Given = append(r.Given, policy.Override{Person: o.Person, From: o.From, Until: o.Until})
	}
	return r, ok, nil
}

func (d *dutyBook) Overrides(context.Context, time.Time) ([]cases.Override, error) {
	return d.overrides, nil
}

func (d *dutyBook) Override(_ context.Context, o cases.Override, e cases.Event) error {
	d.overrides, d.audit = append(d.overrides, o), append(d.audit, e)
	return nil
}

func (d *dutyBook) EndOverride(_ context.Context, id string, now time.Time, e cases.Event) error {
	for i := range d.overrides {
		if d.overrides[i].ID == id {
			d.overrides[i].Until, d.audit = now, append(d.audit, e)
			return nil
		}
	}
	return fmt.Errorf("ending: %w", cases.ErrNotFound)
}

func (d *dutyBook) Audit(_ context.Context, q cases.AuditQuery) ([]cases.Event, error) {
	if q.Actor == "nobody" {
		return nil, nil
	}
	return d.audit, nil
}

func TestOnCall(t *testing.T) {
	t.Parallel()
	s := settings()
	s.Rules.People = map[string]policy.Person{"ann": {Name: "Ann Lee", Email: "ann@example.com"}, "bob": {}}
	s.Rules.Schedules = map[string]policy.Schedule{"ops": {Zone: "Europe/Berlin", Layers: []policy.Layer{{Name: "days", People: []string{"ann", "bob"}, Start: "2026-11-16 09:00"}}}}
	book := &dutyBook{rules: s.Rules}
	m := &memory{stories: map[string]cases.Story{}}
	h, err := New(Options{Intake: m, Store: m, OnCall: book, Settings: func() Settings { return s }, Registerer: prometheus.NewRegistry(), Now: func() time.Time { return clock }})
	if err != nil {
		t.Fatal(err)
	}
	ask := func(method, path, body string) (int, string, http.Header) {
		w := httptest.NewRecorder()
		r := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		h.ServeHTTP(w, r)
		return w.Code, w.Body.String(), w.Header()
	}
	var on struct{ OnCall []onDuty }
	code, text, _ := ask("GET", "/api/v1/oncall?at=2026-11-20T12:00:00Z", "")
	if err := json.Unmarshal([]byte(text), &on); err != nil || code != 200 || len(on.OnCall) != 1 {
		t.Fatal(code, text)
	}
	want := time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC) // Monday 09:00 in Berlin
	if d := on.OnCall[0]; d.Person != "ann" || d.Name != "Ann Lee" || !d.Until.Equal(want) || d.Next == nil || d.Next.Person != "bob" {
		t.Errorf("on call: %+v", d)
	}
	until := clock.Add(2 * time.Hour).Format(time.RFC3339)
	code, text, _ = ask("POST", "/api/v1/schedules/ops/overrides", fmt.Sprintf(`{"person": "bob", "until": %q, "by": "ann", "note": "swap"}`, until))
	if code != 200 || len(book.overrides) != 1 || book.audit[0].Actor != "ann" || book.audit[0].Via != cases.ViaAPI || book.audit[0].Origin == "" || !book.overrides[0].From.Equal(clock) {
		t.Fatal(code, text, book.overrides, book.audit)
	}
	if _, text, _ = ask("GET", "/api/v1/oncall?schedule=ops", ""); !strings.Contains(text, `"person":"bob"`) || !strings.Contains(text, `"layer":"override"`) {
		t.Errorf("after the override: %s", text)
	}
	if code, text, _ = ask("POST", "/api/v1/overrides/"+book.overrides[0].ID+"/end", `{"by": "bob"}`); code != 200 || len(book.audit) != 2 {
		t.Errorf("ending: %d %s", code, text)
	}
	code, text, header := ask("GET", "/api/v1/schedules/ops.ics", "")
	if code != 200 || !strings.HasPrefix(header.Get("Content-Type"), "text/calendar") || !strings.Contains(text, "SUMMARY:Ann Lee\r\n") {
		t.Errorf("calendar: %d %v %s", code, header, text)
	}
	for _, tt := range []struct {
		method, path, body string
		code               int
		want               string
	}{
		{"GET", "/api/v1/schedules", "", 200, `"people":["ann","bob"]`},
		{"GET", "/api/v1/schedules/ops?from=2026-11-16T00:00:00Z&until=2026-11-30T00:00:00Z", "", 200, `"shifts":[{"from":"2026-11-16T00:00:00Z","until":"2026-11-16T08:00:00Z"},{"person":"ann"`},
		{"GET", "/api/v1/schedules/none", "", 404, `unknown schedule \"none\": want one of ops`},
		{"GET", "/api/v1/oncall?schedule=none.x", "", 404, `unknown schedule`},
		{"GET", "/api/v1/oncall?at=noon", "", 400, `at \"noon\": want RFC 3339 or unix seconds`},
		{"GET", "/api/v1/schedules/ops?until=2020-01-01T00:00:00Z", "", 400, "want a time after from"},
		{"GET", "/api/v1/schedules/ops?until=2036-01-01T00:00:00Z", "", 400, "at most 400 days"},
		{"POST", "/api/v1/schedules/ops/overrides", `{"person": "eve", "until": "2027-01-01T00:00:00Z"}`, 400, `person \"eve\": want one of ann, bob`},
		{"POST", "/api/v1/schedules/none/overrides", `{"person": "ann", "until": "2027-01-01T00:00:00Z"}`, 404, "unknown schedule"},
		{"POST", "/api/v1/schedules/ops/overrides", `{"person": "ann", "until": "2020-01-01T00:00:00Z"}`, 400, "until: want a time after from"},
		{"POST", "/api/v1/schedules/ops/overrides", `{"who": "ann"}`, 400, "want a JSON object like"},
		{"POST", "/api/v1/overrides/none/end", "", 404, "there is nothing of that ID"},
		{"GET", "/api/v1/audit", "", 200, `"actor":"bob"`},
		{"GET", "/api/v1/audit?actor=nobody", "", 200, `{"audit":[]}`},
		{"GET", "/api/v1/audit?before=x", "", 400, "before"},
	} {
		if code, text, _ := ask(tt.method, tt.path, tt.body); code != tt.code || !strings.Contains(text, tt.want) {
			t.Errorf("%s %s: %d %s, want %d %s", tt.method, tt.path, code, text, tt.code, tt.want)
		}
	}
}

// What people can do beside moving a case.
func TestStillCommands(t *testing.T) {
	t.Parallel()
	s := settings()
	s.Rules.People = map[string]policy.Person{"bob": {Name: "Bob", Channels: []string{"sms"}}}
	b := start(t, s)
	b.stories["C1"] = hostile()
	do := func(command, body string) cases.Change {
		t.Helper()
		if code, text := b.post(t, "/api/v1/cases/C1/"+command, strings.NewReader(body), "Content-Type", "application/json"); code != 200 {
			t.Fatalf("%s: %d %s", command, code, text)
		}
		return b.commits[len(b.commits)-1]
	}
	ch := do("assign", `{"by": "ann", "to": "bob", "note": "yours"}`)
	var n cases.Notice
	if ch.Cases[0].Owner != "bob" || ch.Events[0].Kind != cases.Assigned || ch.Events[0].To != "bob" || len(ch.Actions) != 1 || ch.Actions[0].Channel != "sms" {
		t.Errorf("assign: %+v", ch)
	} else if err := json.Unmarshal(ch.Actions[0].Payload, &n); err != nil || n.What != cases.WhatAssigned || n.Note != "ann: yours" || n.For[0] != "Bob" {
		t.Errorf("assign tells %+v, %v", n, err)
	}
	if ch = do("take", `{"by": "ann"}`); ch.Cases[0].Owner != "ann" || ch.Events[0].From != "bob" || len(ch.Actions) != 0 || ch.Events[0].Via != cases.ViaAPI {
		t.Errorf("take: %+v", ch)
	}
	if ch = do("note", `{"by": "ann", "note": "the disk"}`); ch.Events[0].Kind != cases.Noted || ch.Events[0].Note != "the disk" || ch.Cases[0].State != cases.New {
		t.Errorf("note: %+v", ch)
	}
	if ch = do("acknowledge", `{"by": "ann", "for": "2h"}`); !ch.Cases[0].AckExpiry.Equal(clock.Add(2*time.Hour)) || !ch.Actions[0].Due.Equal(clock.Add(2*time.Hour)) || ch.Actions[0].Kind != cases.ExpireAck {
		t.Errorf("acknowledge: %+v", ch)
	}
	for body, want := range map[string]string{`{"for": "-2h"}`: "want a JSON object like", `{"for": "60d"}`: "for \\\"60d\\\": want a duration up to 30d", `{"for": 5}`: "want a JSON object like"} {
		if code, text := b.post(t, "/api/v1/cases/C1/acknowledge", strings.NewReader(body), "Content-Type", "application/json"); code != 400 || !strings.Contains(text, want) {
			t.Errorf("%s: %d %s", body, code, text)
		}
	}
	if code, text := b.post(t, "/api/v1/cases/C1/note", strings.NewReader("{}"), "Content-Type", "application/json"); code != 400 || !strings.Contains(text, "note: is empty") {
		t.Errorf("an empty note: %d %s", code, text)
	}
}

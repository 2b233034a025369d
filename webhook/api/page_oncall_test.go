package api

import (
	"context"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/foreshock/foreshock/webhook/cases"
	"github.com/foreshock/foreshock/webhook/policy"
)

// duties is a schedule in which one person is always on call, and everything that people wrote tries to be more than text.
type duties struct{}

func (duties) Roster(_ context.Context, name string) (policy.Roster, bool, error) {
	return policy.Roster{Given: []policy.Override{{Person: "eve", From: clock.Add(-time.Hour), Until: clock.Add(24 * time.Hour)}}}, name == "primary", nil
}

func (duties) Overrides(context.Context, time.Time) ([]cases.Override, error) {
	return []cases.Override{{ID: "O1", Schedule: hostileText, Person: "eve", From: clock, Until: clock.Add(time.Hour), By: hostileText, Note: hostileText}}, nil
}

func (duties) Override(_ context.Context, o cases.Override, _ cases.Event) error {
	if o.Note == "store" {
		return cases.ErrConflict
	}
	return nil
}

func (duties) EndOverride(_ context.Context, id string, _ time.Time, _ cases.Event) error {
	if id != "O1" {
		return cases.ErrNotFound
	}
	return nil
}

func (duties) Audit(context.Context, cases.AuditQuery) ([]cases.Event, error) {
	return []cases.Event{{ID: 1, At: clock, Kind: cases.Overridden, Actor: hostileText, Origin: hostileText, To: hostileText, Note: hostileText, Via: cases.ViaPage}}, nil
}

func TestOverrideForm(t *testing.T) {
	t.Parallel()
	s := settings()
	s.Rules.People = map[string]policy.Person{"eve": {Name: "Eve"}}
	s.Rules.Schedules = map[string]policy.Schedule{"primary": {}}
	b := start(t, s)
	b.stories["C1"] = hostile()
	token, cookie := b.token(t)
	if _, text := b.get(t, "/oncall"); !strings.Contains(text, "<bdi>Eve</bdi>") || !strings.Contains(text, "oncall/overrides/O1/end") {
		t.Error("the page lacks who is on call, or the button")
	}
	until := clock.Add(2 * time.Hour).Format(formTime)
	for _, tt := range []struct {
		path string
		form url.Values
		code int
		want string
	}{
		{"/oncall/schedules/primary/overrides", url.Values{"person": {"eve"}, "until": {until}}, 200, "primary"},
		{"/oncall/schedules/primary/overrides", url.Values{"person": {"bob"}, "until": {until}}, 400, "want one of eve"},
		{"/oncall/schedules/primary/overrides", url.Values{"person": {"eve"}, "until": {"tomorrow"}}, 400, "until: want a date and a time"},
		{"/oncall/schedules/primary/overrides", url.Values{"person": {"eve"}, "until": {clock.Add(-time.Hour).Format(formTime)}}, 400, "want a time after from"},
		{"/oncall/schedules/second/overrides", url.Values{"person": {"eve"}, "until": {until}}, 404, "unknown schedule"},
		{"/oncall/overrides/O1/end", url.Values{}, 200, "primary"},
		{"/oncall/overrides/O2/end", url.Values{}, 404, "404"},
	} {
		tt.form.Set("token", token)
		code, text := b.post(t, tt.path, strings.NewReader(tt.form.Encode()), "Content-Type", "application/x-www-form-urlencoded", "Cookie", cookie)
		if code != tt.code || !strings.Contains(text, tt.want) {
			t.Errorf("%s %v: %d, want %d with %q", tt.path, tt.form, code, tt.code, tt.want)
		}
	}
	if code, _ := b.post(t, "/oncall/overrides/O1/end", strings.NewReader(""), "Content-Type", "application/x-www-form-urlencoded"); code != 403 {
		t.Errorf("without a token: %d", code)
	}
}

package api

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	"github.com/foreshock/foreshock/webhook/cases"
)

// A form is taken only with the token that this browser was given, and only from who it was given to.
func TestFormsNeedTheirToken(t *testing.T) {
	t.Parallel()
	b := start(t, settings())
	b.stories["C1"] = hostile()
	token, cookie := b.token(t)
	post := func(token, cookie string) int {
		code, _ := b.post(t, "/cases/C1/acknowledge", strings.NewReader(url.Values{"by": {"ann"}, "token": {token}}.Encode()),
			"Content-Type", "application/x-www-form-urlencoded", "Cookie", cookie)
		return code
	}
	other, otherCookie := b.token(t)
	for name, pair := range map[string][2]string{
		"no token": {"", cookie}, "no cookie": {token, ""}, "another browser's token": {other, cookie}, "another browser's cookie": {token, otherCookie}, "nonsense": {"AAAA", cookie},
	} {
		if code := post(pair[0], pair[1]); code != 403 {
			t.Errorf("%s: %d, want 403", name, code)
		}
	}
	if len(b.commits) != 0 {
		t.Error("something was changed")
	}
	if code := post(token, cookie); code != 200 { // the client follows back to the case
		t.Errorf("the right token: %d, want 200", code)
	}
}

// Several cases are changed at once; what cannot be is reported, and leaves the others alone.
func TestBulk(t *testing.T) {
	t.Parallel()
	b := start(t, settings())
	for _, id := range []string{"C1", "C2", "C3"} {
		s := hostile()
		s.Case.ID = id
		b.stories[id] = s
	}
	s := b.stories["C3"]
	s.Case.State = cases.Closed
	b.stories["C3"] = s
	code, text := b.post(t, "/api/v1/cases/bulk/acknowledge", strings.NewReader(`{"ids": ["C3", "C1", "none", "C1"], "by": "ann"}`), "Content-Type", "application/json")
	var got bulkResult
	if err := json.Unmarshal([]byte(text), &got); err != nil || code != 200 || strings.Join(got.Done, " ") != "C1" || len(got.Failed) != 2 ||
		got.Failed[0].ID != "C3" || !strings.Contains(got.Failed[0].Error, "does not take the command acknowledge") || got.Failed[1].ID != "none" {
		t.Errorf("%d %s", code, text)
	}
	for body, want := range map[string]string{
		`{"ids": []}`: "0 cases are selected: want 1 to 200", `{"ids": ["` + strings.Repeat(`a","`, 1) + `b"], "x": 1}`: "want a JSON object like", `[`: "want a JSON object like",
	} {
		if code, text := b.post(t, "/api/v1/cases/bulk/acknowledge", strings.NewReader(body), "Content-Type", "application/json"); code != 400 || !strings.Contains(text, want) {
			t.Errorf("%s: %d %s", body, code, text)
		}
	}
	if code, _ := b.post(t, "/api/v1/cases/bulk/explode", strings.NewReader(`{"ids": ["C1"]}`), "Content-Type", "application/json"); code != 404 {
		t.Errorf("an unknown command: %d", code)
	}
	token, cookie := b.token(t)
	form := url.Values{"id": {"C2", "C3"}, "token": {token}, "state": {"open"}, "grade": {"P0"}, "q": {"a b"}}
	req := strings.NewReader(form.Encode())
	code, _ = b.post(t, "/cases/bulk/acknowledge", req, "Content-Type", "application/x-www-form-urlencoded", "Cookie", cookie)
	if c := b.stories["C2"].Case; code != 200 || c.State != cases.Triage { // the client follows to the list
		t.Errorf("the form: %d, the case is %s", code, c.State)
	}
}

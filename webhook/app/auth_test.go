package app

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"golang.org/x/crypto/bcrypt"

	"github.com/foreshock/foreshock/webhook/cases"
)

// Who may do what, over real HTTP: roles, machine tokens, who is recorded, and a role that a reload takes away.
func TestRolesOverHTTP(t *testing.T) {
	t.Parallel()
	hash, err := bcrypt.GenerateFromPassword([]byte("a password"), 8)
	if err != nil {
		t.Fatal(err)
	}
	users := func(bob string) string {
		return "auth:\n  deliveries: credentials\n  users:\n    ann: {password_hash: '" + string(hash) + "', role: admin}\n    bob: {password_hash: '" + string(hash) + "', role: " + bob + "}\n" +
			"  tokens:\n    am: {token: sender-token-0123456789, role: sender}\n    grafana: {token: grafana-token-0123456789, role: responder, on_behalf: true}\n"
	}
	r := newReceiver(t)
	h := open(t, t.TempDir(), hookConfig(r)+users("viewer"), nil)
	ask := func(method, path, body string, as ...string) (int, string) {
		t.Helper()
		req, err := http.NewRequest(method, h.url+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		switch len(as) {
		case 1:
			req.Header.Set("Authorization", "Bearer "+as[0])
		case 2:
			req.SetBasicAuth(as[0], as[1])
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		text, _ := io.ReadAll(res.Body)
		return res.StatusCode, string(text)
	}
	alert := alertJSON("firing", "Down", t0, none)
	if code, _ := ask("POST", "/api/v1/alerts", alert); code != 401 {
		t.Errorf("a delivery from nobody: %d", code)
	}
	if code, text := ask("POST", "/api/v1/alerts", alert, "sender-token-0123456789"); code != 200 {
		t.Fatalf("a delivery with its token: %d %s", code, text)
	}
	id := r.next(t).Case.ID
	for _, tt := range []struct {
		method, path string
		as           []string
		code         int
	}{
		{"GET", "/", nil, 401},
		{"GET", "/api/v1/cases", nil, 401},
		{"GET", "/style.css", nil, 200},
		{"GET", "/metrics", nil, 200},
		{"GET", "/api/v1/cases", []string{"ann", "wrong"}, 401},
		{"GET", "/api/v1/cases", []string{"sender-token-0123456789"}, 403},
		{"GET", "/api/v1/cases", []string{"bob", "a password"}, 200},
		{"GET", "/", []string{"bob", "a password"}, 200},
		{"POST", "/api/v1/cases/" + id + "/acknowledge", []string{"bob", "a password"}, 403},
		{"POST", "/-/reload", []string{"bob", "a password"}, 403},
		{"POST", "/-/reload", nil, 403},
		{"POST", "/-/reload", []string{"ann", "a password"}, 200},
	} {
		if code, text := ask(tt.method, tt.path, "{}", tt.as...); code != tt.code {
			t.Errorf("%s %s as %v: %d %.200s, want %d", tt.method, tt.path, tt.as, code, text, tt.code)
		}
	}
	// Grafana says in whose name it acts, and both are recorded; a person cannot.
	if code, text := ask("POST", "/api/v1/cases/"+id+"/acknowledge", `{"by": "carol"}`, "grafana-token-0123456789"); code != 200 || !strings.Contains(text, `"ackedBy":"carol"`) {
		t.Errorf("on behalf of carol: %d %s", code, text)
	}
	if code, text := ask("POST", "/api/v1/cases/"+id+"/start", `{"by": "carol"}`, "ann", "a password"); code != 200 {
		t.Errorf("ann: %d %s", code, text)
	}
	story, err := h.store.Story(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	var who []string
	for _, e := range story.Events {
		if e.Kind == cases.StateChanged {
			who = append(who, e.Actor+" from "+e.Origin)
		}
	}
	if got := strings.Join(who, ", "); got != "carol from grafana 127.0.0.1, ann from 127.0.0.1" {
		t.Errorf("recorded: %s", got)
	}
	h.write(hookConfig(r) + users("responder"))
	if err := h.Reload(); err != nil {
		t.Fatal(err)
	}
	if code, text := ask("POST", "/api/v1/cases/"+id+"/resolve", "{}", "bob", "a password"); code != 200 {
		t.Errorf("bob after he became a responder: %d %s", code, text)
	}
	if log := h.log.String(); strings.Contains(log, "a password") || strings.Contains(log, "token-0123456789") || strings.Contains(log, string(hash)) {
		t.Error("the log holds a secret")
	}
}

// Whoever listens for everybody and asks nobody is told.
func TestWarningOfOpenDoor(t *testing.T) {
	t.Parallel()
	r := newReceiver(t)
	h := open(t, t.TempDir(), hookConfig(r), nil)
	if strings.Contains(h.log.String(), "anyone who reaches") {
		t.Error("a warning on loopback")
	}
	for address, want := range map[string]bool{"127.0.0.1:1": false, "[::1]:1": false, "[::]:9099": true, "0.0.0.0:9099": true, "192.0.2.1:9": true, "nonsense": true} {
		if beyondLoopback(address) != want {
			t.Errorf("%s: %v", address, !want)
		}
	}
}

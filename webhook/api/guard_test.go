package api

import (
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/foreshock/foreshock/webhook/auth"
)

func guarded(t *testing.T, o auth.Options) *bench {
	t.Helper()
	o.Key, o.Lifetime = []byte("a key for tests, 32 bytes or so.."), time.Hour
	g, err := auth.New(o)
	if err != nil {
		t.Fatal(err)
	}
	s := settings()
	s.Auth, s.ExternalURL = g, "https://foreshock.example"
	return start(t, s)
}

// look asks as a browser does and follows nowhere.
func (b *bench) look(t *testing.T, path string, header ...string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, b.url+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", "text/html,*/*")
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text := make([]byte, 1<<16)
	n, _ := res.Body.Read(text)
	return res, string(text[:n])
}

// With a provider, a person is led to the sign-in and back; a program is told 401; alerts are taken all the same.
func TestPagesAskPeopleToSignIn(t *testing.T) {
	t.Parallel()
	b := guarded(t, auth.Options{OIDC: auth.OIDC{Issuer: "http://127.0.0.1:1", ClientID: "x", UserClaim: "email", Redirect: "https://foreshock.example/login/callback"}})
	for path, want := range map[string]string{"/": "./login?next=%2F", "/cases/C1?x=1": "./../login?next=%2Fcases%2FC1%3Fx%3D1"} {
		if res, _ := b.look(t, path); res.StatusCode != http.StatusSeeOther || res.Header.Get("Location") != want {
			t.Errorf("%s: %d to %q, want %q", path, res.StatusCode, res.Header.Get("Location"), want)
		}
	}
	if res, text := b.look(t, "/login"); res.StatusCode != http.StatusServiceUnavailable || !strings.Contains(text, "identity provider does not answer") {
		t.Errorf("/login while the provider is down: %d", res.StatusCode)
	}
	if res, text := b.look(t, "/login/callback?error=x&state=y"); res.StatusCode != http.StatusForbidden || !strings.Contains(text, "was refused") {
		t.Errorf("a forged callback: %d", res.StatusCode)
	}
	if res, text := b.get(t, "/api/v1/cases"); res.StatusCode != 401 || res.Header.Get("WWW-Authenticate") != `Bearer realm="Foreshock"` || !strings.Contains(text, "sign in first") {
		t.Errorf("a program: %d %s", res.StatusCode, text)
	}
	if code, _ := b.post(t, "/cases/C1/acknowledge", strings.NewReader("by=eve"), "Content-Type", "application/x-www-form-urlencoded"); code != 401 {
		t.Errorf("a form from nobody: %d", code)
	}
	if code, text := b.post(t, "/api/v1/alerts", strings.NewReader(small)); code != 200 {
		t.Errorf("a delivery: %d %s", code, text)
	}
}

// A viewer sees no buttons, and a form of theirs does nothing; a responder has them, and their name is taken from the proxy.
func TestRolesOnPages(t *testing.T) {
	t.Parallel()
	b := guarded(t, auth.Options{
		Proxy:  auth.Proxy{Header: "X-User", Networks: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}},
		ByUser: map[string]auth.Role{"vera": auth.Viewer, "rosa": auth.Responder},
	})
	b.stories["C1"] = hostile()
	if _, text := b.get(t, "/cases/C1", "X-User", "vera"); strings.Contains(text, "formaction") || !strings.Contains(text, "<bdi>vera</bdi>") {
		t.Error("a viewer sees buttons, or not who they are")
	}
	if res, text := b.look(t, "/cases/C1", "X-User", "nobody"); res.StatusCode != 403 || !strings.Contains(text, "nobody has the role none") {
		t.Errorf("somebody without a role: %d", res.StatusCode)
	}
	token, cookie := b.token(t, "X-User", "rosa")
	form := url.Values{"token": {token}, "by": {"mallory"}}.Encode()
	post := func(user string) int {
		code, _ := b.post(t, "/cases/C1/acknowledge", strings.NewReader(form), "Content-Type", "application/x-www-form-urlencoded", "Cookie", cookie, "X-User", user)
		return code
	}
	if code := post("vera"); code != 403 || len(b.commits) != 0 {
		t.Errorf("a viewer with a responder's form: %d", code)
	}
	if code := post("rosa"); code != 200 || len(b.commits) != 1 || b.commits[0].Events[0].Actor != "rosa" {
		t.Errorf("a responder: %d, %+v", code, b.commits)
	}
}

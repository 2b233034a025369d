package auth

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"golang.org/x/crypto/bcrypt"
)

var key = []byte("a key for tests, 32 bytes or so..")

func hash(t *testing.T, password string) []byte {
	t.Helper()
	h, err := bcrypt.GenerateFromPassword([]byte(password), 8) // the least that is taken, to be fast
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func guard(t *testing.T, o Options) *Guard {
	t.Helper()
	if o.Key = key; o.Lifetime == 0 {
		o.Lifetime = time.Hour
	}
	g, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func request(header ...string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "http://foreshock.example/", nil)
	r.RemoteAddr = "10.0.0.5:4711"
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	return r
}

func TestRoles(t *testing.T) {
	t.Parallel()
	order := Roles()
	for i, have := range order {
		for j, need := range order {
			if have.May(need) != (i >= j) {
				t.Errorf("%s may what needs %s: %v", have, need, have.May(need))
			}
		}
	}
	if Role("").May(None) || Role("root").May(Viewer) {
		t.Error("a role that is none may something")
	}
}

func TestNobodyIsAsked(t *testing.T) {
	t.Parallel()
	g, err := New(Options{})
	if err != nil || g != nil || !g.Open() || g.SignIn() || g.Passwords() || g.Deliveries() {
		t.Errorf("got %v, %v", g, err)
	}
	if u, err := g.Identify(request()); err != nil || u.Role != Admin {
		t.Errorf("got %+v, %v", u, err)
	}
}

func TestPasswordsAndTokens(t *testing.T) {
	t.Parallel()
	g := guard(t, Options{
		Users:  map[string]Basic{"ann": {hash(t, "correct horse"), Responder}},
		Tokens: map[string]Token{"am": {"sender-token-0123456789", Sender, false}, "grafana": {"grafana-token-0123456789", Responder, true}},
	})
	basic := func(name, password string) *http.Request {
		r := request()
		r.SetBasicAuth(name, password)
		return r
	}
	for _, tt := range []struct {
		name string
		r    *http.Request
		want User
		err  error
	}{
		{"nothing", request(), User{}, ErrNobody},
		{"password", basic("ann", "correct horse"), User{Name: "ann", Role: Responder, Via: "basic"}, nil},
		{"the same again, remembered", basic("ann", "correct horse"), User{Name: "ann", Role: Responder, Via: "basic"}, nil},
		{"wrong password", basic("ann", "correct horsf"), User{}, ErrWrong},
		{"long password", basic("ann", strings.Repeat("x", 100)), User{}, ErrWrong},
		{"nobody of that name", basic("bob", "correct horse"), User{}, ErrWrong},
		{"empty", basic("", ""), User{}, ErrWrong},
		{"token", request("Authorization", "Bearer grafana-token-0123456789"), User{Name: "grafana", Role: Responder, Via: "token", Speaks: true}, nil},
		{"token as a password", basic("am", "sender-token-0123456789"), User{Name: "am", Role: Sender, Via: "token"}, nil},
		{"token under another name", basic("ann", "sender-token-0123456789"), User{}, ErrWrong},
		{"wrong token", request("Authorization", "Bearer sender-token-012345678"), User{}, ErrWrong},
		{"empty token", request("Authorization", "Bearer "), User{}, ErrWrong},
		{"another scheme", request("Authorization", "Digest x"), User{}, ErrWrong},
		{"not base64", request("Authorization", "Basic %"), User{}, ErrWrong},
	} {
		u, err := g.Identify(tt.r)
		u.groups = nil
		if u.Name != tt.want.Name || u.Role != tt.want.Role || u.Via != tt.want.Via || u.Speaks != tt.want.Speaks || !errors.Is(err, tt.err) {
			t.Errorf("%s: %+v, %v", tt.name, u, err)
		}
	}
	if bcrypt.CompareHashAndPassword(decoy, []byte("x")) == nil {
		t.Error("the decoy fits a password")
	}
	if _, err := bcrypt.Cost(decoy); err != nil {
		t.Errorf("the decoy costs no time: %v", err)
	}
}

func TestMistakesOfHashes(t *testing.T) {
	t.Parallel()
	dear := []byte("$2y$31$" + strings.Repeat("a", 53))
	for name, h := range map[string][]byte{"plain": []byte("secret"), "empty": nil, "dear": dear} {
		if _, err := New(Options{Users: map[string]Basic{"ann": {h, Viewer}}, Key: key}); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The proxy's header counts from the proxy alone, and once.
func TestProxy(t *testing.T) {
	t.Parallel()
	g := guard(t, Options{
		Proxy:  Proxy{"X-User", "X-Groups", []netip.Prefix{netip.MustParsePrefix("10.0.0.0/30"), netip.MustParsePrefix("10.0.0.5/32"), netip.MustParsePrefix("::1/128")}},
		ByUser: map[string]Role{"root@x": Admin}, ByGroup: map[string]Role{"sre": Responder, "all": Viewer},
	})
	from := func(address string, header ...string) *http.Request {
		r := request(header...)
		r.RemoteAddr = address
		return r
	}
	for _, tt := range []struct {
		r    *http.Request
		want Role
		err  error
	}{
		{request("X-User", "ann", "X-Groups", "all, sre"), Responder, nil},
		{request("X-User", "ann", "X-Groups", "nobody", "X-Groups", "all"), Viewer, nil},
		{request("X-User", "ann"), None, nil},
		{request("X-User", "root@x", "X-Groups", "all"), Admin, nil},
		{from("[::ffff:10.0.0.5]:1", "X-User", "root@x"), Admin, nil},
		{from("10.0.0.9:1", "X-User", "root@x"), "", ErrNobody},
		{from("nonsense", "X-User", "root@x"), "", ErrNobody},
		{request("X-User", "ann", "X-User", "root@x"), "", ErrNobody},
		{request("X-User", " "), "", ErrNobody},
		{request(), "", ErrNobody},
	} {
		u, err := g.Identify(tt.r)
		if u.Role != tt.want || !errors.Is(err, tt.err) {
			t.Errorf("%s %v: %+v, %v, want %q", tt.r.RemoteAddr, tt.r.Header, u, err, tt.want)
		}
	}
}

// No cookie but ours is a session, whatever it holds, and ours is read as it was made, for its purpose and its time alone.
func FuzzSession(f *testing.F) {
	now := time.Unix(1_800_000_000, 0)
	g, err := New(Options{Key: key, Lifetime: time.Hour, OIDC: OIDC{Issuer: "https://login.example"}, Now: func() time.Time { return now }})
	if err != nil {
		f.Fatal(err)
	}
	good, err := g.seal("session", session{Name: "ann", Until: now.Unix() + 60})
	if err != nil {
		f.Fatal(err)
	}
	login, err := g.seal("login", session{Name: "ann", Until: now.Unix() + 60})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good, "ann", "ops", int64(60))
	f.Add(login, "", "", int64(0))
	f.Add("..", "a.b/ü", "\x00", int64(-1))
	f.Add("e30.", "eve", "admins", int64(1)<<62)
	f.Fuzz(func(t *testing.T, cookie, name, group string, lasts int64) {
		with := func(value string) (User, bool) {
			r := request()
			r.Header.Set("Cookie", sessionCookie+"="+value)
			return g.session(r)
		}
		// The last character of base64 has bits that mean nothing: another one may stand for the same signature.
		if u, ok := with(cookie); ok && !strings.Contains(cookie, good[:len(good)-1]) {
			t.Errorf("%q is a session of %q", cookie, u.Name)
		}
		until := now.Unix() + lasts%1000
		mine, err := g.seal("session", session{Name: name, Groups: []string{group}, Until: until})
		if err != nil {
			t.Fatal(err)
		}
		u, ok := with(mine)
		if want := name != "" && until > now.Unix(); ok != want {
			t.Errorf("%q until %d: a session: %v, want %v", name, until, ok, want)
		}
		if ok && utf8.ValidString(name) && u.Name != name {
			t.Errorf("%q is read as %q", name, u.Name)
		}
		other, err := g.seal("login", session{Name: name, Until: until})
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := with(other); ok {
			t.Errorf("%q was made for something else", other)
		}
	})
}

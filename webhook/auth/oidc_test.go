package auth

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

// idp is an OpenID Connect provider that enforces what the standards ask of one: the code once, the redirect address as registered, the
// client's secret, and the proof key (RFC 7636). Fields say how it misbehaves.
type idp struct {
	*httptest.Server
	key    *rsa.PrivateKey
	wrong  *rsa.PrivateKey // signs in its place when set
	mu     sync.Mutex
	codes  map[string]url.Values
	claims map[string]any // beside the ordinary ones
	deny   bool
}

const clientID, clientSecret = "foreshock", "a client's secret"

func newIDP(t *testing.T) *idp {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	p := &idp{key: key, codes: map[string]url.Values{}, claims: map[string]any{"email": "ann@example.com", "email_verified": true, "groups": []string{"sre", "other"}}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		reply(w, map[string]any{
			"issuer": p.URL, "authorization_endpoint": p.URL + "/authorize", "token_endpoint": p.URL + "/token", "jwks_uri": p.URL + "/keys",
			"id_token_signing_alg_values_supported": []string{"RS256"},
		})
	})
	mux.HandleFunc("GET /keys", func(w http.ResponseWriter, _ *http.Request) {
		enc := base64.RawURLEncoding.EncodeToString
		reply(w, map[string]any{"keys": []any{map[string]string{"kty": "RSA", "alg": "RS256", "use": "sig", "kid": "1", "n": enc(key.N.Bytes()), "e": enc([]byte{1, 0, 1})}}})
	})
	mux.HandleFunc("GET /authorize", p.authorize)
	mux.HandleFunc("POST /token", p.token)
	p.Server = httptest.NewServer(mux)
	t.Cleanup(p.Close)
	return p
}

func reply(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

func (p *idp) authorize(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	if q.Get("client_id") != clientID || q.Get("response_type") != "code" || q.Get("code_challenge_method") != "S256" || !strings.Contains(q.Get("scope"), "openid") {
		http.Error(w, "a bad request: "+r.URL.RawQuery, http.StatusBadRequest)
		return
	}
	back := url.Values{"state": {q.Get("state")}}
	if p.deny {
		back.Set("error", "access_denied")
	} else {
		code := random()
		p.mu.Lock()
		p.codes[code] = q
		p.mu.Unlock()
		back.Set("code", code)
	}
	http.Redirect(w, r, q.Get("redirect_uri")+"?"+back.Encode(), http.StatusFound)
}

func (p *idp) token(w http.ResponseWriter, r *http.Request) {
	_ = r.ParseForm()
	p.mu.Lock()
	q, ok := p.codes[r.PostForm.Get("code")]
	delete(p.codes, r.PostForm.Get("code"))
	p.mu.Unlock()
	id, secret, basic := r.BasicAuth()
	if !basic {
		id, secret = r.PostForm.Get("client_id"), r.PostForm.Get("client_secret")
	}
	if basic { // RFC 6749, 2.3.1: form-encoded within the header
		id, _ = url.QueryUnescape(id)
		secret, _ = url.QueryUnescape(secret)
	}
	sum := sha256.Sum256([]byte(r.PostForm.Get("code_verifier")))
	if !ok || id != clientID || secret != clientSecret || r.PostForm.Get("redirect_uri") != q.Get("redirect_uri") ||
		base64.RawURLEncoding.EncodeToString(sum[:]) != q.Get("code_challenge") {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusBadRequest)
		reply(w, map[string]string{"error": "invalid_grant"})
		return
	}
	now := time.Now()
	claims := map[string]any{"iss": p.URL, "aud": clientID, "sub": "1", "iat": now.Unix(), "exp": now.Add(time.Minute).Unix(), "nonce": q.Get("nonce")}
	maps.Copy(claims, p.claims)
	reply(w, map[string]any{"access_token": "x", "token_type": "Bearer", "id_token": p.sign(claims)})
}

func (p *idp) sign(claims map[string]any) string {
	enc := base64.RawURLEncoding.EncodeToString
	body, _ := json.Marshal(claims)
	text := enc([]byte(`{"alg":"RS256","kid":"1"}`)) + "." + enc(body)
	sum := sha256.Sum256([]byte(text))
	key := p.key
	if p.wrong != nil {
		key = p.wrong
	}
	signature, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:])
	if err != nil {
		panic(err)
	}
	return text + "." + enc(signature)
}

// site is a service behind a guard, as api makes one.
type site struct {
	*httptest.Server
	guard *Guard
	err   error // of the last callback
	next  string
}

func newSite(t *testing.T, p *idp, change func(*Options)) *site {
	t.Helper()
	s := &site{}
	mux := http.NewServeMux()
	s.Server = httptest.NewServer(mux)
	t.Cleanup(s.Close)
	o := Options{
		OIDC:    OIDC{Issuer: p.URL, ClientID: clientID, ClientSecret: clientSecret, Scopes: []string{"email"}, UserClaim: "email", GroupsClaim: "groups", Redirect: s.URL + "/login/callback"},
		ByGroup: map[string]Role{"sre": Responder},
	}
	if change != nil {
		change(&o)
	}
	s.guard = guard(t, o)
	mux.HandleFunc("/login", func(w http.ResponseWriter, r *http.Request) {
		if err := s.guard.Login(w, r, r.URL.Query().Get("next")); err != nil {
			s.err = err
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	mux.HandleFunc("/login/callback", func(w http.ResponseWriter, r *http.Request) {
		if _, s.next, s.err = s.guard.Callback(w, r); s.err != nil {
			w.WriteHeader(http.StatusForbidden)
		}
	})
	mux.HandleFunc("/who", func(w http.ResponseWriter, r *http.Request) {
		u, err := s.guard.Identify(r)
		fmt.Fprintf(w, "%s %s %s %v", u.Name, u.Role, u.Via, err)
	})
	return s
}

func client(t *testing.T) *http.Client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &http.Client{Jar: jar, Timeout: 20 * time.Second}
}

func read(t *testing.T, c *http.Client, address string) (int, string) {
	t.Helper()
	res, err := c.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var b strings.Builder
	_, _ = fmt.Fprint(&b)
	buf := make([]byte, 4096)
	n, _ := res.Body.Read(buf)
	return res.StatusCode, string(buf[:n])
}

func TestSignIn(t *testing.T) {
	t.Parallel()
	s := newSite(t, newIDP(t), nil)
	c := client(t)
	if _, who := read(t, c, s.URL+"/who"); who != "   "+ErrNobody.Error() {
		t.Fatalf("before: %q", who)
	}
	if code, _ := read(t, c, s.URL+"/login?next=/cases/1%3Fx=2"); code != 200 || s.err != nil || s.next != "/cases/1?x=2" {
		t.Fatalf("sign-in: %d, %v, to %q", code, s.err, s.next)
	}
	if _, who := read(t, c, s.URL+"/who"); who != "ann@example.com responder oidc <nil>" {
		t.Errorf("after: %q", who)
	}
	if _, who := read(t, client(t), s.URL+"/who"); who != "   "+ErrNobody.Error() {
		t.Errorf("another browser: %q", who)
	}
}

// A provider may write that an address is verified as a text, or say nothing of it.
func TestVerifiedAddress(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(map[string]any){
		"a text":  func(claims map[string]any) { claims["email_verified"] = "true" },
		"nothing": func(claims map[string]any) { delete(claims, "email_verified") },
	} {
		p := newIDP(t)
		change(p.claims)
		s := newSite(t, p, nil)
		if code, _ := read(t, client(t), s.URL+"/login"); code != 200 || s.err != nil {
			t.Errorf("%s: %d, %v", name, code, s.err)
		}
	}
}

// A session ends, and is worth nothing under another key or changed; what its holder may do is looked up every time.
func TestSession(t *testing.T) {
	t.Parallel()
	now := time.Now()
	var mu sync.Mutex
	s := newSite(t, newIDP(t), func(o *Options) { o.Now = func() time.Time { mu.Lock(); defer mu.Unlock(); return now } })
	c := client(t)
	read(t, c, s.URL+"/login")
	u, _ := url.Parse(s.URL)
	var cookie *http.Cookie
	for _, x := range c.Jar.Cookies(u) {
		if x.Name == sessionCookie {
			cookie = x
		}
	}
	if cookie == nil {
		t.Fatal("no session")
	}
	who := func(g *Guard, value string) User {
		r := request()
		r.AddCookie(&http.Cookie{Name: sessionCookie, Value: value})
		user, _ := g.Identify(r)
		return user
	}
	if got := who(s.guard, cookie.Value); got.Role != Responder {
		t.Fatalf("got %+v", got)
	}
	changed := []byte(cookie.Value)
	changed[5] ^= 1
	for name, value := range map[string]string{"changed": string(changed), "cut": cookie.Value[:len(cookie.Value)-2], "unsigned": strings.Split(cookie.Value, ".")[0], "empty": ""} {
		if got := who(s.guard, value); got.Name != "" {
			t.Errorf("%s: %+v", name, got)
		}
	}
	o := s.guard.o
	o.ByGroup = map[string]Role{}
	demoted, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	if got := who(demoted, cookie.Value); got.Role.May(Viewer) {
		t.Errorf("after the group lost its role: %+v", got)
	}
	o.Key = []byte("another key, long enough")
	stranger, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	if got := who(stranger, cookie.Value); got.Name != "" {
		t.Errorf("under another key: %+v", got)
	}
	mu.Lock()
	now = now.Add(61 * time.Minute)
	mu.Unlock()
	if got := who(s.guard, cookie.Value); got.Name != "" {
		t.Errorf("after its end: %+v", got)
	}
}

// What a provider, or somebody in between, may get wrong.
func TestSignInIsRefused(t *testing.T) {
	t.Parallel()
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		provider func(*idp)
		options  func(*Options)
		want     string
	}{
		"denied":              {provider: func(p *idp) { p.deny = true }, want: "access_denied"},
		"signed by another":   {provider: func(p *idp) { p.wrong = other }, want: "id_token is not good"},
		"for another client":  {provider: func(p *idp) { p.claims["aud"] = "somebody else" }, want: "id_token is not good"},
		"by another issuer":   {provider: func(p *idp) { p.claims["iss"] = "https://evil.example" }, want: "id_token is not good"},
		"expired":             {provider: func(p *idp) { p.claims["exp"] = time.Now().Add(-time.Hour).Unix() }, want: "id_token is not good"},
		"another nonce":       {provider: func(p *idp) { p.claims["nonce"] = "x" }, want: "nonce"},
		"unverified address":  {provider: func(p *idp) { p.claims["email_verified"] = false }, want: "not verified"},
		"unverified, as text": {provider: func(p *idp) { p.claims["email_verified"] = "false" }, want: "not verified"},
		"verified, unclear":   {provider: func(p *idp) { p.claims["email_verified"] = 0 }, want: "not verified"},
		"verified, null":      {provider: func(p *idp) { p.claims["email_verified"] = nil }, want: "not verified"},
		"no login":            {provider: func(p *idp) { delete(p.claims, "email") }, want: `the claim "email" is missing`},
		"the client's secret": {options: func(o *Options) { o.OIDC.ClientSecret = "wrong" }, want: "invalid_grant"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newIDP(t)
			if tt.provider != nil {
				tt.provider(p)
			}
			s := newSite(t, p, tt.options)
			code, _ := read(t, client(t), s.URL+"/login")
			if code != 403 || !errors.Is(s.err, ErrRefused) || !strings.Contains(s.err.Error(), tt.want) || strings.Contains(s.err.Error(), clientSecret) {
				t.Errorf("%d %v, want %q", code, s.err, tt.want)
			}
		})
	}
}

// A code from elsewhere, or without the cookie of this browser, begins no session.
func TestForgedCallback(t *testing.T) {
	t.Parallel()
	s := newSite(t, newIDP(t), nil)
	for _, query := range []string{"code=x&state=y", "", "error=access_denied&state=y"} {
		c := client(t)
		if code, _ := read(t, c, s.URL+"/login/callback?"+query); code != 403 || !errors.Is(s.err, ErrRefused) {
			t.Errorf("%q without a login: %d %v", query, code, s.err)
		}
	}
	c := client(t)
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	read(t, c, s.URL+"/login")
	if code, _ := read(t, c, s.URL+"/login/callback?code=x&state=forged"); code != 403 || !strings.Contains(s.err.Error(), "state") {
		t.Errorf("a forged state: %d %v", code, s.err)
	}
}

// While the provider is down nobody can sign in, and everything else goes on; afterwards they can.
func TestProviderDown(t *testing.T) {
	t.Parallel()
	p := newIDP(t)
	s := newSite(t, p, func(o *Options) {
		o.OIDC.Client = &http.Client{Transport: &flaky{}, Timeout: 5 * time.Second}
		o.Tokens = map[string]Token{"am": {"sender-token-0123456789", Sender, false}}
	})
	if code, _ := read(t, client(t), s.URL+"/login"); code != 503 || errors.Is(s.err, ErrRefused) {
		t.Errorf("%d %v", code, s.err)
	}
	if u, err := s.guard.Identify(request("Authorization", "Bearer sender-token-0123456789")); err != nil || u.Role != Sender {
		t.Errorf("a token meanwhile: %+v, %v", u, err)
	}
	if code, _ := read(t, client(t), s.URL+"/login"); code != 200 || s.err != nil {
		t.Errorf("afterwards: %d %v", code, s.err)
	}
}

// flaky fails the first time.
type flaky struct {
	mu   sync.Mutex
	once bool
}

func (f *flaky) RoundTrip(r *http.Request) (*http.Response, error) {
	f.mu.Lock()
	first := !f.once
	f.once = true
	f.mu.Unlock()
	if first {
		return nil, errors.New("no route to host")
	}
	return http.DefaultTransport.RoundTrip(r)
}

// Nobody can be led away from here.
func TestLocal(t *testing.T) {
	t.Parallel()
	for next, want := range map[string]string{
		"/cases/1?x=2": "/cases/1?x=2", "": "/", "//evil.example": "/", "https://evil.example/": "/", "/\\evil.example": "/", "evil": "/", "/a\r\nb": "/", "javascript:alert(1)": "/",
	} {
		if got := local(next); got != want {
			t.Errorf("%q: %q, want %q", next, got, want)
		}
	}
}

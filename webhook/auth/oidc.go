package auth

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// OIDC is an OpenID Connect provider; the code flow with PKCE (RFC 7636) is used.
type OIDC struct {
	Issuer       string
	ClientID     string
	ClientSecret string   // may be empty for a public client
	Scopes       []string // beside openid
	UserClaim    string   // whose text is the login
	GroupsClaim  string   // a list of texts, or one; may be empty
	Redirect     string   // the address of Callback as people reach it
	Client       *http.Client
}

// Bounds of the sign-in.
const (
	loginFor = 10 * time.Minute
	// askFor is how long the provider may take for an answer.
	askFor = 10 * time.Second
	// maxGroups keeps the cookie below what browsers take.
	maxGroups = 50
	maxCookie = 3800
)

// provider asks the issuer for its addresses when they are first needed, not at the start: alerts must be taken while it is down.
type provider struct {
	mu    sync.Mutex
	found *oidc.Provider
}

// login is what must come back with the code.
type login struct {
	State    string `json:"s"`
	Nonce    string `json:"n"`
	Verifier string `json:"v"`
	Next     string `json:"x"`
	Until    int64  `json:"u"`
}

func (g *Guard) client() *http.Client {
	if g.o.OIDC.Client != nil {
		return g.o.OIDC.Client
	}
	return &http.Client{Timeout: askFor}
}

func (g *Guard) discover(ctx context.Context) (*oidc.Provider, *oauth2.Config, error) {
	g.provider.mu.Lock()
	defer g.provider.mu.Unlock()
	if g.provider.found == nil {
		// The keys are read again later, with this context: it must outlive the request.
		p, err := oidc.NewProvider(oidc.ClientContext(context.WithoutCancel(ctx), g.client()), g.o.OIDC.Issuer)
		if err != nil {
			return nil, nil, fmt.Errorf("the identity provider cannot be reached: %w", err)
		}
		g.provider.found = p
	}
	return g.provider.found, &oauth2.Config{
		ClientID: g.o.OIDC.ClientID, ClientSecret: g.o.OIDC.ClientSecret, Endpoint: g.provider.found.Endpoint(), RedirectURL: g.o.OIDC.Redirect,
		Scopes: append([]string{oidc.ScopeOpenID}, g.o.OIDC.Scopes...),
	}, nil
}

// Login sends the browser to the provider; next is the local address to come back to.
func (g *Guard) Login(w http.ResponseWriter, r *http.Request, next string) error {
	if !g.SignIn() {
		return errors.New("no identity provider is configured")
	}
	ctx, cancel := context.WithTimeout(r.Context(), askFor)
	defer cancel()
	_, cfg, err := g.discover(ctx)
	if err != nil {
		return err
	}
	l := login{State: random(), Nonce: random(), Verifier: oauth2.GenerateVerifier(), Next: local(next), Until: g.o.Now().Add(loginFor).Unix()}
	sealed, err := g.seal("login", l)
	if err != nil {
		return err
	}
	g.setCookie(w, loginCookie, sealed, loginFor)
	http.Redirect(w, r, cfg.AuthCodeURL(l.State, oidc.Nonce(l.Nonce), oauth2.S256ChallengeOption(l.Verifier)), http.StatusFound)
	return nil
}

// ErrRefused is the error of a sign-in in which the provider, or what it said, does not let somebody in.
var ErrRefused = errors.New("the sign-in was refused")

// Callback takes the code that the provider sent the browser back with, and begins a session. It returns who came and the local address
// to go on to.
func (g *Guard) Callback(w http.ResponseWriter, r *http.Request) (User, string, error) {
	refuse := func(format string, args ...any) (User, string, error) {
		return User{}, "", fmt.Errorf("%w: %w", ErrRefused, fmt.Errorf(format, args...))
	}
	if !g.SignIn() {
		return refuse("no identity provider is configured")
	}
	var l login
	c, err := r.Cookie(loginCookie)
	if err != nil || !g.unseal("login", c.Value, &l) || !g.o.Now().Before(time.Unix(l.Until, 0)) {
		return refuse("it took too long, or began in another browser: try again")
	}
	g.setCookie(w, loginCookie, "", 0)
	q := r.URL.Query()
	if !same(l.State, q.Get("state")) {
		return refuse("the state is not the one that was sent")
	}
	if e := q.Get("error"); e != "" {
		return refuse("the provider says %.100q", e)
	}
	ctx, cancel := context.WithTimeout(oidc.ClientContext(r.Context(), g.client()), askFor)
	defer cancel()
	p, cfg, err := g.discover(ctx)
	if err != nil {
		return User{}, "", err
	}
	s, err := g.exchange(ctx, p, cfg, q.Get("code"), l)
	if err != nil {
		return refuse("%w", err)
	}
	s.Until = g.o.Now().Add(g.o.Lifetime).Unix()
	sealed, err := g.seal("session", s)
	if err != nil {
		return refuse("%w", err)
	}
	if len(sealed) > maxCookie {
		return refuse("the groups of %q do not fit a cookie: let the provider name fewer", s.Name)
	}
	g.setCookie(w, sessionCookie, sealed, g.o.Lifetime)
	u := User{Name: s.Name, Via: "oidc", groups: s.Groups}
	u.Role = g.role(u)
	return u, l.Next, nil
}

// exchange turns the code into who somebody is.
func (g *Guard) exchange(ctx context.Context, p *oidc.Provider, cfg *oauth2.Config, code string, l login) (session, error) {
	token, err := cfg.Exchange(ctx, code, oauth2.VerifierOption(l.Verifier))
	if err != nil {
		var answer *oauth2.RetrieveError
		if errors.As(err, &answer) { // its text would show the whole answer
			return session{}, fmt.Errorf("the code was not taken: %.100q", answer.ErrorCode)
		}
		return session{}, errors.New("the code could not be exchanged")
	}
	raw, ok := token.Extra("id_token").(string)
	if !ok {
		return session{}, errors.New("the answer has no id_token")
	}
	id, err := p.Verifier(&oidc.Config{ClientID: g.o.OIDC.ClientID, Now: g.o.Now}).Verify(ctx, raw)
	if err != nil {
		return session{}, fmt.Errorf("the id_token is not good: %w", err)
	}
	if !same(id.Nonce, l.Nonce) {
		return session{}, errors.New("the nonce is not the one that was sent")
	}
	var claims map[string]any
	if err := id.Claims(&claims); err != nil {
		return session{}, fmt.Errorf("the claims cannot be read: %w", err)
	}
	s := session{Name: strings.TrimSpace(asText(claims[g.o.OIDC.UserClaim]))}
	if s.Name == "" {
		return s, fmt.Errorf("the claim %q is missing", g.o.OIDC.UserClaim)
	}
	// An address that nobody proved to own must not stand for somebody.
	if g.o.OIDC.UserClaim == "email" && !verified(claims) {
		return s, errors.New("the e-mail address is not verified")
	}
	if g.o.OIDC.GroupsClaim != "" {
		s.Groups = g.known(asList(claims[g.o.OIDC.GroupsClaim]))
	}
	return s, nil
}

// verified reports whether the claims do not deny that the address is its owner's. A provider that says nothing of it is trusted; some
// write the claim as a text.
func verified(claims map[string]any) bool {
	said, ok := claims["email_verified"]
	return !ok || said == true || said == "true"
}

// known keeps the groups that give a role: the others would only fill the cookie.
func (g *Guard) known(groups []string) []string {
	var out []string
	for _, name := range groups {
		if _, ok := g.o.ByGroup[name]; ok && len(out) < maxGroups {
			out = append(out, name)
		}
	}
	return out
}

func asText(v any) string {
	s, _ := v.(string)
	return s
}

func asList(v any) []string {
	switch v := v.(type) {
	case string:
		return []string{v}
	case []any:
		var out []string
		for _, x := range v {
			if s, ok := x.(string); ok {
				out = append(out, s)
			}
		}
		return out
	}
	return nil
}

// local is an address within this service, or its root: nobody can be sent elsewhere from here.
func local(next string) string {
	u, err := url.Parse(next)
	if err != nil || u.IsAbs() || u.Host != "" || !strings.HasPrefix(next, "/") || strings.HasPrefix(next, "//") || strings.ContainsAny(next, "\\\r\n\t") {
		return "/"
	}
	return next
}

func random() string {
	b := make([]byte, 24)
	_, _ = rand.Read(b) // never fails
	return base64.RawURLEncoding.EncodeToString(b)
}

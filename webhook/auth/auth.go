// Package auth says who asks: by password, by bearer token, by the header of a proxy that is trusted, or by a session that an OpenID Connect
// provider began; and what that person or program may do.
//
// The idea: a Guard is made of the configuration and has no state but a key that signs cookies, so that any replica accepts what another
// one signed, and a reload takes rights away at once: a session holds who somebody is, never what they may.
//
//	g, err := auth.New(auth.Options{Users: users, Key: key})
//	user, err := g.Identify(r)           // ErrNobody: ask them to sign in
//	if !user.Role.May(auth.Responder) { … 403 … }
//
// It knows no pages and no routes, and answers only the three requests of the sign-in itself (Login, Callback, Logout). An empty Guard
// (nil) lets everybody do everything: then the network is the fence.
package auth

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// Role is what somebody may do. Each may what those before it may, but a Sender may only send alerts.
type Role string

// The roles, least first. The zero value may nothing.
const (
	None      Role = "none"
	Sender    Role = "sender"    // deliver alerts, and nothing else
	Viewer    Role = "viewer"    // read everything, also deliver
	Responder Role = "responder" // change cases
	Admin     Role = "admin"     // reload the configuration
)

// Roles lists what may be written, least first.
func Roles() []Role { return []Role{None, Sender, Viewer, Responder, Admin} }

// May reports whether somebody of this role may do what needs that one.
func (r Role) May(need Role) bool {
	have := slices.Index(Roles(), r)
	return have >= 0 && have >= slices.Index(Roles(), need)
}

// User is who asks.
type User struct {
	Name string // login; "" when nobody is known and everybody may everything
	Role Role
	Via  string // "basic", "token", "proxy", "oidc" or "open"
	// Speaks: it is a program that may say in whose name it acts, such as Grafana.
	Speaks bool
	groups []string
}

// Errors of Identify.
var (
	// ErrNobody: no credentials came.
	ErrNobody = errors.New("sign in first")
	// ErrWrong: credentials came, and are wrong.
	ErrWrong = errors.New("name, password or token is wrong")
)

// Basic is somebody with a password.
type Basic struct {
	Hash []byte // bcrypt
	Role Role
}

// Token is a program.
type Token struct {
	Secret string
	Role   Role
	Speaks bool // see User.Speaks
}

// Proxy says who may vouch for others.
type Proxy struct {
	Header       string         // of the login
	GroupsHeader string         // of the groups, separated by commas; may be empty
	Networks     []netip.Prefix // of the proxies; a header from elsewhere is no credential
}

// Options make a Guard. With no users, no tokens, no proxy and no provider New returns nil: everybody may everything.
type Options struct {
	Users  map[string]Basic
	Tokens map[string]Token
	Proxy  Proxy // zero Header: none
	OIDC   OIDC  // zero Issuer: none
	// ByUser and ByGroup give roles to people who come through the proxy or the provider; the highest counts, Default when none fits.
	ByUser, ByGroup map[string]Role
	Default         Role
	// Deliveries: those who send alerts must have the role Sender at least.
	Deliveries bool
	Key        []byte        // signs sessions: the same on all replicas
	Lifetime   time.Duration // of a session
	Secure     bool          // cookies go over TLS only
	Now        func() time.Time
}

// Guard tells who asks.
type Guard struct {
	o         Options
	passwords passwords
	provider  provider
}

// New makes a Guard; nil when nobody is to be asked.
func New(o Options) (*Guard, error) {
	if len(o.Users) == 0 && len(o.Tokens) == 0 && o.Proxy.Header == "" && o.OIDC.Issuer == "" {
		return nil, nil //nolint:nilnil // documented: an empty guard is nil
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if len(o.Key) < 16 {
		return nil, errors.New("auth: the key that signs sessions is shorter than 16 bytes")
	}
	for name, u := range o.Users {
		if err := checkHash(u.Hash); err != nil {
			return nil, fmt.Errorf("auth: user %q: %w", name, err)
		}
	}
	return &Guard{o: o, passwords: newPasswords()}, nil
}

// Open reports whether everybody may everything.
func (g *Guard) Open() bool { return g == nil }

// Deliveries reports whether senders of alerts are asked who they are.
func (g *Guard) Deliveries() bool { return g != nil && g.o.Deliveries }

// SignIn reports how a browser is asked: by a page of the provider, else by the browser's own question for a password.
func (g *Guard) SignIn() bool { return g != nil && g.o.OIDC.Issuer != "" }

// Passwords reports whether a browser may be asked for one.
func (g *Guard) Passwords() bool { return g != nil && len(g.o.Users) > 0 }

// Identify says who asks. The credentials are tried in one order: the Authorization header, the proxy's header, the session. What is there
// and wrong is ErrWrong, whatever else there is.
func (g *Guard) Identify(r *http.Request) (User, error) {
	if g == nil {
		return User{Role: Admin, Via: "open"}, nil
	}
	if h := r.Header.Get("Authorization"); h != "" {
		return g.header(r, h)
	}
	if u, ok := g.vouched(r); ok {
		return u, nil
	}
	if u, ok := g.session(r); ok {
		return u, nil
	}
	return User{}, ErrNobody
}

func (g *Guard) header(r *http.Request, h string) (User, error) {
	scheme, rest, _ := strings.Cut(h, " ")
	switch {
	case strings.EqualFold(scheme, "Bearer"):
		return g.token(strings.TrimSpace(rest))
	case strings.EqualFold(scheme, "Basic"):
		name, password, ok := r.BasicAuth()
		if !ok {
			return User{}, ErrWrong
		}
		// A program that can only do basic authentication may give its token as the password.
		if t, ok := g.o.Tokens[name]; ok && same(t.Secret, password) {
			return User{Name: name, Role: t.Role, Via: "token", Speaks: t.Speaks}, nil
		}
		u, known := g.o.Users[name]
		ok, err := g.passwords.check(r.Context(), u.Hash, name, password)
		if err != nil {
			return User{}, err
		}
		if !known || !ok {
			return User{}, ErrWrong
		}
		return User{Name: name, Role: u.Role, Via: "basic"}, nil
	}
	return User{}, ErrWrong
}

func (g *Guard) token(secret string) (User, error) {
	found := User{}
	for name, t := range g.o.Tokens { // all of them, so that the time tells nothing
		if same(t.Secret, secret) {
			found = User{Name: name, Role: t.Role, Via: "token", Speaks: t.Speaks}
		}
	}
	if found.Name == "" {
		return found, ErrWrong
	}
	return found, nil
}

// same compares secrets in a time that depends on neither.
func same(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return a != "" && subtle.ConstantTimeCompare(x[:], y[:]) == 1
}

// vouched is who the proxy says, when it is the proxy that asks.
func (g *Guard) vouched(r *http.Request) (User, bool) {
	if g.o.Proxy.Header == "" || !g.fromProxy(r) {
		return User{}, false
	}
	all := r.Header.Values(g.o.Proxy.Header)
	if len(all) != 1 || strings.TrimSpace(all[0]) == "" { // two say that somebody tried to add one
		return User{}, false
	}
	u := User{Name: strings.TrimSpace(all[0]), Via: "proxy"}
	if g.o.Proxy.GroupsHeader != "" {
		for _, line := range r.Header.Values(g.o.Proxy.GroupsHeader) {
			for group := range strings.SplitSeq(line, ",") {
				u.groups = append(u.groups, strings.TrimSpace(group))
			}
		}
	}
	u.Role = g.role(u)
	return u, true
}

func (g *Guard) fromProxy(r *http.Request) bool {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return false
	}
	address, err := netip.ParseAddr(host)
	return err == nil && slices.ContainsFunc(g.o.Proxy.Networks, func(p netip.Prefix) bool { return p.Contains(address.Unmap()) })
}

// role is the highest that the configuration gives to a person or one of their groups.
func (g *Guard) role(u User) Role {
	best := None
	raise := func(r Role) {
		if r.May(best) {
			best = r
		}
	}
	if r, ok := g.o.ByUser[u.Name]; ok {
		raise(r)
	}
	for _, group := range u.groups {
		if r, ok := g.o.ByGroup[group]; ok {
			raise(r)
		}
	}
	if best == None && g.o.Default != "" {
		return g.o.Default
	}
	return best
}

// sign is the signature of a text for one purpose.
func (g *Guard) sign(purpose, text string) []byte {
	mac := hmac.New(sha256.New, g.o.Key)
	_, _ = mac.Write([]byte(purpose + "\x00" + text))
	return mac.Sum(nil)
}

type contextKey struct{}

// With hands the user on with the request.
func With(ctx context.Context, u User) context.Context {
	return context.WithValue(ctx, contextKey{}, u)
}

// From is the user of the request; one who may nothing when it has none.
func From(ctx context.Context) User {
	u, ok := ctx.Value(contextKey{}).(User)
	if !ok {
		return User{Role: None}
	}
	return u
}

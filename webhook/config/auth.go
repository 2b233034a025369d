package config

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/foreshock/foreshock/webhook/auth"
	"github.com/foreshock/foreshock/webhook/notify"
	"github.com/foreshock/foreshock/webhook/policy"
)

// Auth says who may do what. Without users, tokens, proxy and provider everybody may everything.
type Auth struct {
	Users  map[string]AuthUser  `yaml:"users"`
	Tokens map[string]AuthToken `yaml:"tokens"`
	Proxy  AuthProxy            `yaml:"proxy"`
	OIDC   AuthOIDC             `yaml:"oidc"`
	// Roles give a role to people who come through the proxy or the provider, by role.
	Roles       map[string]AuthMembers `yaml:"roles"`
	DefaultRole string                 `yaml:"default_role"` // of those who are in none of them
	Deliveries  string                 `yaml:"deliveries"`   // "open", or "credentials": senders of alerts need the role sender
	Session     policy.Duration        `yaml:"session"`      // how long a session of the provider lasts
}

// AuthUser is a person with a password.
type AuthUser struct {
	PasswordHash notify.Secret `yaml:"password_hash"` // bcrypt
	Role         string        `yaml:"role"`
}

// AuthToken is a program.
type AuthToken struct {
	Token     notify.Secret `yaml:"token"`
	TokenFile string        `yaml:"token_file"`
	Role      string        `yaml:"role"`
	OnBehalf  bool          `yaml:"on_behalf"` // it may say in whose name it acts
}

// AuthProxy is a proxy that has asked people who they are.
type AuthProxy struct {
	Header       string   `yaml:"header"`
	GroupsHeader string   `yaml:"groups_header"`
	Networks     []string `yaml:"networks"` // from which the header is believed
}

// AuthOIDC is an OpenID Connect provider.
type AuthOIDC struct {
	Issuer           string        `yaml:"issuer"`
	ClientID         string        `yaml:"client_id"`
	ClientSecret     notify.Secret `yaml:"client_secret"`
	ClientSecretFile string        `yaml:"client_secret_file"`
	Scopes           []string      `yaml:"scopes"`
	UserClaim        string        `yaml:"user_claim"`
	GroupsClaim      string        `yaml:"groups_claim"`
}

// AuthMembers are people and groups.
type AuthMembers struct {
	Users  []string `yaml:"users"`
	Groups []string `yaml:"groups"`
}

func defaultAuth() Auth {
	return Auth{
		OIDC:        AuthOIDC{Scopes: []string{"profile", "email"}, UserClaim: "email", GroupsClaim: "groups"},
		DefaultRole: string(auth.None), Deliveries: "open", Session: policy.Duration(12 * time.Hour),
	}
}

// roles that a person may have, and a program.
func personRoles() []string { return []string{"viewer", "responder", "admin"} }
func tokenRoles() []string  { return []string{"sender", "viewer", "responder", "admin"} }

func oneOf(path, got string, want []string) error {
	if slices.Contains(want, got) {
		return nil
	}
	return fmt.Errorf("%s: got %q, want one of %s", path, got, strings.Join(want, ", "))
}

// auth checks the section without reading any file.
func (f *File) auth() error {
	a := f.Auth
	var errs []error
	for name, u := range a.Users {
		errs = append(errs, oneOf("auth.users."+name+".role", u.Role, personRoles()))
		if u.PasswordHash == "" {
			errs = append(errs, fmt.Errorf("auth.users.%s.password_hash: is empty: want the bcrypt hash of a password, as htpasswd -nBC 12 %s makes it", name, name))
		}
	}
	for name, t := range a.Tokens {
		errs = append(errs, oneOf("auth.tokens."+name+".role", t.Role, tokenRoles()))
		if (t.Token == "") == (t.TokenFile == "") {
			errs = append(errs, fmt.Errorf("auth.tokens.%s: want one of token and token_file", name))
		}
	}
	for role := range a.Roles {
		errs = append(errs, oneOf("auth.roles", role, personRoles()))
	}
	errs = append(errs, oneOf("auth.default_role", a.DefaultRole, append([]string{"none"}, personRoles()...)),
		oneOf("auth.deliveries", a.Deliveries, []string{"open", "credentials"}))
	if a.Session < policy.Duration(time.Minute) {
		errs = append(errs, fmt.Errorf("auth.session: got %s, want at least 1m", a.Session))
	}
	if a.Deliveries == "credentials" && len(a.Tokens)+len(a.Users) == 0 {
		errs = append(errs, errors.New("auth.deliveries: got \"credentials\", and there are no auth.tokens and no auth.users: nobody could send alerts"))
	}
	errs = append(errs, f.proxy(), f.oidc())
	return errors.Join(errs...)
}

func (f *File) proxy() error {
	p := f.Auth.Proxy
	switch {
	case p.Header == "" && (p.GroupsHeader != "" || len(p.Networks) > 0):
		return errors.New("auth.proxy.header: is empty: want the header in which the proxy names the user, such as X-Forwarded-User")
	case p.Header != "" && len(p.Networks) == 0:
		return errors.New("auth.proxy.networks: is empty: want the addresses of the proxy, such as 10.0.0.5/32: anybody else could send the header")
	}
	_, err := f.networks()
	return err
}

func (f *File) networks() (out []netip.Prefix, err error) {
	for i, text := range f.Auth.Proxy.Networks {
		n, err := netip.ParsePrefix(text)
		if err != nil {
			address, err := netip.ParseAddr(text)
			if err != nil {
				return nil, fmt.Errorf("auth.proxy.networks[%d]: got %q, want an address or a network like 10.0.0.0/8", i, text)
			}
			n = netip.PrefixFrom(address, address.BitLen())
		}
		out = append(out, n)
	}
	return out, nil
}

func (f *File) oidc() error {
	o := f.Auth.OIDC
	switch {
	case o.Issuer == "" && (o.ClientID != "" || o.ClientSecret != "" || o.ClientSecretFile != ""):
		return errors.New("auth.oidc.issuer: is empty: want the address of the provider, such as https://accounts.example.com")
	case o.Issuer == "":
		return nil
	case !goodURL(o.Issuer):
		return fmt.Errorf("auth.oidc.issuer: got %q, want an address like https://accounts.example.com", o.Issuer)
	case o.ClientID == "":
		return errors.New("auth.oidc.client_id: is empty: want the name under which the provider knows this service")
	case o.ClientSecret != "" && o.ClientSecretFile != "":
		return errors.New("auth.oidc: both client_secret and client_secret_file are set: want one")
	case o.UserClaim == "":
		return errors.New("auth.oidc.user_claim: is empty: want the claim that is the login, such as email")
	case f.ExternalURL == "":
		return errors.New("external_url: is empty: auth.oidc needs the address to which the provider sends people back")
	}
	return nil
}

// Guard makes what asks people and programs who they are; nil when nobody is asked. Secret files are read here. The key signs sessions.
func (f *File) Guard(key []byte, now func() time.Time) (*auth.Guard, error) {
	a := f.Auth
	o := auth.Options{
		Users: map[string]auth.Basic{}, Tokens: map[string]auth.Token{}, ByUser: map[string]auth.Role{}, ByGroup: map[string]auth.Role{},
		Default: auth.Role(a.DefaultRole), Deliveries: a.Deliveries == "credentials", Key: key, Lifetime: time.Duration(a.Session),
		Secure: strings.HasPrefix(f.ExternalURL, "https://"), Now: now,
	}
	for name, u := range a.Users {
		o.Users[name] = auth.Basic{Hash: []byte(u.PasswordHash.Reveal()), Role: auth.Role(u.Role)}
	}
	for name, t := range a.Tokens {
		secret, err := oneSecret(t.Token, t.TokenFile, "auth.tokens."+name+".token_file")
		if err != nil {
			return nil, err
		}
		if len(secret) < 16 {
			return nil, fmt.Errorf("auth.tokens.%s: the token is shorter than 16 characters: want a random one, as openssl rand -hex 24 makes it", name)
		}
		o.Tokens[name] = auth.Token{Secret: secret.Reveal(), Role: auth.Role(t.Role), Speaks: t.OnBehalf}
	}
	for _, role := range personRoles() { // the highest last, so that it counts
		for _, name := range a.Roles[role].Users {
			o.ByUser[name] = auth.Role(role)
		}
		for _, group := range a.Roles[role].Groups {
			o.ByGroup[group] = auth.Role(role)
		}
	}
	networks, err := f.networks()
	if err != nil {
		return nil, err
	}
	o.Proxy = auth.Proxy{Header: a.Proxy.Header, GroupsHeader: a.Proxy.GroupsHeader, Networks: networks}
	if a.OIDC.Issuer != "" {
		secret, err := oneSecret(a.OIDC.ClientSecret, a.OIDC.ClientSecretFile, "auth.oidc.client_secret_file")
		if err != nil {
			return nil, err
		}
		o.OIDC = auth.OIDC{
			Issuer: a.OIDC.Issuer, ClientID: a.OIDC.ClientID, ClientSecret: secret.Reveal(), Scopes: a.OIDC.Scopes, UserClaim: a.OIDC.UserClaim,
			GroupsClaim: a.OIDC.GroupsClaim, Redirect: strings.TrimSuffix(f.ExternalURL, "/") + "/login/callback",
		}
	}
	return auth.New(o)
}

func oneSecret(plain notify.Secret, file, path string) (notify.Secret, error) {
	if file == "" {
		return plain, nil
	}
	s, err := notify.ReadSecret(file)
	if err != nil {
		return "", fmt.Errorf("%s: %w", path, err)
	}
	return s, nil
}

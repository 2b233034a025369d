package auth

import (
	"crypto/hmac"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"time"
)

// Names of cookies.
const (
	sessionCookie = "foreshock_session"
	loginCookie   = "foreshock_login"
)

// session is what the cookie holds: who, not what they may.
type session struct {
	Name   string   `json:"n"`
	Groups []string `json:"g,omitempty"`
	Until  int64    `json:"u"` // unix seconds
}

// seal makes a signed text of a value.
func (g *Guard) seal(purpose string, v any) (string, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return "", err
	}
	body := base64.RawURLEncoding.EncodeToString(text)
	return body + "." + base64.RawURLEncoding.EncodeToString(g.sign(purpose, body)), nil
}

// unseal is the inverse; false for what was not sealed for this purpose with this key.
func (g *Guard) unseal(purpose, sealed string, v any) bool {
	body, signature, ok := strings.Cut(sealed, ".")
	if !ok {
		return false
	}
	got, err := base64.RawURLEncoding.DecodeString(signature)
	if err != nil || !hmac.Equal(got, g.sign(purpose, body)) {
		return false
	}
	text, err := base64.RawURLEncoding.DecodeString(body)
	return err == nil && json.Unmarshal(text, v) == nil
}

// session is who the cookie says.
func (g *Guard) session(r *http.Request) (User, bool) {
	c, err := r.Cookie(sessionCookie)
	if err != nil {
		return User{}, false
	}
	var s session
	if !g.unseal("session", c.Value, &s) || !g.o.Now().Before(time.Unix(s.Until, 0)) || s.Name == "" {
		return User{}, false
	}
	u := User{Name: s.Name, Via: "oidc", groups: s.Groups}
	u.Role = g.role(u)
	return u, true
}

// setCookie writes a cookie of ours: not for scripts, and not with requests that other sites cause, but for following a link to us.
func (g *Guard) setCookie(w http.ResponseWriter, name, value string, lifetime time.Duration) {
	c := &http.Cookie{
		Name: name, Value: value, Path: "/", HttpOnly: true, Secure: g.o.Secure, SameSite: http.SameSiteLaxMode, MaxAge: int(lifetime.Seconds()),
	}
	if value == "" {
		c.MaxAge = -1
	}
	http.SetCookie(w, c)
}

// Logout ends the session of this browser. The provider's own session stays.
func (g *Guard) Logout(w http.ResponseWriter) {
	if g != nil {
		g.setCookie(w, sessionCookie, "", 0)
	}
}

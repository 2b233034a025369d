package auth

import (
	"crypto/hmac"
	"encoding/base64"
	"net/http"
)

// formCookie binds forms to one browser.
const formCookie = "foreshock_form"

// Forms makes and checks the tokens of our own forms: a page of another site can neither read the cookie nor make a token that fits it, so
// that it cannot send our forms in somebody's name. It works with every kind of sign-in, and with none.
type Forms struct {
	Key    []byte
	Secure bool
}

// Token is the value of a form's hidden field; the cookie that it fits is set when the browser has none.
func (f Forms) Token(w http.ResponseWriter, r *http.Request) string {
	var value string
	if c, err := r.Cookie(formCookie); err == nil && len(c.Value) >= 16 && len(c.Value) <= 64 {
		value = c.Value
	} else {
		value = random()
		// Not strict: following a link in a message would count as having none, and make the forms of other tabs worthless.
		http.SetCookie(w, &http.Cookie{Name: formCookie, Value: value, Path: "/", HttpOnly: true, Secure: f.Secure, SameSite: http.SameSiteLaxMode})
	}
	return base64.RawURLEncoding.EncodeToString(f.sum(From(r.Context()), value))
}

// Valid reports whether the token is one that was made for this browser and this user.
func (f Forms) Valid(r *http.Request, token string) bool {
	c, err := r.Cookie(formCookie)
	if err != nil {
		return false
	}
	got, err := base64.RawURLEncoding.DecodeString(token)
	return err == nil && hmac.Equal(got, f.sum(From(r.Context()), c.Value))
}

func (f Forms) sum(u User, cookie string) []byte {
	g := &Guard{o: Options{Key: f.Key}}
	return g.sign("form", u.Via+"\x00"+u.Name+"\x00"+cookie)
}

package api

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/foreshock/foreshock/pkg/message"
	"github.com/foreshock/foreshock/webhook/auth"
)

// The addresses that senders of alerts use.
func deliveryPaths() []string { return []string{"/api/v1/alerts", "/alertmanager", "/grafana"} }

// openPaths are for everybody: what a browser needs before somebody signed in, and the sign-in itself.
func openPaths() []string {
	return []string{"/style.css", "/script.js", "/login", "/login/callback", "/logout"}
}

// need is the role that a request needs; the rule is by method, so that an address that is added later is guarded.
func (h *Handler) need(r *http.Request, g *auth.Guard) auth.Role {
	switch {
	case slices.Contains(openPaths(), r.URL.Path), slices.ContainsFunc(h.o.Open, func(prefix string) bool { return strings.HasPrefix(r.URL.Path, prefix) }):
		return auth.None
	case slices.Contains(deliveryPaths(), r.URL.Path):
		if g.Deliveries() {
			return auth.Sender
		}
		return auth.None
	case r.Method == http.MethodGet, r.Method == http.MethodHead:
		return auth.Viewer
	}
	return auth.Responder
}

// guarded asks who it is and whether they may, and hands the user on with the request.
func (h *Handler) guarded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		g := h.o.Settings().Auth
		need := h.need(r, g)
		u, err := g.Identify(r)
		if err == nil && u.Role.May(need) {
			next.ServeHTTP(w, r.WithContext(auth.With(r.Context(), u)))
			return
		}
		if need == auth.None { // whoever it is
			next.ServeHTTP(w, r)
			return
		}
		switch {
		case err == nil:
			h.forbid(w, r.WithContext(auth.With(r.Context(), u)), u, need)
		case errors.Is(err, auth.ErrNobody), errors.Is(err, auth.ErrWrong):
			h.metrics.unauthorised.Inc()
			h.ask(w, r, g, err)
		default: // the client went away while its password was being checked
			refuse(w, http.StatusServiceUnavailable, "try again")
		}
	})
}

// person reports whether a person looks at the answer.
func person(r *http.Request) bool {
	return (r.Method == http.MethodGet || r.Method == http.MethodPost) && !strings.HasPrefix(r.URL.Path, "/api/") && strings.Contains(r.Header.Get("Accept"), "text/html")
}

// ask answers 401, or leads a person to the provider.
func (h *Handler) ask(w http.ResponseWriter, r *http.Request, g *auth.Guard, err error) {
	if g.SignIn() && person(r) && errors.Is(err, auth.ErrNobody) {
		next := "/"
		if r.Method == http.MethodGet {
			next = r.URL.RequestURI()
		}
		seeOther(w, rootOf(r)+"login?next="+url.QueryEscape(next))
		return
	}
	if g.Passwords() {
		w.Header().Set("WWW-Authenticate", `Basic realm="Foreshock", charset="UTF-8"`)
	} else {
		w.Header().Set("WWW-Authenticate", `Bearer realm="Foreshock"`)
	}
	if person(r) {
		h.draw(w, r, "error", page{Body: errorView{http.StatusUnauthorized, message.Text(h.lang(w, r), "webhook.page.error.401")}})
		return
	}
	refuse(w, http.StatusUnauthorized, err.Error())
}

func (h *Handler) forbid(w http.ResponseWriter, r *http.Request, u auth.User, need auth.Role) {
	h.o.Log.Warn("somebody asked for more than they may", "user", u.Name, "role", string(u.Role), "needs", string(need), "method", r.Method, "route", r.Pattern)
	if person(r) {
		text := message.Text(h.lang(w, r), "webhook.page.error.403", "user", message.Plain(u.Name), "role", string(u.Role), "need", string(need))
		h.draw(w, r, "error", page{Body: errorView{http.StatusForbidden, text}})
		return
	}
	refuse(w, http.StatusForbidden, "the role "+string(u.Role)+" may not do this: it needs "+string(need))
}

// MayReload says whether the request may reload the configuration; the error is for whoever asked.
func (h *Handler) MayReload(r *http.Request) error {
	u, err := h.o.Settings().Auth.Identify(r)
	if err != nil {
		return err
	}
	if !u.Role.May(auth.Admin) {
		return errors.New("the role " + string(u.Role) + " may not reload: it needs " + string(auth.Admin))
	}
	return nil
}

func (h *Handler) login(w http.ResponseWriter, r *http.Request) {
	g := h.o.Settings().Auth
	if !g.SignIn() {
		seeOther(w, rootOf(r))
		return
	}
	if err := g.Login(w, r, r.URL.Query().Get("next")); err != nil {
		h.signInTrouble(w, r, err)
	}
}

func (h *Handler) callback(w http.ResponseWriter, r *http.Request) {
	u, next, err := h.o.Settings().Auth.Callback(w, r)
	if err != nil {
		h.signInTrouble(w, r, err)
		return
	}
	h.o.Log.Info("somebody signed in", "user", u.Name, "role", string(u.Role), "from", origin(r))
	seeOther(w, strings.TrimSuffix(h.o.Settings().ExternalURL, "/")+next)
}

func (h *Handler) signInTrouble(w http.ResponseWriter, r *http.Request, err error) {
	h.o.Log.Warn("a sign-in failed", "from", origin(r), "err", err)
	code, key := http.StatusServiceUnavailable, "webhook.page.error.provider"
	if errors.Is(err, auth.ErrRefused) {
		code, key = http.StatusForbidden, "webhook.page.error.refused"
	}
	h.draw(w, r, "error", page{Body: errorView{code, message.Text(h.lang(w, r), key)}})
}

func (h *Handler) logout(w http.ResponseWriter, r *http.Request) {
	h.o.Settings().Auth.Logout(w)
	seeOther(w, rootOf(r))
}

// seeOther leads a browser on; the address may be relative, which http.Redirect would make absolute, against proxies that cut a prefix.
func seeOther(w http.ResponseWriter, address string) {
	w.Header().Set("Location", address)
	w.WriteHeader(http.StatusSeeOther)
}

// rootOf is the relative way from the request's address to the root, so that everything works under any prefix.
func rootOf(r *http.Request) string {
	return "./" + strings.Repeat("../", strings.Count(strings.TrimPrefix(r.URL.Path, "/"), "/"))
}

// actor is who acts: whoever authenticated, or whom a program that may speak for others names.
func (h *Handler) actor(r *http.Request, by string) string {
	u := auth.From(r.Context())
	if u.Name != "" && !u.Speaks {
		return line(u.Name, maxName)
	}
	if u.Name == "" {
		if user, _, ok := r.BasicAuth(); ok && user != "" {
			return line(user, maxName) // the listener has checked the password
		}
	}
	if by = line(by, maxName); by != "" {
		return by
	}
	if u.Name != "" {
		return line(u.Name, maxName)
	}
	return "anonymous"
}

// forms makes the tokens of our own forms. The key is read once from the store; until it can be read, pages that have forms are answered 503.
func (h *Handler) forms(r *http.Request) (auth.Forms, error) {
	h.key.Lock()
	defer h.key.Unlock()
	if h.key.value == nil {
		key, err := h.o.Store.Key(r.Context(), "forms")
		if err != nil {
			return auth.Forms{}, err
		}
		h.key.value = key
	}
	return auth.Forms{Key: h.key.value, Secure: strings.HasPrefix(h.o.Settings().ExternalURL, "https://")}, nil
}

// own lets a form through that one of our pages sent.
func (h *Handler) own(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		forms, err := h.forms(r)
		if err == nil {
			if err = r.ParseForm(); err != nil {
				err = &badRequest{http.StatusBadRequest, "the form cannot be read"}
			} else if !forms.Valid(r, r.PostForm.Get("token")) {
				err = &badRequest{http.StatusForbidden, message.Text(h.lang(w, r), "webhook.page.error.form")}
			}
		}
		if err != nil {
			h.pageTrouble(w, r, err)
			return
		}
		next(w, r)
	}
}

package api

import (
	"bytes"
	"embed"
	"errors"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/foreshock/foreshock/pkg/message"
	"github.com/foreshock/foreshock/webhook/auth"
	"github.com/foreshock/foreshock/webhook/cases"
)

//go:embed pages/*.html pages/style.css pages/script.js
var pageFiles embed.FS

// pages holds the parsed templates; text in them goes through html/template's escaping and the catalogue.
var pages = template.Must(template.New("").Funcs(template.FuncMap{"plain": message.Plain, "lines": message.PlainLines, "weblink": weblink, "row": row}).ParseFS(pageFiles, "pages/*.html"))

// weblink is the address when a person may follow it, "" else: an alert may name anything.
func weblink(address string) string {
	u, err := url.Parse(address)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.User != nil {
		return ""
	}
	return u.String()
}

// langCookie remembers the language that a person chose.
const langCookie = "foreshock_lang"

// page is what every page has.
type page struct {
	Lang  string
	Root  string // relative way to the root, so that the pages work under any prefix
	Here  string // "overview", "cases", "case", "deliveries", …
	Title string
	Now   time.Time
	Query url.Values
	User  auth.User
	Asked bool // people sign in here
	// Form is the token that our own forms send along.
	Form    string
	Refresh int // seconds after which the page is read again, 0 for never
	Body    any
}

// May reports whether whoever looks may change cases.
func (p page) May() bool { return p.User.Role.May(auth.Responder) }

// Out reports whether there is a session to end.
func (p page) Out() bool { return p.User.Via == "oidc" }

// T is the catalogue's text in the language of the page.
func (p page) T(key string, args ...any) string { return message.Text(p.Lang, key, args...) }

// Age is a length of time in the page's language, in its largest unit.
func (p page) Age(since time.Time) string {
	if since.IsZero() {
		return ""
	}
	d := max(p.Now.Sub(since), 0)
	for _, u := range []struct {
		name string
		d    time.Duration
	}{{"days", 24 * time.Hour}, {"hours", time.Hour}, {"minutes", time.Minute}} {
		if n := d / u.d; n >= 2 || (n == 1 && u.name != "days") {
			return p.T("webhook.page.age."+u.name, "n", int64(n))
		}
	}
	return p.T("webhook.page.age.seconds", "n", int64(d/time.Second))
}

// Took is the time between two times, "" when the second is not known.
func (p page) Took(from, until time.Time) string {
	if until.IsZero() {
		return ""
	}
	return p.Age(p.Now.Add(-until.Sub(from)))
}

// Lasted is a length of time in seconds in the page's language; a dash when there was none to measure.
func (p page) Lasted(t cases.Times, seconds float64) string {
	if t.N == 0 {
		return "–"
	}
	switch d := time.Duration(seconds * float64(time.Second)); {
	case d < 10*time.Second:
		return p.T("webhook.page.age.seconds", "n", strconv.FormatFloat(d.Seconds(), 'f', 2, 64))
	default:
		return p.Age(p.Now.Add(-d))
	}
}

// Between is the time of an attempt; a dash when it never ended.
func (p page) Between(began, ended time.Time) string {
	if ended.IsZero() {
		return "–"
	}
	return p.Lasted(cases.Times{N: 1}, max(0, ended.Sub(began).Seconds()))
}

// Result is the result of an attempt in words; one that has none is shown as it is.
func (p page) Result(result string) string {
	if key := "webhook.page.result." + result; message.Has(key) {
		return p.T(key)
	}
	return message.Plain(result)
}

// How is the reason of a merge in words; one that has none is shown as it is.
func (p page) How(how string) string {
	if key := "webhook.page.how." + how; message.Has(key) {
		return p.T(key)
	}
	return message.Plain(how)
}

// Percent is a share for people; a dash when there is none.
func (p page) Percent(share *float64) string {
	if share == nil {
		return "–"
	}
	return strconv.FormatFloat(100**share, 'f', 1, 64) + " %"
}

// Clock is a time for people; the zone is said, since servers and readers seldom share one.
func (p page) Clock(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02 15:04:05") + " UTC"
}

// ISO is a time for machines.
func (p page) ISO(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// With is the query of the address with one value changed, for links that keep the rest.
func (p page) With(name, value string) string {
	q := url.Values{}
	for k, v := range p.Query {
		q[k] = v
	}
	q.Del("before")
	q.Del("done")
	q.Del("left")
	q.Set(name, value)
	return "?" + q.Encode()
}

// draw renders a page into memory first, so that a mistake is an error and not half a page.
func (h *Handler) draw(w http.ResponseWriter, r *http.Request, name string, p page) {
	p.Lang, p.Now, p.Query = h.lang(w, r), h.o.Now(), r.URL.Query()
	p.Query.Del("lang")
	if p.Here == "" {
		p.Here = name
	}
	p.Root, p.User, p.Asked = rootOf(r), auth.From(r.Context()), !h.o.Settings().Auth.Open()
	if _, wrong := p.Body.(errorView); !wrong {
		forms, err := h.forms(r)
		if err != nil {
			h.pageTrouble(w, r, err)
			return
		}
		p.Form = forms.Token(w, r)
	}
	var b bytes.Buffer
	if err := pages.ExecuteTemplate(&b, name+".html", p); err != nil {
		h.o.Log.Error("a page could not be drawn", "page", name, "err", err)
		http.Error(w, "this page could not be drawn; see the log", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Language", p.Lang)
	if e, ok := p.Body.(errorView); ok {
		w.WriteHeader(e.Code)
	}
	_, _ = b.WriteTo(w)
}

// lang is the language of the page: what the address asks for (and then remembered), what was asked for before, what the browser
// prefers, what the configuration says. Without w nothing is remembered.
func (h *Handler) lang(w http.ResponseWriter, r *http.Request) string {
	if asked := r.URL.Query().Get("lang"); asked != "" {
		lang := message.Match(asked)
		if w == nil {
			return lang
		}
		http.SetCookie(w, &http.Cookie{Name: langCookie, Value: lang, Path: "/", MaxAge: 365 * 24 * 3600, HttpOnly: true, SameSite: http.SameSiteLaxMode})
		return lang
	}
	if c, err := r.Cookie(langCookie); err == nil && slices.Contains(message.Languages(), c.Value) {
		return c.Value
	}
	if accept := r.Header.Get("Accept-Language"); accept != "" {
		return message.Match(accept)
	}
	return h.o.Settings().Language
}

// errorView is a page that says what is wrong.
type errorView struct {
	Code int
	Text string
}

func (h *Handler) pageTrouble(w http.ResponseWriter, r *http.Request, err error) {
	code, sentence := h.classify(r.Context(), r.Pattern, err)
	var bad *badRequest
	key := map[int]string{404: "webhook.page.error.404", 409: "webhook.page.error.409", 503: "webhook.page.error.503"}[code]
	if key != "" && !errors.As(err, &bad) {
		sentence = message.Text(h.lang(w, r), key)
	}
	h.draw(w, r, "error", page{Body: errorView{code, sentence}})
}

// static serves one file of ours.
func static(name, kind string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		text, err := pageFiles.ReadFile("pages/" + name)
		if err != nil {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", kind)
		w.Header().Set("Cache-Control", "max-age=300")
		_, _ = w.Write(text)
	}
}

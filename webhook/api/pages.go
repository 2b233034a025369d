package api

import (
	"bytes"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/foreshock/foreshock/pkg/message"
	"github.com/foreshock/foreshock/webhook/cases"
	"github.com/foreshock/foreshock/webhook/policy"
)

//go:embed pages/*.html pages/style.css
var pageFiles embed.FS

// pages holds the parsed templates; text in them goes through html/template's escaping and the catalogue.
var pages = template.Must(template.New("").Funcs(template.FuncMap{"plain": message.Plain, "lines": message.PlainLines, "weblink": weblink}).ParseFS(pageFiles, "pages/*.html"))

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

// pageLimit is how many cases one page shows: each is read with its messages.
const pageLimit = 30

// page is what every page has.
type page struct {
	Lang  string
	Root  string // relative way to the root, so that the pages work under any prefix
	Here  string // "cases", "case", "deliveries"
	Title string
	Now   time.Time
	Query url.Values
	Body  any
}

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
	q.Del("page")
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
	p.Root = "./" + strings.Repeat("../", strings.Count(strings.TrimPrefix(r.URL.Path, "/"), "/"))
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
// prefers, what the configuration says.
func (h *Handler) lang(w http.ResponseWriter, r *http.Request) string {
	if asked := r.URL.Query().Get("lang"); asked != "" {
		lang := message.Match(asked)
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
	code, sentence := h.classify(r, err)
	var bad *badRequest
	key := map[int]string{404: "webhook.page.error.404", 409: "webhook.page.error.409", 503: "webhook.page.error.503"}[code]
	if key != "" && !errors.As(err, &bad) {
		sentence = message.Text(h.lang(w, r), key)
	}
	h.draw(w, r, "error", page{Body: errorView{code, sentence}})
}

// caseView is one case in the list.
type caseView struct {
	cases.Case
	Sent []sentView
}

// sentView is the last message of a case on one channel.
type sentView struct {
	Channel string
	Class   string // "ok", "wait" or "bad", for the colour
	Key     string // of the text that says what became of it
	At      time.Time
}

// sentOn sums up the messages of a case by channel, in the order of the channels' first messages.
func sentOn(actions []cases.Action) []sentView {
	var out []sentView
	at := map[string]int{}
	for _, a := range actions {
		if a.Kind != cases.Notify {
			continue
		}
		i, ok := at[a.Channel]
		if !ok {
			i = len(out)
			at[a.Channel] = i
			out = append(out, sentView{})
		}
		out[i] = sentView{Channel: a.Channel, Class: class(a), Key: "webhook.page.action." + string(a.State), At: a.UpdatedAt}
		if a.State == cases.Done {
			out[i].Key = "webhook.page.outcome." + string(a.Outcome)
		}
	}
	return out
}

func class(a cases.Action) string {
	switch {
	case a.State == cases.Done && (a.Outcome == cases.OutcomeSent || a.Outcome == ""):
		return "ok"
	case a.State == cases.Dead, a.State == cases.Retry, a.State == cases.Unknown:
		return "bad"
	}
	return "wait"
}

type casesView struct {
	State  string
	Text   string
	Cases  []caseView
	Next   string // value of the query parameter NextBy for the next page
	NextBy string
	Counts cases.Counts
	Dead   int // messages that were given up
	Grades []policy.Grade
	States []string
}

func (h *Handler) pageCases(w http.ResponseWriter, r *http.Request) {
	q, err := readQuery(r)
	if err != nil {
		h.pageTrouble(w, r, err)
		return
	}
	view := casesView{State: r.URL.Query().Get("state"), Text: q.Text, Grades: policy.Grades(), States: []string{"open", "resolved", "closed", "all"}}
	if view.State == "" {
		view.State = "open"
	}
	if err = h.selectCases(r, q, &view); err == nil {
		view.Counts, err = h.o.Store.Counts(r.Context())
	}
	if err != nil {
		h.pageTrouble(w, r, err)
		return
	}
	view.Dead = view.Counts.Actions[cases.Dead]
	h.draw(w, r, "cases", page{Body: view})
}

// selectCases fills in one page of cases: the open ones by urgency, since that is what one looks for; all others newest first.
func (h *Handler) selectCases(r *http.Request, q cases.Query, view *casesView) error {
	byUrgency := view.State == "open"
	if q.Limit = pageLimit; byUrgency {
		q.Limit = maxLimit
	}
	all, err := h.o.Store.Cases(r.Context(), q)
	if err != nil {
		return err
	}
	if byUrgency {
		slices.SortStableFunc(all, func(a, b cases.Case) int { return int(a.Grade) - int(b.Grade) })
		n, _ := strconv.Atoi(r.URL.Query().Get("page")) // what is no number is the first page
		from := min(max(n, 0)*pageLimit, len(all))
		if from+pageLimit < len(all) {
			view.NextBy, view.Next = "page", strconv.Itoa(max(n, 0)+1)
		}
		all = all[from:min(from+pageLimit, len(all))]
	} else if len(all) == q.Limit {
		view.NextBy, view.Next = "before", all[len(all)-1].ID
	}
	for _, c := range all {
		s, err := h.o.Store.Story(r.Context(), c.ID)
		if errors.Is(err, cases.ErrNotFound) {
			continue // deleted just now
		} else if err != nil {
			return err
		}
		view.Cases = append(view.Cases, caseView{s.Case, sentOn(s.Actions)})
	}
	return nil
}

// storyView is a case's page.
type storyView struct {
	cases.Story
	Sent     []sentView
	Messages []messageView
	Commands []cases.Trigger
	Names    map[string]string // of alerts, by identity
}

// onePress are the possible commands that need nothing but a button.
func onePress(s cases.State) []cases.Trigger {
	return slices.DeleteFunc(possible(s), func(on cases.Trigger) bool { return on == cases.Assign })
}

// messageView is one message with its tries.
type messageView struct {
	cases.Action
	What       cases.What
	Class, Key string
	Tries      []cases.Attempt
}

func (h *Handler) pageCase(w http.ResponseWriter, r *http.Request) {
	s, err := h.o.Store.Story(r.Context(), r.PathValue("id"))
	if err != nil {
		h.pageTrouble(w, r, err)
		return
	}
	view := storyView{Story: s, Sent: sentOn(s.Actions), Commands: onePress(s.Case.State), Names: map[string]string{}}
	for _, a := range s.Alerts {
		view.Names[a.Identity.String()] = a.Last.Name()
	}
	for _, a := range s.Actions {
		if a.Kind != cases.Notify {
			continue
		}
		sent := sentOn([]cases.Action{a})[0]
		var n struct {
			What cases.What `json:"what"`
		}
		_ = json.Unmarshal(a.Payload, &n) // one that cannot be read is shown without
		m := messageView{Action: a, What: n.What, Class: sent.Class, Key: sent.Key}
		for _, t := range s.Attempts {
			if t.ActionID == a.ID {
				m.Tries = append(m.Tries, t)
			}
		}
		view.Messages = append(view.Messages, m)
	}
	slices.Reverse(view.Events) // the newest first: that is what one looks for
	slices.Reverse(view.Messages)
	h.draw(w, r, "case", page{Body: view, Title: fmt.Sprintf("[%s] %s", s.Case.Grade, s.Case.Title)})
}

// pageCommand carries a command out and leads back to the case.
func (h *Handler) pageCommand(w http.ResponseWriter, r *http.Request) {
	o, err := h.readOrder(w, r)
	if err == nil {
		_, err = h.carryOut(r.Context(), o)
	}
	if err != nil {
		h.pageTrouble(w, r, err)
		return
	}
	w.Header().Set("Location", "../"+url.PathEscape(o.CaseID))
	w.WriteHeader(http.StatusSeeOther)
}

type deliveriesView struct {
	Deliveries []cases.DeliveryInfo
	Next       string
}

func (h *Handler) pageDeliveries(w http.ResponseWriter, r *http.Request) {
	all, err := h.o.Store.Deliveries(r.Context(), r.URL.Query().Get("before"), defaultLimit)
	if err != nil {
		h.pageTrouble(w, r, err)
		return
	}
	view := deliveriesView{Deliveries: all}
	if len(all) == defaultLimit {
		view.Next = all[len(all)-1].ID
	}
	h.draw(w, r, "deliveries", page{Body: view})
}

// style serves the one style sheet.
func (h *Handler) style(w http.ResponseWriter, r *http.Request) {
	text, err := pageFiles.ReadFile("pages/style.css")
	if err != nil {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "text/css; charset=utf-8")
	w.Header().Set("Cache-Control", "max-age=300")
	_, _ = w.Write(text)
}

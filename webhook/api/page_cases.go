package api

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/foreshock/foreshock/webhook/cases"
	"github.com/foreshock/foreshock/webhook/policy"
)

// pageLimit is how many cases one page shows.
const pageLimit = 50

// caseView is one case in a list.
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

// rowView is a case in a list on a page; Pick is the form that selects it, "" for none.
type rowView struct {
	Page page
	Case caseView
	Pick string
}

func row(p page, c caseView, pick string) rowView { return rowView{p, c, pick} }

type casesView struct {
	State  string
	Text   string
	Grade  string // what is selected, "" for all
	Cases  []caseView
	Next   string // value of the query parameter before for the next page
	Counts cases.Counts
	Dead   int // messages that were given up
	Grades []policy.Grade
	States []string
	Bulk   []cases.Trigger // what can be done to the selected ones
	Done   string          // how many a bulk command changed, and what it could not
	Left   string
}

func (h *Handler) pageCases(w http.ResponseWriter, r *http.Request) {
	q, err := readQuery(r)
	if err != nil {
		h.pageTrouble(w, r, err)
		return
	}
	v := r.URL.Query()
	view := casesView{
		State: v.Get("state"), Text: q.Text, Grade: strings.ToUpper(v.Get("grade")), Grades: policy.Grades(), States: []string{"open", "resolved", "closed", "all"},
		Bulk: []cases.Trigger{cases.Acknowledge, cases.Resolve}, Done: count(v.Get("done")), Left: count(v.Get("left")),
	}
	// The open ones by urgency, since that is what one looks for; all others newest first.
	if view.State == "" || view.State == "open" {
		view.State, q.Order = "open", cases.ByUrgency
	}
	q.Limit = pageLimit
	if view.Cases, view.Next, err = h.selectCases(r.Context(), q); err == nil {
		view.Counts, err = h.totals(r.Context())
	}
	if err != nil {
		h.pageTrouble(w, r, err)
		return
	}
	view.Dead = view.Counts.Actions[cases.Dead]
	h.draw(w, r, "cases", page{Body: view, Refresh: 30})
}

// count is a number of an address when it is one, "" else: it is shown.
func count(s string) string {
	if s == "" || len(s) > 4 || strings.Trim(s, "0123456789") != "" {
		return ""
	}
	return s
}

// selectCases reads one page of cases with what was sent about them: two questions, however many cases.
func (h *Handler) selectCases(ctx context.Context, q cases.Query) (out []caseView, next string, err error) {
	all, err := h.o.Store.Cases(ctx, q)
	if err != nil {
		return nil, "", err
	}
	ids := make([]string, len(all))
	for i, c := range all {
		ids[i] = c.ID
	}
	messages, err := h.o.Store.Messages(ctx, ids)
	if err != nil {
		return nil, "", err
	}
	for _, c := range all {
		out = append(out, caseView{c, sentOn(messages[c.ID])})
	}
	if len(all) == q.Limit {
		next = q.Order.Place(all[len(all)-1])
	}
	return out, next, nil
}

// totals are the counts of the store, a moment old at most.
func (h *Handler) totals(ctx context.Context) (cases.Counts, error) {
	return h.counts.get(ctx, struct{}{}, h.o.Store.Counts)
}

// pageBulk carries one command out on the selected cases and leads back to the list.
func (h *Handler) pageBulk(w http.ResponseWriter, r *http.Request) {
	b, err := h.readBulk(w, r)
	if err != nil {
		h.pageTrouble(w, r, err)
		return
	}
	done := h.carryOutAll(r.Context(), b)
	q := url.Values{"done": {short(float64(len(done.Done)))}}
	if len(done.Failed) > 0 {
		q.Set("left", short(float64(len(done.Failed))))
	}
	for _, name := range []string{"state", "grade", "q"} {
		if v := r.PostForm.Get(name); v != "" {
			q.Set(name, v)
		}
	}
	seeOther(w, "../../cases?"+q.Encode())
}

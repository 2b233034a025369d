package api

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/foreshock/foreshock/webhook/cases"
)

// similarLimit is how many earlier cases a case's page lists.
const similarLimit = 5

// storyView is a case's page.
type storyView struct {
	cases.Story
	Sent     []sentView
	Messages []messageView
	Commands []cases.Trigger
	Names    map[string]string // of alerts, by identity
	Explore  map[string]string // address of Grafana's Explore for an alert, by identity
	People   []personView      // to whom it can be assigned
	Splits   bool              // alerts can be taken out
	Matchers string            // a mute of what this case is about would have them, one a line
	Similar  []cases.Case      // earlier ones of the same alert or title
}

// matchersOf are the labels by which people most often mute: what it is, and of which service or machine.
func matchersOf(c cases.Case) string {
	var lines []string
	for _, name := range []string{"alertname", "service", "instance"} {
		if v := c.Labels[name]; v != "" {
			lines = append(lines, name+"="+strconv.Quote(v))
		}
	}
	return strings.Join(lines, "\n")
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
	view := storyView{Story: s, Sent: sentOn(s.Actions), Commands: onePress(s.Case.State), Names: map[string]string{}, Explore: map[string]string{}}
	rules := h.o.Settings().Rules
	view.Splits, view.Matchers = h.o.Noise != nil, matchersOf(s.Case)
	for _, key := range slices.Sorted(maps.Keys(rules.People)) {
		view.People = append(view.People, personView{key, rules.Called(key)})
	}
	for _, a := range s.Alerts {
		view.Names[a.Identity.String()] = a.Last.Name()
		if link := h.o.Settings().Explore.Link(a.Last, h.o.Now()); link != "" {
			view.Explore[a.Identity.String()] = link
		}
	}
	if view.Similar, err = h.o.Store.Similar(r.Context(), s.Case, similarLimit); err != nil {
		h.pageTrouble(w, r, err)
		return
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
	h.draw(w, r, "case", page{Body: view, Refresh: 60, Title: fmt.Sprintf("[%s] %s", s.Case.Grade, s.Case.Title)})
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
	seeOther(w, "../"+url.PathEscape(o.CaseID))
}

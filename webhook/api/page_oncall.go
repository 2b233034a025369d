package api

import (
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/foreshock/foreshock/webhook/cases"
	"github.com/foreshock/foreshock/webhook/policy"
)

// Bounds of the on-call page.
const (
	shownDays  = 14
	shownAudit = 50
)

type onCallView struct {
	Schedules []scheduleView
	Overrides []overrideView
	People    []personView
	Audit     []cases.Event
}

// scheduleView is one schedule: who is on call, and who comes.
type scheduleView struct {
	onDuty
	Zone   string
	Shifts []shiftLine
}

type shiftLine struct {
	policy.Shift
	Name string // of the person
	Now  bool
}

type overrideView struct {
	cases.Override
	Name string
}

type personView struct{ Key, Name string }

func (h *Handler) pageOnCall(w http.ResponseWriter, r *http.Request) {
	view, err := h.onCall(r)
	if err != nil {
		h.pageTrouble(w, r, err)
		return
	}
	h.draw(w, r, "oncall", page{Body: view, Refresh: 60})
}

func (h *Handler) onCall(r *http.Request) (v onCallView, err error) {
	ctx, now, rules := r.Context(), h.o.Now().UTC(), h.o.Settings().Rules
	for _, name := range h.schedules() {
		d, err := h.duty(ctx, name, now)
		if err != nil {
			return v, err
		}
		roster, _, err := h.o.OnCall.Roster(ctx, name)
		if err != nil {
			return v, err
		}
		one := scheduleView{onDuty: d, Zone: or(roster.Zone, "UTC")}
		for _, s := range roster.Shifts(now, now.Add(shownDays*24*time.Hour)) {
			line := shiftLine{s, "", !s.From.After(now) && s.Until.After(now)}
			if s.Person != "" {
				line.Name = rules.Called(s.Person)
			}
			one.Shifts = append(one.Shifts, line)
		}
		v.Schedules = append(v.Schedules, one)
	}
	overrides, err := h.o.OnCall.Overrides(ctx, now)
	if err != nil {
		return v, err
	}
	for _, o := range overrides {
		v.Overrides = append(v.Overrides, overrideView{o, rules.Called(o.Person)})
	}
	for _, key := range slices.Sorted(maps.Keys(rules.People)) {
		v.People = append(v.People, personView{key, rules.Called(key)})
	}
	v.Audit, err = h.o.OnCall.Audit(ctx, cases.AuditQuery{Limit: shownAudit})
	return v, err
}

// formTime is how a browser's field for date and time writes them; they are meant as UTC, and the form says so.
const formTime = "2006-01-02T15:04"

func (h *Handler) pageOverride(w http.ResponseWriter, r *http.Request) {
	in := overrideBody{Person: r.PostForm.Get("person"), By: r.PostForm.Get("by"), Note: r.PostForm.Get("note")}
	for name, to := range map[string]*time.Time{"from": &in.From, "until": &in.Until} {
		if text := r.PostForm.Get(name); text != "" {
			t, err := time.Parse(formTime, text)
			if err != nil {
				h.pageTrouble(w, r, &badRequest{http.StatusBadRequest, name + ": want a date and a time like 2026-11-24T18:00"})
				return
			}
			*to = t
		}
	}
	if _, err := h.override(r, r.PathValue("name"), in); err != nil {
		h.pageTrouble(w, r, err)
		return
	}
	seeOther(w, "../../../oncall")
}

func (h *Handler) pageEndOverride(w http.ResponseWriter, r *http.Request) {
	if _, err := h.stopOverride(w, r); err != nil {
		h.pageTrouble(w, r, err)
		return
	}
	seeOther(w, "../../../oncall")
}

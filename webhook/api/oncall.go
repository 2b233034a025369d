package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/foreshock/foreshock/webhook/cases"
	"github.com/foreshock/foreshock/webhook/policy"
)

// OnCall is who is on call, and who changed what.
type OnCall interface {
	// Roster is a schedule of the configuration with its overrides and calendars; false when none has that name.
	Roster(ctx context.Context, schedule string) (policy.Roster, bool, error)
	Overrides(ctx context.Context, after time.Time) ([]cases.Override, error)
	Override(ctx context.Context, o cases.Override, e cases.Event) error
	EndOverride(ctx context.Context, id string, now time.Time, e cases.Event) error
	Audit(ctx context.Context, q cases.AuditQuery) ([]cases.Event, error)
}

// onCallRoutes are the addresses of schedules and of the audit log.
func (h *Handler) onCallRoutes(mux *http.ServeMux) {
	if h.o.OnCall == nil {
		return
	}
	mux.HandleFunc("GET /api/v1/oncall", h.readOnCall)
	mux.HandleFunc("GET /api/v1/schedules", h.listSchedules)
	mux.HandleFunc("GET /api/v1/schedules/{name}", h.readSchedule)
	mux.HandleFunc("GET /api/v1/overrides", h.listOverrides)
	mux.HandleFunc("POST /api/v1/schedules/{name}/overrides", h.giveOverride)
	mux.HandleFunc("POST /api/v1/overrides/{id}/end", h.endOverride)
	mux.HandleFunc("GET /api/v1/audit", h.readAudit)
	mux.HandleFunc("GET /oncall", h.pageOnCall)
	mux.HandleFunc("POST /oncall/schedules/{name}/overrides", h.own(h.pageOverride))
	mux.HandleFunc("POST /oncall/overrides/{id}/end", h.own(h.pageEndOverride))
}

// onDuty is who is on call in one schedule at one moment.
type onDuty struct {
	Schedule string        `json:"schedule"`
	Person   string        `json:"person"` // key; "" for nobody
	Name     string        `json:"name"`   // of the person
	Layer    string        `json:"layer"`
	From     time.Time     `json:"from"`
	Until    time.Time     `json:"until"`
	Next     *policy.Shift `json:"next,omitempty"` // within 60 days
}

// Duty is who is on call in a schedule at a moment.
func (h *Handler) duty(ctx context.Context, name string, at time.Time) (onDuty, error) {
	r, ok, err := h.o.OnCall.Roster(ctx, name)
	if err != nil {
		return onDuty{}, err
	}
	if !ok {
		return onDuty{}, unknownSchedule(name, h.schedules())
	}
	const horizon = 60 * 24 * time.Hour
	out := onDuty{Schedule: name}
	for _, s := range r.Shifts(at.Add(-horizon), at.Add(horizon)) {
		if s.From.After(at) {
			out.Next = &s
			break
		}
		out.Person, out.Layer, out.From, out.Until = s.Person, s.Layer, s.From, s.Until
	}
	if out.Person != "" {
		out.Name = h.o.Settings().Rules.Called(out.Person)
	}
	return out, nil
}

func (h *Handler) schedules() []string {
	return slices.Sorted(maps.Keys(h.o.Settings().Rules.Schedules))
}

func unknownSchedule(name string, known []string) error {
	if len(known) == 0 {
		return &badRequest{http.StatusNotFound, "no schedule is configured"}
	}
	return &badRequest{http.StatusNotFound, fmt.Sprintf("unknown schedule %.64q: want one of %s", name, strings.Join(known, ", "))}
}

func (h *Handler) readOnCall(w http.ResponseWriter, r *http.Request) {
	at, err := h.moment(r, "at", h.o.Now())
	if err != nil {
		h.trouble(w, r, err)
		return
	}
	names := h.schedules()
	if one := r.URL.Query().Get("schedule"); one != "" {
		names = []string{one}
	}
	out := struct {
		At     time.Time `json:"at"`
		OnCall []onDuty  `json:"onCall"`
	}{at, []onDuty{}}
	for _, name := range names {
		d, err := h.duty(r.Context(), name, at)
		if err != nil {
			h.trouble(w, r, err)
			return
		}
		out.OnCall = append(out.OnCall, d)
	}
	answer(w, http.StatusOK, out)
}

// moment reads a time from the address; without one it is the default.
func (h *Handler) moment(r *http.Request, name string, without time.Time) (time.Time, error) {
	text := r.URL.Query().Get(name)
	if text == "" {
		return without.UTC(), nil
	}
	t, err := readTime(text)
	if err != nil {
		return t, &badRequest{http.StatusBadRequest, fmt.Sprintf("%s %.40q: want RFC 3339 or unix seconds", name, text)}
	}
	return t, nil
}

// scheduleInfo is one schedule in the list.
type scheduleInfo struct {
	Name   string   `json:"name"`
	Zone   string   `json:"zone"`
	Layers []string `json:"layers"`
	People []string `json:"people"`
}

func (h *Handler) listSchedules(w http.ResponseWriter, _ *http.Request) {
	rules := h.o.Settings().Rules
	out := []scheduleInfo{}
	for _, name := range h.schedules() {
		s := rules.Schedules[name]
		info := scheduleInfo{Name: name, Zone: or(s.Zone, "UTC"), Layers: []string{}, People: []string{}}
		for _, l := range s.Layers {
			info.Layers = append(info.Layers, l.Name)
			for _, p := range l.People {
				if !slices.Contains(info.People, p) {
					info.People = append(info.People, p)
				}
			}
		}
		out = append(out, info)
	}
	answer(w, http.StatusOK, map[string]any{"schedules": out})
}

func or(text, without string) string {
	if text == "" {
		return without
	}
	return text
}

// maxSpan bounds the time for which shifts are asked.
const maxSpan = 400 * 24 * time.Hour

// readSchedule answers the shifts of a schedule between from and until (by default the next 28 days), as JSON, or with the suffix .ics as a
// calendar (by default from 28 days ago to 180 days ahead).
func (h *Handler) readSchedule(w http.ResponseWriter, r *http.Request) {
	name, calendar := strings.CutSuffix(r.PathValue("name"), ".ics")
	now, day := h.o.Now(), 24*time.Hour
	back, ahead := 0*day, 28*day
	if calendar {
		back, ahead = 28*day, 180*day
	}
	from, err := h.moment(r, "from", now.Add(-back))
	if err == nil {
		var until time.Time
		if until, err = h.moment(r, "until", from.Add(back+ahead)); err == nil {
			err = h.writeSchedule(w, r, name, from, until, calendar)
		}
	}
	if err != nil {
		h.trouble(w, r, err)
	}
}

func (h *Handler) writeSchedule(w http.ResponseWriter, r *http.Request, name string, from, until time.Time, calendar bool) error {
	if !from.Before(until) || until.Sub(from) > maxSpan {
		return &badRequest{http.StatusBadRequest, fmt.Sprintf("until %s: want a time after from, and at most 400 days", until.Format(time.RFC3339))}
	}
	roster, ok, err := h.o.OnCall.Roster(r.Context(), name)
	if err != nil {
		return err
	}
	if !ok {
		return unknownSchedule(name, h.schedules())
	}
	shifts := roster.Shifts(from, until)
	if calendar {
		w.Header().Set("Content-Type", "text/calendar; charset=utf-8")
		w.Header().Set("Content-Disposition", mime.FormatMediaType("inline", map[string]string{"filename": name + ".ics"}))
		_, _ = io.WriteString(w, policy.WriteICal(name, shifts, h.o.Settings().Rules.People, h.o.Now()))
		return nil
	}
	answer(w, http.StatusOK, map[string]any{"schedule": name, "zone": or(roster.Zone, "UTC"), "from": from, "until": until, "shifts": orEmpty(shifts)})
	return nil
}

func (h *Handler) listOverrides(w http.ResponseWriter, r *http.Request) {
	after, err := h.moment(r, "after", h.o.Now())
	var all []cases.Override
	if err == nil {
		all, err = h.o.OnCall.Overrides(r.Context(), after)
	}
	if err != nil {
		h.trouble(w, r, err)
		return
	}
	answer(w, http.StatusOK, map[string]any{"overrides": orEmpty(all)})
}

// overrideBody is what gives an override.
type overrideBody struct {
	Person string    `json:"person"`
	From   time.Time `json:"from"`
	Until  time.Time `json:"until"`
	By     string    `json:"by"`
	Note   string    `json:"note"`
}

// giveOverride puts a person on call for a while: {"person": "bob", "from": "2026-11-24T18:00:00Z", "until": "…", "note": "…"}; without
// from it is from now on.
func (h *Handler) giveOverride(w http.ResponseWriter, r *http.Request) {
	var in overrideBody
	dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxForm))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&in); err != nil && !errors.Is(err, io.EOF) {
		h.trouble(w, r, &badRequest{http.StatusBadRequest, `want a JSON object like {"person": "bob", "from": "2026-11-24T18:00:00Z", "until": "2026-11-25T09:00:00Z", "note": "swap"}`})
		return
	}
	o, err := h.override(r, r.PathValue("name"), in)
	if err != nil {
		h.trouble(w, r, err)
		return
	}
	answer(w, http.StatusOK, o)
}

// override checks and stores an override, with its line in the audit log.
func (h *Handler) override(r *http.Request, name string, in overrideBody) (cases.Override, error) {
	rules, now := h.o.Settings().Rules, h.o.Now().UTC().Truncate(time.Microsecond)
	if in.From.IsZero() {
		in.From = now
	}
	if _, known := rules.Schedules[name]; !known {
		return cases.Override{}, unknownSchedule(name, h.schedules())
	}
	if _, person := rules.People[in.Person]; !person {
		return cases.Override{}, &badRequest{http.StatusBadRequest, fmt.Sprintf("person %.64q: want one of %s", in.Person, strings.Join(slices.Sorted(maps.Keys(rules.People)), ", "))}
	}
	if !in.From.Before(in.Until) || !in.Until.After(now) || in.Until.Sub(in.From) > maxSpan {
		return cases.Override{}, &badRequest{http.StatusBadRequest, "until: want a time after from and after now, and at most 400 days later"}
	}
	o := cases.Override{
		ID: ulid.Make().String(), Schedule: name, Person: in.Person, From: in.From.UTC(), Until: in.Until.UTC(),
		By: h.actor(r, in.By), Note: prose(in.Note), Given: now,
	}
	e := cases.Event{
		At: now, Kind: cases.Overridden, Actor: o.By, Origin: origin(r), Via: via(r), To: o.Person,
		Note: strings.TrimSpace(fmt.Sprintf("schedule %s, from %s until %s (%s). %s", name, o.From.Format(time.RFC3339), o.Until.Format(time.RFC3339), o.ID, o.Note)),
	}
	return o, h.o.OnCall.Override(r.Context(), o, e)
}

// endOverride ends an override now.
func (h *Handler) endOverride(w http.ResponseWriter, r *http.Request) {
	now, err := h.stopOverride(w, r)
	if err != nil {
		h.trouble(w, r, err)
		return
	}
	answer(w, http.StatusOK, map[string]string{"ended": now.Format(time.RFC3339Nano)})
}

func (h *Handler) stopOverride(w http.ResponseWriter, r *http.Request) (time.Time, error) {
	now, id := h.o.Now().UTC().Truncate(time.Microsecond), r.PathValue("id")
	in, err := readBody(w, r)
	if err != nil {
		return now, err
	}
	return now, h.o.OnCall.EndOverride(r.Context(), id, now, cases.Event{
		At: now, Kind: cases.Overridden, Actor: h.actor(r, in.By), Origin: origin(r), Via: via(r),
		Note: strings.TrimSpace(fmt.Sprintf("override %.40s ended. %s", id, prose(in.Note))),
	})
}

// readAudit lists who changed what, newest first; parameters actor, case, since, until, before (the next of the page before), limit.
func (h *Handler) readAudit(w http.ResponseWriter, r *http.Request) {
	v := r.URL.Query()
	q := cases.AuditQuery{Actor: v.Get("actor"), CaseID: v.Get("case")}
	var err error
	if q.Limit, err = readLimit(r); err == nil {
		if q.Since, err = h.moment(r, "since", time.Time{}); err == nil {
			q.Until, err = h.moment(r, "until", time.Time{})
		}
	}
	if text := v.Get("before"); text != "" && err == nil {
		if q.Before, err = strconv.ParseInt(text, 10, 64); err != nil {
			err = &badRequest{http.StatusBadRequest, fmt.Sprintf("before %.40q: want the next of the page before", text)}
		}
	}
	var all []cases.Event
	if err == nil {
		all, err = h.o.OnCall.Audit(r.Context(), q)
	}
	if err != nil {
		h.trouble(w, r, err)
		return
	}
	out := map[string]any{"audit": orEmpty(all)}
	if len(all) == q.Limit {
		out["next"] = strconv.FormatInt(all[len(all)-1].ID, 10)
	}
	answer(w, http.StatusOK, out)
}

package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/foreshock/foreshock/webhook/cases"
	"github.com/foreshock/foreshock/webhook/policy"
	"github.com/foreshock/foreshock/webhook/stage"
)

// NoiseStore is what the commands and questions about noise need of the store; store.Store has it.
type NoiseStore interface {
	stage.ExplainStore
	Members(ctx context.Context, caseID string, most int) ([]cases.Alert, error)
	Case(ctx context.Context, caseID string) (cases.Case, error)
	Mutes(ctx context.Context, after time.Time) ([]cases.MuteOrder, error)
	Mute(ctx context.Context, id string) (cases.MuteOrder, error)
	Commit(ctx context.Context, ch cases.Change) error
}

// noiseRoutes are the addresses of mutes, splits and explanations.
func (h *Handler) noiseRoutes(mux *http.ServeMux) {
	if h.o.Noise == nil {
		return
	}
	mux.HandleFunc("GET /api/v1/mutes", h.listMutes)
	mux.HandleFunc("POST /api/v1/mutes", h.giveMute)
	mux.HandleFunc("POST /api/v1/mutes/{id}/end", h.endMute)
	mux.HandleFunc("POST /api/v1/splits", h.split)
	mux.HandleFunc("GET /api/v1/explain", h.explain)
	mux.HandleFunc("GET /mutes", h.pageMutes)
	mux.HandleFunc("POST /mutes", h.own(h.pageMute))
	mux.HandleFunc("POST /mutes/{id}/end", h.own(h.pageEndMute))
	mux.HandleFunc("POST /splits/{id}", h.own(h.pageSplit))
}

// MuteView is one mute as it is shown: of the configuration, by command, or a silence of Alertmanager.
type MuteView struct {
	policy.Mute
	ID        string    `json:"id,omitempty"` // of those by command
	Kind      string    `json:"kind"`         // "window", "command" or "silence"
	Cluster   string    `json:"cluster,omitempty"`
	Active    bool      `json:"active"`
	Until     time.Time `json:"until,omitzero"` // when the stretch in force ends
	CreatedBy string    `json:"createdBy,omitempty"`
	CreatedAt time.Time `json:"createdAt,omitzero"`
	EndedBy   string    `json:"endedBy,omitempty"`
}

// Mutes lists every mute that has not ended after a time.
func (h *Handler) mutes(ctx context.Context, after time.Time) ([]MuteView, error) {
	now := h.o.Now()
	var out []MuteView
	add := func(v MuteView) {
		if v.Active = v.Mute.Active(now); v.Active {
			v.Until = v.Mute.Until(now)
		}
		out = append(out, v)
	}
	for _, m := range h.o.Settings().Rules.Mutes {
		if m.Ends.After(after) {
			add(MuteView{Mute: m, Kind: "window"})
		}
	}
	orders, err := h.o.Noise.Mutes(ctx, after)
	if err != nil {
		return nil, err
	}
	for _, o := range orders {
		add(MuteView{Mute: o.Mute, ID: o.ID, Kind: "command", CreatedBy: o.CreatedBy, CreatedAt: o.CreatedAt, EndedBy: o.EndedBy})
	}
	if h.o.Silences != nil {
		for cluster, all := range h.o.Silences() {
			for _, m := range all {
				add(MuteView{Mute: m, Kind: "silence", Cluster: cluster})
			}
		}
	}
	return out, nil
}

func (h *Handler) listMutes(w http.ResponseWriter, r *http.Request) {
	after, err := h.moment(r, "after", h.o.Now())
	if err != nil {
		h.trouble(w, r, err)
		return
	}
	all, err := h.mutes(r.Context(), after)
	if err != nil {
		h.trouble(w, r, err)
		return
	}
	answer(w, http.StatusOK, map[string][]MuteView{"mutes": orEmpty(all)})
}

// muteBody is what POST /api/v1/mutes takes: a policy.Mute, and a length instead of an end.
type muteBody struct {
	policy.Mute
	By  string          `json:"by"`
	For policy.Duration `json:"for"`
}

func (h *Handler) giveMute(w http.ResponseWriter, r *http.Request) {
	var in muteBody
	if err := readJSON(w, r, &in); err != nil {
		h.trouble(w, r, err)
		return
	}
	now := h.o.Now().UTC().Truncate(time.Microsecond)
	if in.For > 0 && in.Ends.IsZero() {
		in.Ends = now.Add(time.Duration(in.For))
	}
	o := cases.MuteOrder{Mute: in.Mute, ID: ulid.Make().String(), CreatedBy: h.actor(r, in.By), CreatedAt: now}
	o.Name, o.Owner, o.Note = line(o.Name, maxName), line(o.Owner, maxName), prose(o.Note)
	if err := h.storeMute(r, o); err != nil {
		h.trouble(w, r, err)
		return
	}
	answer(w, http.StatusOK, MuteView{Mute: o.Mute, ID: o.ID, Kind: "command", Active: o.Mute.Active(now), CreatedBy: o.CreatedBy, CreatedAt: now})
}

// longestMute is how far ahead a mute by command may end: what nobody looks at for a whole season is forgotten. Those of the configuration
// may be longer.
const longestMute = 90 * 24 * time.Hour

// storeMute checks and stores a mute by command, with its line in the audit log.
func (h *Handler) storeMute(r *http.Request, o cases.MuteOrder) error {
	if err := o.Validate(); err != nil {
		return &badRequest{http.StatusBadRequest, err.Error()}
	}
	if !o.Ends.After(o.CreatedAt) {
		return &badRequest{http.StatusBadRequest, "ends: is over already: want a time to come"}
	}
	if o.Ends.After(o.CreatedAt.Add(longestMute)) {
		return &badRequest{http.StatusBadRequest, fmt.Sprintf("ends: %s is too far: want at most %s from now; longer ones belong into mutes of the configuration",
			o.Ends.UTC().Format(time.RFC3339), policy.Duration(longestMute))}
	}
	e := cases.Event{
		At: o.CreatedAt, Kind: cases.MuteGiven, Actor: o.CreatedBy, Origin: origin(r), Via: via(r), To: o.ID,
		Note: joinNote(fmt.Sprintf("%q (%s) until %s", o.Name, line(MuteView{Mute: o.Mute}.What(), maxNote), o.Ends.UTC().Format("2006-01-02 15:04 UTC")), o.Note),
	}
	if err := h.o.Noise.Commit(r.Context(), cases.Change{Mutes: []cases.MuteOrder{o}, Events: []cases.Event{e}}); err != nil {
		return err
	}
	h.o.Log.Info("a person muted", "mute", o.ID, "name", o.Name, "owner", o.Owner, "by", o.CreatedBy, "from", origin(r), "ends", o.Ends)
	return nil
}

// endMute ends a mute by command now. Cases that it held back are told at their next review, within noise.review.
func (h *Handler) endMute(w http.ResponseWriter, r *http.Request) {
	var in struct {
		By string `json:"by"`
	}
	if err := readJSON(w, r, &in); err != nil {
		h.trouble(w, r, err)
		return
	}
	o, err := h.stopMute(r, r.PathValue("id"), in.By)
	if err != nil {
		h.trouble(w, r, err)
		return
	}
	answer(w, http.StatusOK, MuteView{Mute: o.Mute, ID: o.ID, Kind: "command", CreatedBy: o.CreatedBy, CreatedAt: o.CreatedAt, EndedBy: o.EndedBy})
}

// stopMute ends a mute now, unless it is over already.
func (h *Handler) stopMute(r *http.Request, id, by string) (cases.MuteOrder, error) {
	o, err := h.o.Noise.Mute(r.Context(), id)
	now := h.o.Now().UTC().Truncate(time.Microsecond)
	if err != nil || !o.Ends.After(now) {
		return o, err
	}
	e := cases.Event{
		At: now, Kind: cases.MuteEnded, Actor: h.actor(r, by), Origin: origin(r), Via: via(r), From: o.ID,
		Note: fmt.Sprintf("%q, which would have held until %s", o.Name, o.Ends.UTC().Format("2006-01-02 15:04 UTC")),
	}
	o.Ends, o.EndedBy = now, e.Actor
	if err := h.o.Noise.Commit(r.Context(), cases.Change{Mutes: []cases.MuteOrder{o}, Events: []cases.Event{e}}); err != nil {
		return o, err
	}
	h.o.Log.Info("a person ended a mute", "mute", o.ID, "by", o.EndedBy, "from", origin(r))
	return o, nil
}

// maxSplit bounds how many alerts of a case a split looks at.
const maxSplit = 20_000

// split takes alerts out of a case, into one of their own; see stage.Split.
func (h *Handler) split(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Case   string   `json:"case"`
		Alerts []string `json:"alerts"` // as cluster/fingerprint
		By     string   `json:"by"`
		Note   string   `json:"note"`
	}
	if err := readJSON(w, r, &in); err != nil {
		h.trouble(w, r, err)
		return
	}
	slices.Sort(in.Alerts)
	id, err := h.carryOutSplit(r.Context(), stage.SplitOrder{
		Take: slices.Compact(in.Alerts), By: h.actor(r, in.By), Origin: origin(r), Note: prose(in.Note),
		NewID: func() string { return ulid.Make().String() },
	}, in.Case)
	if err != nil {
		h.trouble(w, r, err)
		return
	}
	answer(w, http.StatusOK, map[string]string{"case": id})
}

// carryOutSplit decides and commits; a lost race is decided again.
func (h *Handler) carryOutSplit(ctx context.Context, o stage.SplitOrder, caseID string) (string, error) {
	for try := 1; ; try++ {
		var err error
		if o.Case, err = h.o.Noise.Case(ctx, caseID); err != nil {
			return "", err
		}
		if o.Case.State == cases.Closed {
			return "", &badRequest{http.StatusConflict, "a case that is closed cannot be split"}
		}
		if o.Members, err = h.o.Noise.Members(ctx, caseID, maxSplit); err != nil {
			return "", err
		}
		o.Now = h.o.Now().UTC()
		ch, id, err := stage.Split(o, h.o.Settings().Rules)
		if errors.Is(err, stage.ErrNothingToSplit) {
			return "", &badRequest{http.StatusBadRequest, "alerts: " + err.Error() + ", as cluster/fingerprint"}
		}
		if err != nil {
			return "", err
		}
		switch err := h.o.Noise.Commit(ctx, ch); {
		case err == nil:
			h.o.Log.Info("a person split a case", "case", caseID, "into", id, "alerts", len(o.Take), "by", o.By, "from", o.Origin)
			if h.o.Committed != nil {
				h.o.Committed()
			}
			return id, nil
		case !errors.Is(err, cases.ErrConflict) || try == races:
			return "", err
		}
	}
}

// explain tells the story of alerts: of a fingerprint, a case, or matchers.
func (h *Handler) explain(w http.ResponseWriter, r *http.Request) {
	all, err := stage.Explain(r.Context(), h.o.Noise, r.URL.Query().Get("alert"))
	if errors.Is(err, stage.ErrNoQuestion) {
		err = &badRequest{http.StatusBadRequest, "alert: " + err.Error()}
	}
	if err != nil {
		h.trouble(w, r, err)
		return
	}
	answer(w, http.StatusOK, map[string][]stage.Explanation{"explanations": orEmpty(all)})
}

// readJSON reads the body of a command strictly; an empty one leaves everything as it is.
func readJSON(w http.ResponseWriter, r *http.Request, v any) error {
	if kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); kind != "application/json" && kind != "" {
		return &badRequest{http.StatusBadRequest, fmt.Sprintf("Content-Type %.80q: want application/json", kind)}
	}
	dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxForm))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil && err.Error() != "EOF" {
		return &badRequest{http.StatusBadRequest, "the JSON cannot be read: " + strings.TrimPrefix(err.Error(), "json: ")}
	}
	return nil
}

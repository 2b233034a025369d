package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/foreshock/foreshock/pkg/message"
	"github.com/foreshock/foreshock/webhook/alert"
	"github.com/foreshock/foreshock/webhook/cases"
	"github.com/foreshock/foreshock/webhook/policy"
)

// Commands lists what people can do to a case, in the order of its life.
func Commands() []cases.Trigger {
	return []cases.Trigger{cases.Acknowledge, cases.Start, cases.Wait, cases.Release, cases.Resolve, cases.Close, cases.Reopen}
}

// possible lists the commands that the state of a case allows.
func possible(s cases.State) []cases.Trigger {
	return slices.DeleteFunc(Commands(), func(on cases.Trigger) bool {
		_, err := cases.NextState(s, on)
		return err != nil
	})
}

// Bounds of what a person writes, in characters.
const (
	maxName = 100
	maxNote = 1000
	maxForm = 64 << 10 // bytes of the body of a command
	// races is how often a command is decided again when an alert changed its case meanwhile.
	races = 5
)

// order is a command with who gave it.
type order struct {
	CaseID string
	On     cases.Trigger
	By     string
	From   string // address
	Note   string
	At     time.Time
}

// readOrder reads a command from the path and the body: a form, or JSON like {"by": "ann", "note": "…"}. Whoever authenticated is who
// gave it, whatever the body says.
func (h *Handler) readOrder(w http.ResponseWriter, r *http.Request) (order, error) {
	o := order{CaseID: r.PathValue("id"), On: cases.Trigger(r.PathValue("command")), From: origin(r), At: h.o.Now().UTC().Truncate(time.Microsecond)}
	if !slices.Contains(Commands(), o.On) {
		return o, &badRequest{http.StatusNotFound, fmt.Sprintf("unknown command %.40q: want one of %s", o.On, list(Commands()))}
	}
	var in struct {
		By   string `json:"by"`
		Note string `json:"note"`
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch kind {
	case "application/x-www-form-urlencoded":
		if err := r.ParseForm(); err != nil {
			return o, &badRequest{http.StatusBadRequest, "the form cannot be read"}
		}
		in.By, in.Note = r.PostForm.Get("by"), r.PostForm.Get("note")
	case "application/json", "":
		dec := json.NewDecoder(r.Body)
		dec.DisallowUnknownFields()
		if err := dec.Decode(&in); err != nil && !errors.Is(err, io.EOF) {
			return o, &badRequest{http.StatusBadRequest, `want a JSON object like {"by": "ann", "note": "looking into it"}, both may be left out`}
		}
	default:
		return o, &badRequest{http.StatusBadRequest, fmt.Sprintf("Content-Type %.80q: want application/json or application/x-www-form-urlencoded", kind)}
	}
	o.By, o.Note = line(in.By, maxName), strings.TrimSpace(message.CutRunes(message.PlainLines(in.Note), maxNote, "…"))
	if user, _, ok := r.BasicAuth(); ok && user != "" {
		o.By = line(user, maxName) // the listener has checked the password
	}
	if o.By == "" {
		o.By = "anonymous"
	}
	return o, nil
}

func line(s string, limit int) string {
	return strings.TrimSpace(message.CutRunes(message.Plain(s), limit, "…"))
}

func list(all []cases.Trigger) string {
	names := make([]string, len(all))
	for i, t := range all {
		names[i] = string(t)
	}
	return strings.Join(names, ", ")
}

// carryOut does what a person asked, and returns the case as it is then. A lost race is decided again.
func (h *Handler) carryOut(ctx context.Context, o order) (cases.Case, error) {
	for try := 1; ; try++ {
		story, err := h.o.Store.Story(ctx, o.CaseID)
		if err != nil {
			return cases.Case{}, err
		}
		ch, c, err := decide(story, o, h.o.Settings().Rules)
		if err != nil {
			return story.Case, err
		}
		switch err := h.o.Store.Commit(ctx, ch); {
		case err == nil:
			h.metrics.commands.WithLabelValues(string(o.On)).Inc()
			h.o.Log.Info("a person changed a case", "case", c.ID, "command", string(o.On), "by", o.By, "from", o.From, "state", string(c.State))
			if len(ch.Actions) > 0 && h.o.Committed != nil {
				h.o.Committed()
			}
			return c, nil
		case !errors.Is(err, cases.ErrConflict) || try == races:
			return story.Case, err
		}
	}
}

// decide is the change that a command makes: the transition, its line in the timeline, and what follows.
func decide(story cases.Story, o order, rules policy.Rules) (cases.Change, cases.Case, error) {
	c := story.Case
	from := c.State
	to, err := cases.NextState(from, o.On)
	if err != nil {
		return cases.Change{}, c, &badRequest{http.StatusConflict, err.Error() + ": want one of " + list(possible(from))}
	}
	c.State, c.UpdatedAt = to, c.Next(o.At)
	var ch cases.Change
	switch o.On {
	case cases.Acknowledge, cases.Start, cases.Wait:
		if c.AckedAt.IsZero() {
			c.AckedBy, c.AckedAt = o.By, o.At
		}
	case cases.Release:
		if to == cases.New {
			c.AckedBy, c.AckedAt, c.AckExpiry = "", time.Time{}, time.Time{}
		}
	case cases.Resolve:
		c.ResolvedAt = o.At
		ch.Actions = resolved(c, story.Alerts, o, rules)
	case cases.Close:
		c.ClosedAt = o.At
		ch.Cancel = append(ch.Cancel, cases.CancelActions{CaseID: c.ID, Kinds: []cases.Kind{cases.AutoClose}, At: o.At, Reason: "closed by hand"})
	case cases.Reopen:
		c.Epoch++
		c.ResolvedAt, c.ClosedAt, c.AckedAt, c.AckExpiry, c.AckedBy = time.Time{}, time.Time{}, time.Time{}, time.Time{}, ""
		c.StartedAt = o.At
		ch.Cancel = append(ch.Cancel, cases.CancelActions{CaseID: c.ID, Kinds: []cases.Kind{cases.AutoClose}, At: o.At, Reason: "reopened by hand"})
	}
	ch.Cases = []cases.Case{c}
	ch.Events = []cases.Event{{
		CaseID: c.ID, At: o.At, Kind: cases.StateChanged, Actor: o.By, Origin: o.From, From: string(from), To: string(to), Note: o.Note,
	}}
	return ch, c, nil
}

// resolved are the actions that follow a resolution: the message to the channels that heard of the case, and its closing later. The keys
// are those of the chain (stage.Plan), so that a resolution by alerts at the same time is not told twice.
func resolved(c cases.Case, members []cases.Alert, o order, rules policy.Rules) []cases.Action {
	n := cases.Notice{What: cases.WhatResolved, At: o.At, Case: c, Note: o.By + ": " + string(cases.Resolve)}
	if o.Note != "" {
		n.Note = o.By + ": " + o.Note
	}
	n.Alerts, n.More = notable(members)
	payload, err := json.Marshal(n)
	if err != nil {
		panic(fmt.Sprintf("api: a notice has no JSON form: %v", err)) // it is made of texts, numbers and times
	}
	var out []cases.Action
	add := func(key string, kind cases.Kind, channel string, due time.Time, payload json.RawMessage) {
		planned := due // the order within the lane
		if planned.Before(c.UpdatedAt) {
			planned = c.UpdatedAt
		}
		out = append(out, cases.Action{
			ID: ulid.Make().String(), Key: fmt.Sprintf("%s/%d/%s", c.ID, c.Epoch, key), CaseID: c.ID, Kind: kind, Channel: channel, Lane: channel + "/" + c.ID,
			Epoch: c.Epoch, Payload: payload, State: cases.Due, Planned: planned, Due: due, CreatedAt: o.At, UpdatedAt: o.At,
		})
	}
	for _, channel := range c.Channels {
		add(string(cases.WhatResolved)+"/"+channel, cases.Notify, channel, o.At, payload)
	}
	add("close", cases.AutoClose, cases.InternalChannel, o.At.Add(time.Duration(rules.CloseAfter)), nil)
	return out
}

func notable(members []cases.Alert) (shown []alert.Alert, more int) {
	for _, m := range members {
		if len(shown) == cases.MaxNoticeAlerts {
			more++
			continue
		}
		shown = append(shown, m.Last)
	}
	return shown, more
}

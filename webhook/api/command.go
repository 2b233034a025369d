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
	"github.com/foreshock/foreshock/webhook/cases"
	"github.com/foreshock/foreshock/webhook/policy"
)

// Commands lists what people can do to a case, in the order of its life; those that move it nowhere come last.
func Commands() []cases.Trigger {
	return append(moves(), cases.Take, cases.Assign, cases.Comment, cases.Hush, cases.Praise, cases.Blame)
}

// moves are the commands that are transitions.
func moves() []cases.Trigger {
	return []cases.Trigger{cases.Acknowledge, cases.Start, cases.Wait, cases.Release, cases.Resolve, cases.Close, cases.Reopen}
}

// possible lists the commands that the state of a case allows.
func possible(s cases.State) []cases.Trigger {
	return slices.DeleteFunc(Commands(), func(on cases.Trigger) bool {
		switch on {
		case cases.Comment, cases.Praise, cases.Blame:
			return false
		case cases.Take, cases.Assign, cases.Hush:
			return s == cases.Closed
		}
		_, err := cases.NextState(s, on)
		return err != nil
	})
}

// maxAck bounds for how long an acknowledgement may be asked for.
const maxAck = 30 * 24 * time.Hour

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
	Via    string // by what way: cases.ViaPage, …
	Note   string
	To     string        // of assign: the new owner, "" for nobody
	For    time.Duration // how long an acknowledgement holds; 0: as the rules say. How long a mute holds; 0: an hour
	Epoch  int           // of the case when this was offered; 0: whichever it is
	First  bool          // only if nobody has acknowledged the case yet: other services tell us what we told them
	Once   string        // name of the request, which counts once; "": every time
	At     time.Time
}

// orderBody is what the body of a command may hold.
type orderBody struct {
	By   string          `json:"by"`
	Note string          `json:"note"`
	To   string          `json:"to"`
	For  policy.Duration `json:"for"`
}

// readOrder reads a command from the path and the body: a form, or JSON like {"by": "ann", "note": "…"}. Whoever authenticated is who
// gave it, whatever the body says.
func (h *Handler) readOrder(w http.ResponseWriter, r *http.Request) (order, error) {
	o := order{CaseID: r.PathValue("id"), On: cases.Trigger(r.PathValue("command")), From: origin(r), Via: via(r), At: h.o.Now().UTC().Truncate(time.Microsecond)}
	if !slices.Contains(Commands(), o.On) {
		return o, &badRequest{http.StatusNotFound, fmt.Sprintf("unknown command %.40q: want one of %s", o.On, list(Commands()))}
	}
	in, err := readBody(w, r)
	if err != nil {
		return o, err
	}
	o.Note, o.To, o.For = prose(in.Note), line(in.To, maxName), time.Duration(in.For)
	o.By = h.actor(r, in.By)
	switch {
	case o.For < 0 || o.For > maxAck:
		return o, &badRequest{http.StatusBadRequest, fmt.Sprintf("for %q: want a duration up to %s, such as 30m or 2h", in.For, policy.Duration(maxAck))}
	case o.On == cases.Comment && o.Note == "":
		return o, &badRequest{http.StatusBadRequest, "note: is empty: want what to write into the timeline"}
	case o.On == cases.Take:
		o.To = o.By
	}
	return o, nil
}

func readBody(w http.ResponseWriter, r *http.Request) (in orderBody, err error) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch kind {
	case "application/x-www-form-urlencoded":
		if err := r.ParseForm(); err != nil {
			return in, &badRequest{http.StatusBadRequest, "the form cannot be read"}
		}
		in.By, in.Note, in.To = r.PostForm.Get("by"), r.PostForm.Get("note"), r.PostForm.Get("to")
		if text := strings.TrimSpace(r.PostForm.Get("for")); text != "" {
			if err := in.For.UnmarshalText([]byte(text)); err != nil {
				return in, &badRequest{http.StatusBadRequest, fmt.Sprintf("for %.40q: want a duration such as 30m or 2h", text)}
			}
		}
	case "application/json", "":
		dec := json.NewDecoder(r.Body)
		dec.DisallowUnknownFields()
		if err := dec.Decode(&in); err != nil && !errors.Is(err, io.EOF) {
			return in, &badRequest{http.StatusBadRequest, `want a JSON object like {"by": "ann", "note": "looking into it", "to": "bob", "for": "2h"}, all of which may be left out`}
		}
	default:
		return in, &badRequest{http.StatusBadRequest, fmt.Sprintf("Content-Type %.80q: want application/json or application/x-www-form-urlencoded", kind)}
	}
	return in, nil
}

// via is the way by which a command came.
func via(r *http.Request) string {
	if strings.HasPrefix(r.URL.Path, "/api/") {
		return cases.ViaAPI
	}
	return cases.ViaPage
}

func prose(s string) string {
	return strings.TrimSpace(message.CutRunes(message.PlainLines(s), maxNote, "…"))
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
			h.o.Log.Info("a person changed a case", "case", c.ID, "command", string(o.On), "by", o.By, "via", o.Via, "from", o.From, "state", string(c.State))
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
	if o.Epoch != 0 && o.Epoch != c.Epoch {
		return cases.Change{}, c, &badRequest{http.StatusConflict, fmt.Sprintf("this was about opening %d of the case, which is over; now is opening %d", o.Epoch, c.Epoch)}
	}
	if o.First && !c.AckedAt.IsZero() {
		return cases.Change{}, c, &badRequest{http.StatusConflict, "it is acknowledged already"}
	}
	if !slices.Contains(possible(c.State), o.On) {
		return cases.Change{}, c, &badRequest{http.StatusConflict, fmt.Sprintf("a case that is %s does not take the command %s: want one of %s", c.State, o.On, list(possible(c.State)))}
	}
	c.UpdatedAt = c.Next(o.At)
	e := cases.Event{CaseID: c.ID, At: o.At, Actor: o.By, Origin: o.From, Via: o.Via, Note: o.Note}
	f := &cases.Follow{Rules: rules, Now: o.At, NewID: func() string { return ulid.Make().String() }}
	var mutes []cases.MuteOrder
	switch o.On {
	case cases.Comment:
		e.Kind = cases.Noted
	case cases.Take, cases.Assign:
		assign(&c, &e, f, o, story.Alerts)
	case cases.Hush:
		m, err := hush(&c, &e, f, o)
		if err != nil {
			return cases.Change{}, c, err
		}
		mutes = []cases.MuteOrder{m}
	case cases.Praise, cases.Blame:
		rate(&c, &e, o, story.Events)
	default:
		if err := move(&c, &e, f, o, story.Alerts); err != nil {
			return cases.Change{}, c, err
		}
	}
	ch := cases.Change{Cases: []cases.Case{c}, Events: []cases.Event{e}, Actions: f.Actions, Cancel: f.Cancel, Mutes: mutes}
	if o.Once != "" {
		ch.Once = []string{o.Once}
	}
	return ch, c, nil
}

// assign gives the case to somebody, and tells them when they can be told.
func assign(c *cases.Case, e *cases.Event, f *cases.Follow, o order, members []cases.Alert) {
	e.Kind, e.From, e.To = cases.Assigned, c.Owner, o.To
	c.Owner = o.To
	if p, ok := f.Rules.People[o.To]; ok && o.To != o.By && c.Open() {
		f.Tell(*c, cases.Telling{
			What: cases.WhatAssigned, Key: fmt.Sprint(c.Version), Channels: p.Channels, Members: members, Note: remark(o), For: []string{f.Rules.Called(o.To)},
		})
	}
}

// move makes a transition and plans what follows.
func move(c *cases.Case, e *cases.Event, f *cases.Follow, o order, members []cases.Alert) error {
	from := c.State
	to, err := cases.NextState(from, o.On)
	if err != nil {
		return &badRequest{http.StatusConflict, err.Error()}
	}
	c.State = to
	e.Kind, e.From, e.To = cases.StateChanged, string(from), string(to)
	switch o.On {
	case cases.Acknowledge, cases.Start, cases.Wait:
		first := c.AckedAt.IsZero()
		if first || o.On == cases.Acknowledge || o.For > 0 {
			f.Acknowledge(c, o.By, o.For)
		}
		if first {
			f.Tell(*c, cases.Telling{
				What: cases.WhatAcknowledged, Key: fmt.Sprint(c.Version), Channels: c.Audience(), Members: members, Note: remark(o),
			})
		}
	case cases.Release:
		if to == cases.New {
			f.Unacknowledge(c)
		}
	case cases.Resolve:
		c.ResolvedAt = o.At
		f.End(c, "resolved by "+o.By)
		resolved(*c, members, o, f)
	case cases.Close:
		c.ClosedAt = o.At
		f.Cancel = append(f.Cancel, cases.CancelActions{CaseID: c.ID, Kinds: []cases.Kind{cases.AutoClose}, At: o.At, Reason: "closed by hand"})
	case cases.Reopen:
		c.Epoch++
		c.ResolvedAt, c.ClosedAt, c.AckedAt, c.AckExpiry, c.AckedBy = time.Time{}, time.Time{}, time.Time{}, time.Time{}, ""
		c.StartedAt = o.At
		f.Cancel = append(f.Cancel, cases.CancelActions{CaseID: c.ID, Kinds: []cases.Kind{cases.AutoClose}, At: o.At, Reason: "reopened by hand"})
		f.Begin(c)
	}
	return nil
}

// remark is what a message says about a command.
func remark(o order) string {
	if o.Note != "" {
		return o.By + ": " + o.Note
	}
	return o.By + ": " + string(o.On)
}

// resolved are the actions that follow a resolution: the message to the channels that heard of the case, and its closing later. The keys
// are those of the chain (stage.Plan), so that a resolution by alerts at the same time is not told twice.
func resolved(c cases.Case, members []cases.Alert, o order, f *cases.Follow) {
	f.Tell(c, cases.Telling{What: cases.WhatResolved, Channels: c.Audience(), Members: members, Note: remark(o)})
	f.Add(c, cases.Action{
		Key: fmt.Sprintf("%s/%d/close", c.ID, c.Epoch), Kind: cases.AutoClose, Channel: cases.InternalChannel,
		Planned: o.At.Add(time.Duration(f.Rules.CloseAfter)),
	})
}

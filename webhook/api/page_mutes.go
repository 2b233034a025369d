package api

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/foreshock/foreshock/webhook/cases"
	"github.com/foreshock/foreshock/webhook/policy"
	"github.com/foreshock/foreshock/webhook/stage"
)

type mutesView struct {
	Mutes    []MuteView // in force first, then by end
	Grades   []policy.Grade
	Channels []string
	Lengths  []string
	Match    string // to begin with, such as the labels of a case
	Loud     bool   // one in force holds back P0 as well
}

// muteLengths are the lengths that the form offers.
func muteLengths() []string { return []string{"30m", "1h", "2h", "4h", "8h", "12h", "1d", "2d", "7d"} }

// endedFor is how long the page shows what is over.
const endedFor = 24 * time.Hour

func (h *Handler) pageMutes(w http.ResponseWriter, r *http.Request) {
	all, err := h.mutes(r.Context(), h.o.Now().Add(-endedFor))
	if err != nil {
		h.pageTrouble(w, r, err)
		return
	}
	slices.SortStableFunc(all, func(a, b MuteView) int {
		if a.Active != b.Active {
			if a.Active {
				return -1
			}
			return 1
		}
		return a.Ends.Compare(b.Ends)
	})
	view := mutesView{
		Mutes: all, Grades: policy.Grades(), Channels: h.o.Settings().Channels, Lengths: muteLengths(), Match: prose(r.URL.Query().Get("match")),
		Loud: slices.ContainsFunc(all, func(m MuteView) bool { return m.Active && m.holdsUrgent() }),
	}
	h.draw(w, r, "mutes", page{Body: view, Refresh: 60})
}

// holdsUrgent reports whether P0 is meant too.
func (m MuteView) holdsUrgent() bool {
	return len(m.Grades) == 0 || slices.Contains(m.Grades, policy.P0)
}

// Urgent is holdsUrgent, for the page.
func (m MuteView) Urgent() bool { return m.holdsUrgent() }

// What names what a mute covers, in the words of its rules.
func (m MuteView) What() string {
	var parts []string
	for _, x := range m.Match {
		parts = append(parts, x.String())
	}
	for _, g := range m.Grades {
		parts = append(parts, g.String())
	}
	for _, l := range []struct {
		name string
		all  []string
	}{{"route", m.Routes}, {"channel", m.Channels}, {"person", m.People}} {
		for _, v := range l.all {
			parts = append(parts, l.name+" "+v)
		}
	}
	return strings.Join(parts, ", ")
}

// Ended reports whether it is over; At is the page's time.
func (m MuteView) Ended(at time.Time) bool { return !m.Ends.After(at) }

// pageMute takes the form of a new mute.
func (h *Handler) pageMute(w http.ResponseWriter, r *http.Request) {
	m, err := h.formMute(r)
	if err == nil {
		err = h.storeMute(r, m)
	}
	if err != nil {
		h.pageTrouble(w, r, err)
		return
	}
	seeOther(w, "./mutes")
}

// formMute reads the form: name, owner, note, match (a matcher a line), grade and channel (repeatable), for.
func (h *Handler) formMute(r *http.Request) (cases.MuteOrder, error) {
	f, now := r.PostForm, h.o.Now().UTC().Truncate(time.Microsecond)
	bad := func(format string, args ...any) error {
		return &badRequest{http.StatusBadRequest, fmt.Sprintf(format, args...)}
	}
	o := cases.MuteOrder{ID: ulid.Make().String(), CreatedBy: h.actor(r, f.Get("by")), CreatedAt: now}
	o.Name, o.Owner, o.Note = line(f.Get("name"), maxName), line(f.Get("owner"), maxName), prose(f.Get("note"))
	if o.Owner == "" && o.CreatedBy != "anonymous" {
		o.Owner = o.CreatedBy
	}
	for text := range strings.Lines(f.Get("match")) {
		if text = strings.TrimSpace(text); text == "" {
			continue
		}
		var m policy.Matcher
		if err := m.UnmarshalText([]byte(text)); err != nil {
			return o, bad("match: %s", err)
		}
		o.Match = append(o.Match, m)
	}
	for _, text := range f["grade"] {
		var g policy.Grade
		if err := g.UnmarshalText([]byte(text)); err != nil {
			return o, bad("%s", err)
		}
		o.Grades = append(o.Grades, g)
	}
	for _, name := range f["channel"] {
		if !slices.Contains(h.o.Settings().Channels, name) {
			return o, bad("channel %.64q: want one of %s", name, strings.Join(h.o.Settings().Channels, ", "))
		}
		o.Channels = append(o.Channels, name)
	}
	var length policy.Duration
	if err := length.UnmarshalText([]byte(f.Get("for"))); err != nil || length <= 0 {
		return o, bad("for %.40q: want a duration such as 30m, 2h or 7d", f.Get("for"))
	}
	o.Ends = now.Add(time.Duration(length))
	return o, nil
}

func (h *Handler) pageEndMute(w http.ResponseWriter, r *http.Request) {
	if _, err := h.stopMute(r, r.PathValue("id"), r.PostForm.Get("by")); err != nil {
		h.pageTrouble(w, r, err)
		return
	}
	seeOther(w, "../../mutes")
}

// pageSplit takes one or more alerts out of a case, and leads to the case where they are now.
func (h *Handler) pageSplit(w http.ResponseWriter, r *http.Request) {
	take := slices.Clone(r.PostForm["alert"])
	slices.Sort(take)
	id, err := h.carryOutSplit(r.Context(), stage.SplitOrder{
		Take: slices.Compact(take), By: h.actor(r, r.PostForm.Get("by")), Origin: origin(r), Note: prose(r.PostForm.Get("note")),
		NewID: func() string { return ulid.Make().String() },
	}, r.PathValue("id"))
	if err != nil {
		h.pageTrouble(w, r, err)
		return
	}
	seeOther(w, "../cases/"+id)
}

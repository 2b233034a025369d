package api

import (
	"fmt"
	"net/http"
	"regexp"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/foreshock/foreshock/webhook/cases"
	"github.com/foreshock/foreshock/webhook/policy"
)

var labelName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.:-]*$`)

// hushFor is how long a mute holds that does not say for how long.
const hushFor = time.Hour

// hush holds back messages about alerts with the labels of the case, of its grade and less urgent ones, and has the case looked at anew,
// now and when the mute ends. Without a label there is nothing to tell the case's alerts from all others by: then it refuses.
func hush(c *cases.Case, e *cases.Event, f *cases.Follow, o order) (cases.MuteOrder, error) {
	age := o.For
	if age <= 0 {
		age = hushFor
	}
	m := cases.MuteOrder{
		ID: ulid.Make().String(), CreatedBy: o.By, CreatedAt: o.At,
		Mute: policy.Mute{Name: "case " + c.ID, Owner: o.By, Note: o.Note, Starts: o.At.Truncate(time.Microsecond), Ends: o.At.Add(age)},
	}
	for _, name := range c.Labels.Names() {
		if labelName.MatchString(name) { // others cannot be written as a matcher
			m.Match = append(m.Match, policy.Equal(name, c.Labels[name]))
		}
	}
	if len(m.Match) == 0 {
		return m, &badRequest{http.StatusConflict, "the alerts of this case have no label in common that a matcher could name, and muting it " +
			"would mute alerts that are none of it: mute what it is about on the page of mutes, or with POST /api/v1/mutes"}
	}
	for _, g := range policy.Grades() {
		if g >= c.Grade { // what is more urgent than what this person saw is told
			m.Grades = append(m.Grades, g)
		}
	}
	c.NextReview = o.At
	f.Add(*c, cases.Action{
		Key: fmt.Sprintf("%s/review/%d/%d", c.ID, c.Version, o.At.UnixMicro()), Kind: cases.Review, Channel: cases.InternalChannel, Planned: o.At,
	})
	e.Kind = cases.Muted
	e.Note = joinNote(fmt.Sprintf("by %s until %s", o.By, m.Ends.UTC().Format("2006-01-02 15:04 UTC")), o.Note)
	return m, nil
}

// rate counts what a person thought of being told: one vote a person and opening, the newest counts.
func rate(c *cases.Case, e *cases.Event, o order, story []cases.Event) {
	e.Kind, e.To = cases.Feedback, string(o.On)
	before := ""
	for _, old := range story {
		switch {
		case old.Kind == cases.StateChanged && old.From == string(cases.Resolved) && old.To == string(cases.New):
			before = "" // another opening
		case old.Kind == cases.Feedback && old.Actor == o.By:
			before = old.To
		}
	}
	e.From = before
	count := map[string]*int{string(cases.Praise): &c.Useful, string(cases.Blame): &c.Useless}
	if n := count[before]; n != nil {
		*n = max(0, *n-1)
	}
	*count[string(o.On)]++
}

func joinNote(a, b string) string {
	if b == "" {
		return a
	}
	return a + ": " + b
}

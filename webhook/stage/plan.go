package stage

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/oklog/ulid/v2"

	"github.com/foreshock/foreshock/webhook/alert"
	"github.com/foreshock/foreshock/webhook/cases"
	"github.com/foreshock/foreshock/webhook/policy"
)

// Plan turns accepted verdicts into cases, timelines and actions.
type Plan struct {
	Rules func() policy.Rules // read once per delivery, so that a reload takes effect
	NewID func() string       // unique and sorting by time; nil: ULIDs
}

// Name is "plan".
func (Plan) Name() string { return "plan" }

// Exec fills Change and CaseChanges.
func (p Plan) Exec(_ context.Context, ev Event) (Event, error) {
	if p.Rules == nil {
		return ev, errors.New("no rules")
	}
	newID := p.NewID
	if newID == nil {
		newID = func() string { return ulid.Make().String() }
	}
	d := newDraft(ev, p.Rules(), newID)
	for i := range ev.Verdicts {
		if err := d.verdict(i); err != nil {
			return ev, fmt.Errorf("alert %s: %w", ev.Verdicts[i].Identity, err)
		}
	}
	if err := d.finish(); err != nil {
		return ev, err
	}
	return d.ev, nil
}

// verdict takes one verdict into the draft.
func (d *draft) verdict(i int) error {
	v := &d.ev.Verdicts[i]
	if at, ok := d.latest[v.Identity]; ok {
		v.Known.CaseID = d.ev.Verdicts[at].Known.CaseID // from an earlier verdict of this delivery
	}
	var err error
	switch {
	case v.Decision != Accepted:
	case v.Reason == ReasonResolved:
		err = d.ended(v)
	case v.Reason == ReasonMissed:
		err = d.missed(v)
	default:
		err = d.fired(v)
	}
	v.CaseID = v.Known.CaseID
	d.latest[v.Identity] = i
	return err
}

// fired opens, reopens or joins a case.
func (d *draft) fired(v *Verdict) error {
	counted, before := d.counted(v), v.Known.CaseID
	c, found := d.find(v)
	v.Known.Owed = nil
	var what cases.What
	var told []string
	switch {
	case !found:
		c = d.open(v, cases.New)
		d.follow(func(f *cases.Follow) { f.Begin(&c) })
		d.count("opened")
		d.event(c, cases.Event{Kind: cases.Opened, To: string(c.State), Note: string(c.GradeReason)}, v)
		what = cases.WhatOpened
	case c.State == cases.Resolved:
		var err error
		if c, what, told, err = d.reopen(c, v); err != nil {
			return err
		}
	case c.Firing == 0:
		// A person reopened it while nothing fired, and nobody was told.
		c = d.assess(c, v)
		what = cases.WhatReopened
	default:
		c, what, told = d.include(c, v)
	}
	merged := d.merged(c, v, found)
	if !merged {
		v.Noise, v.Why = v.unmerged()
	}
	switch {
	case before != c.ID:
		c = d.enter(c, v, merged)
	case !counted && c.Total > 1 && d.ev.Prior.Alerts[v.Identity].LastFired.Before(c.StartedAt):
		// It was a member before this opening, and people have not heard of it again.
		c.Fresh++
		v.Known.Joined.At = joinedAt(c, d.ev.Now)
	}
	if !counted || before != c.ID {
		c.Firing++
	}
	if v.Known.Held {
		v.Known.Held = false
	}
	if v.Alert.StartsAt.Before(c.StartedAt) {
		c.StartedAt = v.Alert.StartsAt
	}
	kind := cases.Fired
	if v.Reason == ReasonBelieved {
		kind = cases.Believed
	}
	d.event(c, cases.Event{Kind: kind, Note: v.Note}, v)
	v.Known.CaseID = c.ID
	c, what = d.flap(c, v, what)
	d.put(c)
	d.link(c, v)
	if v.News() {
		c = d.regradeSoon(c)
	}
	return d.announce(c, what, v, told)
}

// counted reports whether the alert counts as firing in its case, as known before
// this verdict.
func (d *draft) counted(v *Verdict) bool {
	if at, ok := d.latest[v.Identity]; ok {
		return d.ev.Verdicts[at].Known.Counts()
	}
	k, ok := d.ev.Prior.Alerts[v.Identity]
	return ok && k.Counts()
}

// merged reports whether the alert becomes a part of a case by what a stage found
// out. It may turn out otherwise: its own case is preferred.
func (d *draft) merged(c cases.Case, v *Verdict, found bool) bool {
	if v.Join == nil || v.Known.CaseID == c.ID {
		return false
	}
	if !found {
		return v.Join.Key != "" // the first one of a storm makes its case
	}
	target, ok := d.joined(v)
	return ok && target.ID == c.ID
}

// enter makes an alert a member, and takes it out of the case that it was in.
func (d *draft) enter(c cases.Case, v *Verdict, merged bool) cases.Case {
	before := v.Known.CaseID
	c.Total++
	c.Fresh++
	v.Known.Joined = cases.Membership{How: cases.HowOpened, At: joinedAt(c, d.ev.Now), From: before}
	if merged {
		j := v.Join
		v.Known.Joined.How, v.Known.Joined.Evidence = string(j.How), j.Why
		if j.With != nil {
			v.Known.Joined.With = j.With.String()
		}
		if c.Origin == "" || j.How == ReasonDependency {
			c.Origin = j.Origin
		}
		d.event(c, cases.Event{Kind: cases.Joined, From: before, Note: string(j.How) + ": " + j.Why}, v)
	}
	if old, ok := d.cases[before]; ok && before != c.ID {
		old.Total = max(0, old.Total-1)
		d.event(old, cases.Event{Kind: cases.Left, To: c.ID}, v)
		d.put(old)
	}
	return c
}

// joinedAt is when an alert becomes a member, as it is stored: after people were
// told last what is in the case.
func joinedAt(c cases.Case, now time.Time) time.Time {
	if now.After(c.CountedAt) {
		return now
	}
	return c.CountedAt.Add(time.Microsecond)
}

// unmerged is what noise reduction made of a verdict that opened a case after
// all.
func (v *Verdict) unmerged() (Decision, Reason) {
	if v.Noise == Merged {
		if v.Mute != nil {
			return Muted, muteReason(*v.Mute)
		}
		return "", ""
	}
	return v.Noise, v.Why
}

// reopen makes a resolved case new again. When nobody was told that it was over,
// it goes on as if it never had been, and what is new about this alert is told.
func (d *draft) reopen(c cases.Case, v *Verdict) (cases.Case, cases.What, []string, error) {
	c.ResolvedAt, c.AckedAt, c.AckExpiry, c.AckedBy = time.Time{}, time.Time{}, time.Time{}, ""
	if err := d.move(&c, cases.Reopen, v); err != nil {
		return c, "", nil, err
	}
	d.count("reopened")
	d.cancel(c.ID, "the case was reopened", cases.AutoClose)
	if c.Untold == cases.WhatResolved {
		c.Untold, c.HeldUntil = "", time.Time{}
		c, what, told := d.include(c, v)
		d.follow(func(f *cases.Follow) { f.Begin(&c) })
		return c, what, told, nil
	}
	c.Epoch++
	c.StartedAt = v.Alert.StartsAt
	c = d.assess(c, v)
	d.follow(func(f *cases.Follow) { f.Begin(&c) })
	if c.Heard == "" {
		return c, cases.WhatOpened, nil, nil
	}
	return c, cases.WhatReopened, nil, nil
}

// include takes what a further alert means for an open case: a higher grade, and
// channels that have not heard of it. An alert that is muted means nothing before
// its mute ends, while others of the case are told.
func (d *draft) include(c cases.Case, v *Verdict) (cases.Case, cases.What, []string) {
	known := v.Known.CaseID == c.ID
	if v.Mute != nil && !c.Silent(d.ev.Now) && c.Firing > b2i(known && d.counted(v)) {
		g, _ := d.base(v)
		v.Known.Owed = &g
		return c, "", nil
	}
	grade := c.Grade
	c = d.raise(c, v)
	if c.Grade < grade {
		return c, cases.WhatRegraded, nil
	}
	if known {
		return c, "", nil
	}
	if g, _ := d.base(v); g == policy.P0 && !(v.Noise == Merged && v.Why == ReasonSimilar) {
		return c, cases.WhatGrew, nil // P0 is told at once, unless it says once more what was told
	}
	channels, routes := d.rules.Channels(c.Grade, v.Alert.Labels)
	var added []string
	for _, name := range channels {
		if !slices.Contains(c.Channels, name) {
			added = append(added, name)
		}
	}
	if len(added) == 0 {
		return c, "", nil
	}
	c.Channels = append(slices.Clone(c.Channels), added...)
	for _, r := range routes {
		if !slices.Contains(c.Routes, r) {
			c.Routes = append(slices.Clone(c.Routes), r)
		}
	}
	return c, cases.WhatGrew, added
}

// raise gives a case the grade of an alert when that is more urgent.
func (d *draft) raise(c cases.Case, v *Verdict) cases.Case {
	g, why := d.base(v)
	if g < c.Base {
		c.Base, c.BaseReason = g, why
	}
	if g >= c.Grade {
		return c
	}
	d.event(c, cases.Event{Kind: cases.Graded, From: c.Grade.String(), To: g.String(), Note: string(why)}, v)
	was := c.Grade
	c.Grade, c.GradeReason = g, why
	d.follow(func(f *cases.Follow) { f.Regraded(&c, was) })
	channels, routes := d.rules.Channels(g, v.Alert.Labels)
	c.Channels, c.Routes = union(c.Channels, channels), union(c.Routes, routes)
	return c
}

func union(a, b []string) []string {
	out := slices.Clone(a)
	for _, v := range b {
		if !slices.Contains(out, v) {
			out = append(out, v)
		}
	}
	return out
}

// flap notes that an alert began to flap or settled, which is what is told then.
func (d *draft) flap(c cases.Case, v *Verdict, what cases.What) (cases.Case, cases.What) {
	switch v.Flap {
	case FlapBegins:
		d.event(c, cases.Event{Kind: cases.Flapping, Note: "it changes all the time: it is held firing until it settles"}, v)
		d.reviewAt(&c, settles(v.Known.Spans, d.ev.Now, d.rules.Noise.Flap))
		v.Noise, v.Why = Held, ReasonFlapping
		if c.FlappingSince.IsZero() { // told once per case, whatever else of it flaps
			c.FlappingSince = d.ev.Now
			return c, cases.WhatFlapping
		}
	case FlapGoesOn:
		d.reviewAt(&c, settles(v.Known.Spans, d.ev.Now, d.rules.Noise.Flap))
		v.Noise, v.Why = Held, ReasonFlapping
	case FlapSettles:
		d.event(c, cases.Event{Kind: cases.Settled}, v)
		d.reviewAt(&c, d.ev.Now) // which sees whether anything else of the case flaps
	}
	return c, what
}

// ended notes the end of an alert, and resolves its case with the last one.
func (d *draft) ended(v *Verdict) error {
	c, ok := d.cases[v.Known.CaseID]
	if !ok {
		return nil // the case was deleted after its retention
	}
	what := cases.What("")
	if v.Known.FlappingSince.IsZero() || !c.Open() {
		v.Known.Held = false
		c.Firing = max(0, c.Firing-1)
	} else {
		v.Known.Held = true
		c, what = d.flap(c, v, what)
	}
	d.event(c, cases.Event{Kind: cases.AlertEnded, Note: v.Note}, v)
	if c.Firing == 0 && c.Open() {
		c.ResolvedAt = d.ev.Now
		if err := d.move(&c, cases.Resolve, v); err != nil {
			return err
		}
		d.follow(func(f *cases.Follow) { f.End(&c, "resolved") })
		d.count("resolved")
		what = cases.WhatResolved
		d.closeLater(c)
	}
	d.put(c)
	return d.announce(c, what, v, nil)
}

// missed records an alert that was over before it was seen to fire: as a case
// that is resolved from the start, about which nobody is told.
func (d *draft) missed(v *Verdict) error {
	before := v.Known.CaseID
	c, ok := d.find(v)
	if !ok {
		c = d.open(v, cases.Resolved)
		c.ResolvedAt = d.ev.Now
		d.count("missed")
		d.event(c, cases.Event{Kind: cases.Opened, To: string(c.State), Note: v.Note}, v)
		d.closeLater(c)
	}
	merged := d.merged(c, v, ok)
	if !merged {
		v.Noise, v.Why = v.unmerged()
	}
	if before != c.ID {
		c = d.enter(c, v, merged)
		c.Fresh--
	}
	d.event(c, cases.Event{Kind: cases.AlertEnded, Note: v.Note}, v)
	v.Known.CaseID = c.ID
	d.put(c)
	d.link(c, v)
	return nil
}

// find is the case that a verdict belongs to: the alert's own while that is open,
// else the one that it was merged into, else its own while that is not closed,
// else the one that is not closed under its key.
func (d *draft) find(v *Verdict) (cases.Case, bool) {
	own, has := d.cases[v.Known.CaseID]
	has = has && own.State != cases.Closed
	if has && own.Open() {
		return own, true
	}
	has = has && d.returns(v, own)
	if c, ok := d.joined(v); ok && (c.Open() || !has) {
		return c, true
	}
	if has {
		return own, true
	}
	c, ok := d.cases[d.byKey[caseKey(v.Identity)]]
	return c, ok && c.State != cases.Closed
}

// relapse is how long after the end of a case the alerts that were merged into it
// still belong to it: what fires again later has a cause of its own until
// something says otherwise.
const relapse = 15 * time.Minute

// returns reports whether an alert that fires again belongs to the resolved case
// that it was in.
func (d *draft) returns(v *Verdict, own cases.Case) bool {
	opened := own.Key == caseKey(v.Identity) || v.Known.Joined.How == "" || v.Known.Joined.How == cases.HowSplit
	return (opened && !strings.HasPrefix(own.Key, stormPrefix)) || d.ev.Now.Sub(own.ResolvedAt) < relapse
}

// joined is the case that a verdict was merged into.
func (d *draft) joined(v *Verdict) (cases.Case, bool) {
	if v.Join == nil {
		return cases.Case{}, false
	}
	id := v.Join.CaseID
	switch {
	case v.Join.With != nil:
		if at, ok := d.latest[*v.Join.With]; ok {
			id = d.ev.Verdicts[at].Known.CaseID
		}
	case v.Join.Key != "":
		id = d.byKey[v.Join.Key]
		if old, ok := d.cases[id]; ok && !old.Open() && d.ev.Now.Sub(old.ResolvedAt) >= relapse {
			// Another storm: that one keeps its name for the record alone.
			old.Key += "#" + old.ID
			delete(d.byKey, v.Join.Key)
			d.put(old)
			return old, false
		}
	}
	c, ok := d.cases[id]
	return c, ok && c.State != cases.Closed
}

// open makes a case. It is not a transition: there is no state before.
func (d *draft) open(v *Verdict, state cases.State) cases.Case {
	c := cases.Case{
		ID: d.newID(), Key: caseKey(v.Identity), Cluster: v.Identity.Cluster,
		Title: Title(v.Alert), Labels: v.Alert.Labels, State: state,
		Epoch: 1, StartedAt: v.Alert.StartsAt, OpenedAt: d.ev.Now,
	}
	if j := v.Join; j != nil && j.Key != "" {
		c.Key, c.Title, c.Labels = j.Key, j.Title, j.Labels
	}
	return d.assess(c, v)
}

// base is the grade of an alert by itself.
func (d *draft) base(v *Verdict) (policy.Grade, policy.Reason) {
	if v.Due != "" {
		return v.Grade, v.Due
	}
	return d.rules.Grade(v.Alert.Labels)
}

// assess grades a case and finds who is to be told.
func (d *draft) assess(c cases.Case, v *Verdict) cases.Case {
	c.Grade, c.GradeReason = d.base(v)
	c.Base, c.BaseReason = c.Grade, c.GradeReason
	c.Channels, c.Routes = d.rules.Channels(c.Grade, v.Alert.Labels)
	c.CaseNoise.Told, c.Fresh, c.Digests, c.MutedChannels, c.FlappingSince = 0, 0, 0, nil, time.Time{}
	return c
}

// Title is one line for people: the alert's name and its summary, or else what
// it is about. It holds no control characters and at most 200 of others.
func Title(a alert.Alert) string {
	title := a.Name()
	for _, text := range []string{a.Annotations["summary"], a.Annotations["title"], a.Labels["service"], a.Labels["instance"], a.Labels["job"]} {
		if text != "" {
			title += ": " + text
			break
		}
	}
	title = strings.Join(strings.FieldsFunc(title, func(r rune) bool {
		return unicode.IsSpace(r) || unicode.IsControl(r) || unicode.Is(unicode.Cf, r)
	}), " ")
	if r := []rune(title); len(r) > 200 {
		title = string(r[:199]) + "…"
	}
	return title
}

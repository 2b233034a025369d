package stage

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/foreshock/foreshock/webhook/alert"
	"github.com/foreshock/foreshock/webhook/cases"
	"github.com/foreshock/foreshock/webhook/policy"
)

// maxReviewed bounds how many members of a case a review reads at first. It is far above what the service is made for (30,000 that fire): of a case that is
// larger still, the review goes by those that flap or fire.
const maxReviewed = 100_000

// ReviewStore is what a review reads.
type ReviewStore interface {
	Recall
	MuteReader
	// Case reads one case; cases.ErrNotFound.
	Case(ctx context.Context, caseID string) (cases.Case, error)
	// Members reads at most so many alerts of a case: those that flap, which only a
	// review lets go, before those that fire, before the others.
	Members(ctx context.Context, caseID string, most int) ([]cases.Alert, error)
}

// Reviewer looks at a case again when its time has come: it tells what was held
// back, merges what turned out to be one problem, settles what flapped, grades
// anew by what is known now, and tells that a case grew. Like the stages it
// decides and writes nothing; unlike them it may ask other servers.
type Reviewer struct {
	Store    ReviewStore
	Rules    func() policy.Rules
	Silences func(cluster string) policy.Mutes // as Mute.Silences
	Graph    func() Graph                      // nil: no service graph
	Restarts func(l alert.Labels) (int, bool)  // as Flap.Restarts
	Ask      Ask                               // nil: nobody is there to be asked, which is unknown
	NewID    func() string                     // nil: ULIDs
	Now      func() time.Time                  // nil: time.Now
}

// Ask answers a query ("promql" or "logql") for a case whose alerts have these
// labels, within the query's time limit.
type Ask func(ctx context.Context, language string, q policy.Query, members []alert.Labels) policy.Answer

// review is one review while it goes on.
type review struct {
	*draft
	r       Reviewer
	c       cases.Case
	members []cases.Alert
	changed map[alert.Identity]cases.Alert
	next    time.Time // of the reviews that are wanted, the earliest
	what    cases.What
	note    string
	muted   map[alert.Identity]bool // covered by a mute
}

// Review decides what becomes of a case now; false when there is nothing to look
// at any more, or it is to be looked at later.
func (r Reviewer) Review(ctx context.Context, caseID string) (cases.Change, bool, error) {
	v, err := r.read(ctx, caseID)
	if err != nil || v == nil {
		return cases.Change{}, false, err
	}
	if v.c.Open() {
		v.settle()
		merged, err := v.absorb(ctx)
		if err != nil {
			return cases.Change{}, false, err
		}
		if merged {
			return v.ev.Change, true, v.write()
		}
		if end := v.c.OpenedAt.Add(healAfter); v.c.Untold == "" && v.ev.Now.Before(end) { // this look came before that one
			v.wants(end)
		}
		v.unmuted()
		v.grade(ctx)
		if err := v.mute(ctx); err != nil {
			return cases.Change{}, false, err
		}
	}
	v.say()
	if v.c.Open() && !v.next.IsZero() {
		v.reviewAt(&v.c, v.next)
	}
	v.c.LookedAt = v.ev.Now
	v.put(v.c)
	err = v.write()
	return v.ev.Change, true, err
}

// read fetches all that the review needs; nil when there is nothing to review.
func (r Reviewer) read(ctx context.Context, caseID string) (*review, error) {
	now := time.Now
	if r.Now != nil {
		now = r.Now
	}
	newID := r.NewID
	if newID == nil {
		newID = func() string { return ulid.Make().String() }
	}
	c, err := r.Store.Case(ctx, caseID)
	if errors.Is(err, cases.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	ev := Event{Now: micros(now()), Prior: cases.Prior{Cases: map[string]cases.Case{c.ID: c}}}
	if c.State == cases.Closed || c.NextReview.After(ev.Now) {
		return nil, nil
	}
	members, err := r.Store.Members(ctx, c.ID, maxReviewed)
	if err != nil {
		return nil, err
	}
	if ev.Mutes, err = (Mute{Rules: r.Rules, Store: r.Store, Silences: r.Silences}).All(ctx, c.Cluster, ev.Now); err != nil {
		return nil, err
	}
	v := &review{draft: newDraft(ev, r.Rules(), newID), r: r, c: c, members: members, changed: map[alert.Identity]cases.Alert{}}
	v.c.NextReview = time.Time{}
	return v, nil
}

// write completes the change.
func (v *review) write() error {
	if err := v.finish(); err != nil {
		return err
	}
	ids := make([]alert.Identity, 0, len(v.changed))
	for id := range v.changed {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, alert.Identity.Compare)
	for _, id := range ids {
		v.ev.Change.Alerts = append(v.ev.Change.Alerts, v.changed[id])
	}
	return nil
}

// wants plans a review for a time, if none is planned before.
func (v *review) wants(at time.Time) {
	if v.next.IsZero() || at.Before(v.next) {
		v.next = at
	}
}

// settle lets go of the alerts that no longer flap, and resolves a case with
// them when they are over.
func (v *review) settle() {
	rules, flapping, settled := v.rules.Noise.Flap, 0, 0
	for i, m := range v.members {
		if m.FlappingSince.IsZero() {
			continue
		}
		share := FlapShare(m.Spans, v.ev.Now, time.Duration(rules.Step))
		if v.r.Restarts != nil {
			if n, ok := v.r.Restarts(m.Last.Labels); ok {
				share = max(share, min(100, float64(2*n)*100/(samples-1)))
			}
		}
		if rules.Enabled && share >= rules.Stop && m.Grade != policy.P0 {
			flapping++
			v.wants(later(settles(m.Spans, v.ev.Now, rules), v.ev.Now.Add(time.Duration(rules.Step))))
			continue
		}
		settled++
		m.FlappingSince = time.Time{}
		if m.Held {
			m.Held = false
			v.c.Firing = max(0, v.c.Firing-1)
		}
		v.members[i], v.changed[m.Identity] = m, m
		v.event(v.c, cases.Event{Kind: cases.Settled, Alert: m.Identity.String()}, nil)
	}
	told := !v.c.FlappingSince.IsZero()
	if flapping == 0 {
		v.c.FlappingSince = time.Time{}
	}
	switch {
	case settled == 0 && (flapping > 0 || !told):
	case v.c.Firing == 0:
		v.c.ResolvedAt = v.ev.Now
		if err := v.move(&v.c, cases.Resolve, nil); err == nil { // the case is open: the table has it
			v.follow(func(f *cases.Follow) { f.End(&v.c, "resolved") })
			v.closeLater(v.c)
			v.what, v.note = cases.WhatResolved, "it flapped, and has settled"
		}
	case flapping == 0 && told:
		v.what = cases.WhatSettled
	}
}

// grade applies the rules to what is known of the case now.
func (v *review) grade(ctx context.Context) {
	f := v.facts(ctx)
	v.c.Services = f.Services
	rules := v.rules.Noise.Regrade
	if len(rules) == 0 || !v.c.Open() {
		return
	}
	unknown := false
	f.Ask = func(_ int, language string, q policy.Query) policy.Answer {
		a := policy.Answer{Why: "no server is configured for it"}
		if v.r.Ask != nil {
			a = v.r.Ask(ctx, language, q, f.Labels)
		}
		unknown = unknown || a.Holds == policy.Unknown
		return a
	}
	out := policy.Regraded(rules, v.c.Base, v.c.BaseReason, f)
	if out.Waits {
		v.wants(v.ev.Now.Add(time.Duration(v.rules.Noise.Review)))
	}
	// What is not known is not false: it does not take back what was known before.
	if unknown && out.Grade > v.c.Grade {
		v.c.GradeReason = out.Reason + policy.Reason("; kept at "+v.c.Grade.String()+" until that is known")
		return
	}
	before := v.c.Grade
	v.c.GradeReason = out.Reason
	if out.Grade == before {
		return
	}
	v.event(v.c, cases.Event{Kind: cases.Graded, From: before.String(), To: out.Grade.String(), Note: string(out.Reason)}, nil)
	v.c.Grade = out.Grade
	v.follow(func(f *cases.Follow) { f.Regraded(&v.c, before) })
	if out.Grade > before {
		return // nobody is told that it is less urgent, but by the next message
	}
	channels, routes := v.rules.Channels(out.Grade, v.c.Labels)
	v.c.Channels, v.c.Routes = union(v.c.Channels, channels), union(v.c.Routes, routes)
	if v.what == "" {
		v.what, v.note = cases.WhatRegraded, before.String()+" → "+out.Grade.String()+": "+string(out.Reason)
	}
}

// facts gathers what the rules look at.
func (v *review) facts(context.Context) policy.Facts {
	f := policy.Facts{Now: v.ev.Now, Alerts: v.c.Firing, Age: v.ev.Now.Sub(v.c.StartedAt)}
	services := map[string]bool{}
	for _, m := range v.members {
		if !m.Counts() {
			continue
		}
		f.Labels = append(f.Labels, m.Last.Labels)
		s := first(m.Last.Labels, v.rules.Noise.Correlate.ServiceLabels)
		if s == "" || services[s] {
			continue
		}
		services[s] = true
		if v.r.Graph != nil {
			g := v.r.Graph()
			f.Tiers = append(f.Tiers, tiers(g, s)...)
			f.Affected = max(f.Affected, g.Dependants(s))
		}
	}
	f.Services = len(services)
	return f
}

// unmuted takes what members mean for the case whose mute kept that back, and has
// ended.
func (v *review) unmuted() {
	for i, m := range v.members {
		if !m.Counts() || m.Owed == nil || !v.c.Open() {
			continue
		}
		if _, muted := v.c.Covered(v.ev.Mutes, m, v.ev.Now); muted {
			continue
		}
		was := v.c.Grade
		c, what, added := v.include(v.c, &Verdict{Identity: m.Identity, Alert: m.Last, Grade: *m.Owed, Due: m.GradeReason})
		m.Owed = nil
		v.members[i], v.changed[m.Identity], v.c = m, m, c
		switch {
		case len(added) > 0:
			v.c.MutedChannels = union(v.c.MutedChannels, added)
		case what != "" && v.what == "":
			if v.what = what; what == cases.WhatRegraded {
				v.note = was.String() + " → " + c.Grade.String() + ": " + string(c.GradeReason)
			}
		}
	}
}

// mute finds out whether the messages of the case are held back now, and which of
// its members a mute covers.
func (v *review) mute(ctx context.Context) error {
	m, muted, err := v.quiet(ctx)
	if err != nil {
		return err
	}
	v.muted = map[alert.Identity]bool{}
	for _, a := range v.members {
		one, ok := v.c.Covered(v.ev.Mutes, a, v.ev.Now)
		if !ok || !a.Counts() {
			continue
		}
		v.muted[a.Identity] = true
		v.wants(one.Until(v.ev.Now))
		v.wants(v.ev.Now.Add(time.Duration(v.rules.Noise.Review))) // it may be ended before its time
	}
	switch {
	case muted:
		if v.c.Mute != m.Name {
			v.event(v.c, cases.Event{Kind: cases.Muted, Note: mutedNote(m, v.ev.Now)}, nil)
		}
		v.c.Mute, v.c.MutedBy, v.c.MutedUntil = m.Name, m.Owner, m.Until(v.ev.Now)
		v.wants(v.c.MutedUntil)
		// It may be ended before its time.
		v.wants(v.ev.Now.Add(time.Duration(v.rules.Noise.Review)))
	case v.c.Mute != "":
		v.c.Mute, v.c.MutedBy, v.c.MutedUntil = "", "", time.Time{}
	}
	return nil
}

// quiet finds what holds back every message about the case. Where the review read
// a part of the members alone and a mute covers those, it reads all of them: one
// that no mute covers must not go under in a large case.
func (v *review) quiet(ctx context.Context) (policy.Mute, bool, error) {
	m, muted := v.c.Quiet(v.ev.Mutes, v.members, v.ev.Now)
	if !muted || len(v.members) < maxReviewed {
		return m, muted, nil
	}
	all, err := v.r.Store.Members(ctx, v.c.ID, max(v.c.Total, maxReviewed)+1)
	if err != nil {
		return m, false, err
	}
	for i := range all {
		if now, ok := v.changed[all[i].Identity]; ok {
			all[i] = now // this review let it go
		}
	}
	m, muted = v.c.Quiet(v.ev.Mutes, all, v.ev.Now)
	return m, muted, nil
}

// say tells people what is due: what was held back, what changed, and that the
// case grew.
func (v *review) say() {
	if !v.c.Open() {
		switch {
		case v.what == cases.WhatResolved:
			v.over()
		case v.c.Untold != cases.WhatResolved:
		case v.ev.Now.Before(v.c.HeldUntil):
			v.reviewAt(&v.c, v.c.HeldUntil)
		default:
			v.over()
		}
		return
	}
	if v.c.Silent(v.ev.Now) {
		if v.what != "" && v.c.Untold == "" {
			v.c.Untold = v.what
		}
		return
	}
	switch {
	case v.c.Untold != "" && v.c.Untold != cases.WhatResolved:
		if v.held() {
			return
		}
		v.speak(v.c.Untold, nil)
	case v.what != "":
		v.speak(v.what, nil)
	case len(v.c.MutedChannels) > 0:
		v.catchUp()
	}
	if v.c.CountedAt.IsZero() || v.c.Fresh == 0 {
		return
	}
	at := v.digestAt(v.c)
	switch {
	case v.ev.Now.Before(at):
		v.wants(at)
	case v.news():
		v.c.Digests++
		v.note = causes(v.since(), v.rules.Noise.Correlate)
		v.speak(cases.WhatDigest, nil)
	}
}

// held reports whether what is untold waits on: until its hold has passed, and
// no longer than the grade asks for that the case got in this review.
func (v *review) held() bool {
	if v.what == cases.WhatRegraded {
		v.c.Hasten(v.ev.Now.Add(v.rules.Noise.Hold.For(v.c.Grade)))
	}
	if !v.ev.Now.Before(v.c.HeldUntil) {
		return false
	}
	v.wants(v.c.HeldUntil)
	return true
}

// news reports whether what joined the case since the last message is worth one:
// something of another kind, or twice as much.
func (v *review) news() bool {
	fresh := v.since()
	if len(fresh) == 0 && len(v.muted) > 0 {
		return false // all that came is muted
	}
	if v.c.Fresh >= v.c.CaseNoise.Told {
		return true
	}
	rules := v.rules.Noise.Correlate
	known := map[class]bool{}
	for _, m := range v.members {
		if !m.Joined.At.After(v.c.CountedAt) && !m.LastFired.Before(v.c.StartedAt) {
			known[classOf(m, rules)] = true
		}
	}
	return slices.ContainsFunc(fresh, func(m cases.Alert) bool { return !known[classOf(m, rules)] })
}

// over tells the end of a case, unless nobody was told of its begin.
func (v *review) over() {
	if v.c.Untold != "" && v.c.Untold != cases.WhatResolved {
		v.c.Untold, v.c.HeldUntil = "", time.Time{}
		return
	}
	v.speak(cases.WhatResolved, nil)
}

// catchUp tells the channels that a mute left out, as soon as it ends.
func (v *review) catchUp() {
	left := v.c.MutedChannels
	v.c.MutedChannels = nil
	v.speak(cases.WhatOpened, left)
}

// speak plans a message about the case as it is now.
func (v *review) speak(what cases.What, channels []string) {
	pick := v.members
	if what == cases.WhatDigest {
		pick = v.since()
	}
	shown, more := representatives(pick, v.rules.Noise.Correlate)
	if n := v.c.Total - len(v.members); n > 0 && what != cases.WhatDigest {
		more += n
	}
	v.tell(v.c, telling{what: what, alerts: shown, more: more, note: v.note, channels: channels, whole: channels == nil})
	next := v.c.NextReview
	v.c = v.cases[v.c.ID]
	v.c.NextReview = next
}

// since lists the members that joined after people were told last what is in the
// case, without those that a mute covers.
func (v *review) since() []cases.Alert {
	var out []cases.Alert
	for i := range v.members {
		if m := &v.members[i]; m.Joined.At.After(v.c.CountedAt) && !v.muted[m.Identity] {
			out = append(out, *m)
		}
	}
	return out
}

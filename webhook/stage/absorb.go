package stage

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/foreshock/foreshock/webhook/alert"
	"github.com/foreshock/foreshock/webhook/cases"
	"github.com/foreshock/foreshock/webhook/policy"
)

// absorbFor is how long after its opening a case may become a part of another
// one, maxAbsorbed of how many alerts: later, and with more, people know it.
const (
	absorbFor   = 10 * time.Minute
	maxAbsorbed = 200
)

// absorb merges the case into another one that turned out to be the same
// problem: a case that another receiver opened at the same time, one whose alerts
// came late, or that of a storm that was none yet. True when it did.
func (v *review) absorb(ctx context.Context) (bool, error) {
	c := v.c
	if c.Grade == policy.P0 || c.State != cases.New || c.Owner != "" || strings.HasPrefix(c.Key, stormPrefix) ||
		v.ev.Now.Sub(c.OpenedAt) > absorbFor || c.Total > maxAbsorbed || c.Total != len(v.members) {
		return false, nil
	}
	probe := Event{Now: v.ev.Now, Prior: cases.Prior{Cases: map[string]cases.Case{}}}
	for _, m := range v.members {
		known := m
		known.CaseID = "" // as if it were new
		if m.Joined.How == cases.HowSplit {
			return false, nil
		}
		probe.Verdicts = append(probe.Verdicts, Verdict{
			Alert: m.Last, Identity: m.Identity, Decision: Accepted, Reason: ReasonFired, Known: known, Grade: m.Grade, Due: m.GradeReason,
		})
		// The times of the firing that made it a member.
		probe.Verdicts[len(probe.Verdicts)-1].Alert.StartsAt = m.LastFired
	}
	var err error
	rules := func() policy.Rules { return v.rules }
	others := apartFrom{v.r.Store, c.ID}
	for _, s := range []Stage{Similar{Rules: rules, Store: others}, Correlate{Rules: rules, Store: others, Graph: v.r.Graph}} {
		if probe, err = s.Exec(ctx, probe); err != nil {
			return false, err
		}
	}
	if j, target, ok := older(probe, c); ok {
		return true, v.mergeInto(target, j, probe)
	}
	return v.absorbStorm(ctx, probe)
}

// apartFrom is what is stored, without one case.
type apartFrom struct {
	Recall
	caseID string
}

// Links leaves out the links of the case.
func (a apartFrom) Links(ctx context.Context, q cases.LinkQuery) ([]cases.Link, error) {
	all, err := a.Recall.Links(ctx, q)
	return slices.DeleteFunc(all, func(l cases.Link) bool { return l.CaseID == a.caseID }), err
}

// older is the oldest open case, older than the given one, that any of its alerts
// belongs to.
func older(probe Event, c cases.Case) (best Join, target cases.Case, found bool) {
	for i := range probe.Verdicts {
		j := probe.Verdicts[i].Join
		if j == nil || j.CaseID == "" {
			continue
		}
		t := probe.Prior.Cases[j.CaseID]
		if t.Open() && t.ID < c.ID && (!found || t.ID < target.ID) {
			best, target, found = *j, t, true
		}
	}
	return best, target, found
}

// absorbStorm merges the case into that of a storm that it was a part of.
func (v *review) absorbStorm(ctx context.Context, probe Event) (bool, error) {
	rules := v.rules.Noise.Storm
	if !rules.Enabled {
		return false, nil
	}
	var vs []*Verdict
	for i := range probe.Verdicts {
		vs = append(vs, &probe.Verdicts[i])
	}
	sky, err := look(ctx, v.r.Store, rules, vs)
	if err != nil {
		return false, err
	}
	for _, one := range vs {
		src, n, ok := sky.storm(v.c.Cluster, one.Alert, rules)
		if !ok {
			continue
		}
		found, err := v.r.Store.Prior(ctx, nil, []string{src.key()})
		if err != nil {
			return false, err
		}
		t, ok := found.Cases[found.ByKey[src.key()]]
		switch {
		case ok && t.Open():
			return true, v.mergeInto(t, *src.join(n, rules), probe)
		case !ok:
			v.lead(*src.join(n, rules))
			return false, nil
		case v.ev.Now.Sub(t.ResolvedAt) >= relapse: // another storm: that one keeps its name for the record alone
			v.ev.Prior.Cases[t.ID] = t
			t.Key += "#" + t.ID
			v.put(t)
			v.lead(*src.join(n, rules))
			return false, nil
		}
	}
	return false, nil
}

// lead makes the case that of a storm that has none yet.
func (v *review) lead(j Join) {
	delete(v.byKey, v.c.Key)
	v.c.Key, v.c.Title, v.c.Labels = j.Key, j.Title, j.Labels
	v.event(v.c, cases.Event{Kind: cases.Noted, Note: "it is the case of a storm now: " + j.Why}, nil)
}

// mergeInto makes the alerts of the case members of another one, and closes it.
func (v *review) mergeInto(t cases.Case, j Join, probe Event) error {
	c := v.c
	v.ev.Prior.Cases[t.ID] = t
	v.cases[t.ID] = t
	for i, m := range v.members {
		m.CaseID = t.ID
		m.Joined = cases.Membership{How: string(j.How), Evidence: j.Why, At: joinedAt(t, v.ev.Now), From: c.ID}
		if own := probe.Verdicts[i].Join; own != nil && own.CaseID == t.ID {
			m.Joined.How, m.Joined.Evidence = string(own.How), own.Why
		}
		v.changed[m.Identity] = m
		t.Total++
		t.Fresh++
		if m.Counts() {
			t.Firing++
		}
		if m.LastFired.Before(t.StartedAt) {
			t.StartedAt = m.LastFired
		}
		v.event(t, cases.Event{Kind: cases.Joined, From: c.ID, Alert: m.Identity.String(), Note: m.Joined.How + ": " + m.Joined.Evidence}, nil)
		v.link(t, &probe.Verdicts[i])
	}
	if t.Origin == "" || j.Origin != "" {
		t.Origin = j.Origin
	}
	t, what, channels := v.widen(t)
	v.put(t)
	if what != "" {
		v.tell(t, telling{what: what, alerts: lasts(v.members), note: "merged from case " + c.ID, channels: channels})
	} else {
		v.digestLater(t)
	}
	return v.leave(c, t)
}

// widen gives the other case the grade and the channels of this one; what is told
// of it, and to whom.
func (v *review) widen(t cases.Case) (cases.Case, cases.What, []string) {
	c := v.c
	if v.hushed(&t) {
		return t, "", nil
	}
	if c.Base < t.Base {
		t.Base, t.BaseReason = c.Base, c.BaseReason
	}
	var what cases.What
	if was := t.Grade; c.Grade < was {
		t.Grade, t.GradeReason = c.Grade, c.GradeReason
		v.event(t, cases.Event{Kind: cases.Graded, From: was.String(), To: t.Grade.String(), Note: string(t.GradeReason)}, nil)
		v.follow(func(f *cases.Follow) { f.Regraded(&t, was) })
		what = cases.WhatRegraded
	}
	var added []string
	for _, name := range c.Channels {
		if !slices.Contains(t.Channels, name) {
			added = append(added, name)
		}
	}
	t.Channels, t.Routes = union(t.Channels, c.Channels), union(t.Routes, c.Routes)
	if t.Untold != "" || t.Silent(v.ev.Now) { // it is told with what waits
		if !t.Silent(v.ev.Now) {
			at := micros(v.ev.Now.Add(v.rules.Noise.Hold.For(t.Grade)))
			t.HoldUntil(at)
			v.reviewAt(&t, at)
		}
		return t, "", nil
	}
	if what == "" && len(added) > 0 && !c.BelievedFiring() {
		return t, cases.WhatGrew, added
	}
	return t, what, nil
}

// hushed reports whether the members of this case mean nothing yet for another
// one, since a mute covers them and not that; and ends the silence of that one
// when no mute covers them.
func (v *review) hushed(t *cases.Case) bool {
	at := *t
	at.Grade = min(t.Grade, v.c.Grade)
	_, muted := at.Quiet(v.ev.Mutes, v.members, v.ev.Now)
	switch silent := t.Silent(v.ev.Now); {
	case !muted && silent:
		v.event(*t, cases.Event{Kind: cases.Noted, Note: "no longer muted by " + t.Mute + ": it does not cover what joined"}, nil)
		t.Mute, t.MutedBy, t.MutedUntil = "", "", time.Time{}
	case muted && !silent:
		for _, m := range v.members {
			if one := v.changed[m.Identity]; one.Counts() {
				one.Owed = &at.Grade
				v.changed[m.Identity] = one
			}
		}
		v.reviewAt(t, v.ev.Now.Add(time.Duration(v.rules.Noise.Review)))
		return true
	}
	return false
}

// leave closes the case that became a part of another one.
func (v *review) leave(c, t cases.Case) error {
	heard := c.BelievedFiring()
	c.Firing, c.Total, c.Untold, c.HeldUntil, c.MergedInto = 0, 0, "", time.Time{}, t.ID
	c.ResolvedAt, c.ClosedAt = v.ev.Now, v.ev.Now
	for _, on := range []cases.Trigger{cases.Resolve, cases.Close} {
		if err := v.move(&c, on, nil); err != nil {
			return err
		}
	}
	v.follow(func(f *cases.Follow) { f.End(&c, "merged into case "+t.ID) })
	v.event(c, cases.Event{Kind: cases.Left, To: t.ID, Note: fmt.Sprintf("it is the same problem as case %s", t.ID)}, nil)
	delete(v.byKey, c.Key)
	v.put(c)
	if heard {
		v.tell(c, telling{what: cases.WhatMerged, alerts: lasts(v.members), note: "it goes on in case " + t.ID + ": " + t.Title})
	}
	v.ev.Change.Unlink = append(v.ev.Change.Unlink, c.ID)
	return nil
}

func lasts(members []cases.Alert) []alert.Alert {
	shown, _ := cases.Notable(members)
	return shown
}

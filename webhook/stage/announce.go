package stage

import (
	"fmt"
	"time"

	"github.com/foreshock/foreshock/webhook/cases"
)

// announce tells people what happened to a case, or holds it back: while a mute
// covers it, or until the hold of its grade has passed. channels are those that
// hear it; nil: all.
func (d *draft) announce(c cases.Case, what cases.What, v *Verdict, channels []string) error {
	c = d.hush(c, v)
	waits := c.Untold != "" && c.Untold != cases.WhatResolved && !c.Silent(d.ev.Now)
	switch what {
	case "", cases.WhatGrew:
		if d.join(c, what, v) {
			return nil
		}
		if what == "" && !waits {
			d.digestLater(c)
			return nil
		}
	case cases.WhatResolved:
		return d.overNow(c, v)
	}
	if c.Silent(d.ev.Now) {
		if c.Untold != "" && c.Untold != cases.WhatResolved {
			what = c.Untold // what was held back first says more
		}
		at := d.ev.Now.Add(time.Duration(d.rules.Noise.Review)) // it may be ended before its time
		if c.MutedUntil.Before(at) {
			at = c.MutedUntil
		}
		d.later(c, what, at)
		return nil
	}
	if waits {
		d.hurry(c, v)
		return nil
	}
	hold := d.rules.Noise.Hold.For(c.Grade)
	if hold > 0 && (what == cases.WhatOpened || what == cases.WhatReopened) {
		d.hold(c, what, d.ev.Now.Add(hold))
		return nil
	}
	if len(v.Links) > 0 && c.Heard == "" {
		// What came at the same time to another receiver is found a little later.
		d.reviewAt(&c, d.ev.Now.Add(healAfter))
		d.put(c)
	}
	if !d.join(c, what, v) {
		d.tell(c, about(what, v, channels))
	}
	return nil
}

// hush notes whether a mute holds back everything about the case, now that an
// alert began to fire: only when it covers all that fires. An alert that no mute
// covers ends the silence of its case.
func (d *draft) hush(c cases.Case, v *Verdict) cases.Case {
	if !v.News() {
		return c
	}
	m, muted := c.Covered(d.ev.Mutes, v.Known, d.ev.Now)
	switch silent := c.Silent(d.ev.Now); {
	case !muted && silent:
		d.event(c, cases.Event{Kind: cases.Noted, Note: "no longer muted by " + c.Mute + ": it does not cover this alert"}, v)
		c.Mute, c.MutedBy, c.MutedUntil = "", "", time.Time{}
	case !muted:
		return c
	case !silent && c.Firing > 1: // the others are told; this one when its mute ends
		at := d.ev.Now.Add(time.Duration(d.rules.Noise.Review))
		if end := m.Until(d.ev.Now); end.Before(at) {
			at = end
		}
		d.reviewAt(&c, at)
	case !silent:
		c.Mute, c.MutedBy, c.MutedUntil = m.Name, m.Owner, m.Until(d.ev.Now)
		d.event(c, cases.Event{Kind: cases.Muted, Note: mutedNote(m, d.ev.Now)}, v)
	case m.Until(d.ev.Now).Before(c.MutedUntil):
		c.Mute, c.MutedBy, c.MutedUntil = m.Name, m.Owner, m.Until(d.ev.Now)
	}
	d.put(c)
	return c
}

// hurry tells what waits, or has it wait no longer than the grade that the case
// has now: what joined it may be more urgent than what opened it.
func (d *draft) hurry(c cases.Case, v *Verdict) {
	if hold := d.rules.Noise.Hold.For(c.Grade); hold > 0 {
		at := micros(d.ev.Now.Add(hold))
		c.HoldUntil(at)
		d.reviewAt(&c, at)
		d.put(c)
		return
	}
	t := about(c.Untold, v, nil)
	t.more, t.whole = max(0, c.Firing-1), true
	d.tell(c, t)
}

// healAfter is when a case that was told at once looks for others of the same
// cause, which another receiver, or a late delivery, may have opened.
const healAfter = 30 * time.Second

// overNow tells that a case is over: not at all when nobody was told that it
// began, later when its grade has a hold, since it may begin again.
func (d *draft) overNow(c cases.Case, v *Verdict) error {
	if c.Untold == cases.WhatOpened || c.Untold == cases.WhatReopened {
		c.Untold, c.HeldUntil = "", time.Time{}
		d.put(c)
		d.event(c, cases.Event{Kind: cases.Noted, Actor: cases.System, Note: "it was over before anybody was told"}, v)
		return nil
	}
	if hold := d.rules.Noise.Hold.Over(c.Grade); hold > 0 && c.BelievedFiring() {
		d.hold(c, cases.WhatResolved, d.ev.Now.Add(hold))
		return nil
	}
	d.tell(c, about(cases.WhatResolved, v, nil))
	return nil
}

// hold holds back a message until a time, also where the case is reviewed before.
func (d *draft) hold(c cases.Case, what cases.What, at time.Time) {
	c.HeldUntil = micros(at)
	d.later(c, what, at)
}

// evidenceAfter is how long after an alert joined a case the rules of regrading
// look at it: soon, since what they find may make it urgent, and not at once,
// since alerts of one problem come together.
const evidenceAfter = 5 * time.Second

// evidenceEvery is how long a case that alerts keep joining leaves between two
// such looks: each asks for all its conditions.
const evidenceEvery = 10 * time.Second

// regradeSoon plans that the rules of regrading look at a case in which an alert
// began to fire: there is more of it now, and it may be told at once, with no
// other review to come.
func (d *draft) regradeSoon(c cases.Case) cases.Case {
	if len(d.rules.Noise.Regrade) > 0 {
		at := d.ev.Now.Add(evidenceAfter)
		if next := c.LookedAt.Add(evidenceEvery); at.Before(next) && !d.ev.Now.Before(c.LookedAt) { // the clock may have gone back
			at = next
		}
		d.reviewAt(&c, at)
		d.put(c)
	}
	return c
}

// later holds back a message until a review.
func (d *draft) later(c cases.Case, what cases.What, at time.Time) {
	c.Untold = what
	d.reviewAt(&c, at)
	d.put(c)
}

// digestLater plans that people hear of what was merged into a case that they
// know.
func (d *draft) digestLater(c cases.Case) {
	if c.CountedAt.IsZero() || c.Fresh == 0 || c.Untold != "" {
		return
	}
	d.reviewAt(&c, d.digestAt(c))
	d.put(c)
}

// digestAt is when people are told next that a case grew.
func (d *draft) digestAt(c cases.Case) time.Time {
	if c.CountedAt.After(d.ev.Now) {
		return d.ev.Now // the clock went back
	}
	return c.CountedAt.Add(time.Duration(d.rules.Noise.Digest) << min(c.Digests, 1))
}

// What a review costs grows with the members of the case, since it looks at all of them: some 30 ms for a thousand. So a large case rests between two
// of them, two seconds for each thousand, and never so long that people wait for it.
const (
	restPerThousand = 2 * time.Second
	maxRest         = 30 * time.Second
	restFrom        = 100 // members; smaller cases need none
)

func pause(members int) time.Duration {
	if members < restFrom {
		return 0
	}
	return min(maxRest, restPerThousand*time.Duration(members)/1000)
}

// overdue is how late a planned review may be before another one is planned in its place. In a storm reviews wait behind much else: were each
// delivery to plan its own, they would be what the others wait for.
const overdue = time.Minute

// reviewAt plans a review of the case, unless an earlier one is planned: that one plans the next itself.
func (d *draft) reviewAt(c *cases.Case, at time.Time) {
	if at.Before(d.ev.Now) {
		at = d.ev.Now
	}
	if rested := c.LookedAt.Add(pause(c.Total)); at.Before(rested) && !d.ev.Now.Before(c.LookedAt) { // the clock may have gone back
		at = rested
	}
	at = micros(at)
	if !c.NextReview.IsZero() && !at.Before(c.NextReview) && d.ev.Now.Before(c.NextReview.Add(overdue)) {
		return
	}
	c.NextReview = at
	d.action(*c, cases.Action{
		Key: fmt.Sprintf("%s/review/%d/%d", c.ID, c.Version, at.UnixMicro()), Kind: cases.Review, Channel: cases.InternalChannel, Planned: at,
	})
}

// linkName is what links are joined by; see cases.Link.
type linkName struct{ kind, key, caseID string }

// link remembers how later alerts find this case.
func (d *draft) link(c cases.Case, v *Verdict) {
	for i := range v.Links {
		l := &v.Links[i]
		if l.CaseID = c.ID; l.Kind == kindSource {
			l.CaseID = ""
		}
		k := linkName{l.Kind, l.Key, l.CaseID}
		at, known := d.linked[k]
		if !known {
			d.linked[k] = len(d.links)
			d.links = append(d.links, *l)
			continue
		}
		one := &d.links[at]
		if l.From.Before(one.From) {
			one.From = l.From
		}
		one.To = later(one.To, l.To)
		one.N += l.N
	}
}

package cases

import (
	"time"

	"github.com/foreshock/foreshock/webhook/policy"
)

// Membership says how an alert came into its case. It is what a split undoes.
type Membership struct {
	// How is "opened", or the reason of a merge: "similar", "host", "deploy",
	// "dependency", "storm"; "split" after a person took it out of another case.
	How      string    `json:"how,omitempty"`
	Evidence string    `json:"evidence,omitempty"` // one sentence for people
	With     string    `json:"with,omitempty"`     // identity of the alert that it was merged with, if it was one
	At       time.Time `json:"at,omitzero"`
	From     string    `json:"from,omitempty"` // case that it was in before
}

// HowOpened is the Membership.How of the alert that opened its case, HowSplit of
// one that a person took out of another case.
const (
	HowOpened = "opened"
	HowSplit  = "split"
	// howSimilar is of one that says what another one says.
	howSimilar = "similar"
)

// Span is a time in which an alert fired. To is zero while its end is not known.
type Span struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to,omitzero"`
}

// AlertNoise is what noise reduction keeps with an alert.
type AlertNoise struct {
	Grade       policy.Grade  `json:"grade"` // of this alert alone
	GradeReason policy.Reason `json:"gradeReason,omitempty"`
	Joined      Membership    `json:"joined,omitzero"`
	// Spans are the newest times in which it fired, oldest first: a set that any
	// order of deliveries leads to.
	Spans []Span `json:"spans,omitempty"`
	// FlappingSince is when it began to flap; zero: it does not.
	FlappingSince time.Time `json:"flappingSince,omitzero"`
	// Held: it is over, but its case counts it as firing, since it flaps.
	Held bool `json:"held,omitempty"`
	// Owed is the grade that the alert gives its case when its mute ends; nil: it
	// was not muted when it joined, or alone.
	Owed *policy.Grade `json:"owed,omitempty"`
}

// Counts reports whether the case counts the alert as firing.
func (a Alert) Counts() bool { return a.Firing() || a.Held }

// CaseNoise is what noise reduction keeps with a case.
type CaseNoise struct {
	// Origin is where the problem probably comes from, e.g. service="db".
	Origin string `json:"origin,omitempty"`
	// ToldAt is when people were told anything last. CountedAt is when they were
	// told what is in the case, Told how many members it had then, Fresh how many
	// came or fired again since, Digests how often they were told of those. Zero:
	// nobody was told yet.
	ToldAt    time.Time `json:"toldAt,omitzero"`
	CountedAt time.Time `json:"countedAt,omitzero"`
	Told      int       `json:"told,omitempty"`
	Fresh     int       `json:"fresh,omitempty"`
	Digests   int       `json:"digests,omitempty"`
	// Heard is what people were told last.
	Heard What `json:"heard,omitempty"`
	// Untold is what people shall be told when the hold of the grade ends.
	Untold What `json:"untold,omitempty"`
	// HeldUntil is until when Untold waits also where the case is looked at before;
	// zero: until the next look.
	HeldUntil time.Time `json:"heldUntil,omitzero"`
	// LookedAt is when the case looked at itself last.
	LookedAt time.Time `json:"lookedAt,omitzero"`
	// NextReview is when the case looks at itself next; zero: never.
	NextReview time.Time `json:"nextReview,omitzero"`
	// Mute names what holds back the messages of the case, MutedBy its owner and
	// MutedUntil its end. Empty: nothing does.
	Mute       string    `json:"mute,omitempty"`
	MutedBy    string    `json:"mutedBy,omitempty"`
	MutedUntil time.Time `json:"mutedUntil,omitzero"`
	// MutedChannels were left out of the last message, by a mute of them alone.
	MutedChannels []string `json:"mutedChannels,omitempty"`
	// FlappingSince is when people were told that alerts of the case flap; zero:
	// none does.
	FlappingSince time.Time `json:"flapping,omitzero"`
	// Services counts the services of the members, as far as it is known.
	Services int `json:"services,omitempty"`
	// MergedInto is the case that this one became a part of.
	MergedInto string `json:"mergedInto,omitempty"`
	// Base is the most urgent grade of the members, before regrading.
	Base       policy.Grade  `json:"base,omitzero"`
	BaseReason policy.Reason `json:"baseReason,omitempty"`
}

// Silent reports whether a mute holds back what is told about the case.
func (c Case) Silent(now time.Time) bool { return c.Mute != "" && now.Before(c.MutedUntil) }

// Hasten lets what is held back wait no longer than until a time; what waits for
// the next look does not wait for it.
func (c *Case) Hasten(at time.Time) {
	if at.Before(c.HeldUntil) {
		c.HeldUntil = at
	}
}

// HoldUntil lets what is held back wait until a time, and no longer than it does
// already; what waited for the end of a mute has its hold now.
func (c *Case) HoldUntil(at time.Time) {
	if c.HeldUntil.IsZero() || at.Before(c.HeldUntil) {
		c.HeldUntil = at
	}
}

// CaseMute is the name of the mute, as mutes are listed, that a person gave one
// case: it covers what was in the case when it began, and what says the same
// later.
func CaseMute(caseID string) string { return "command case " + caseID }

// Covered finds what holds back every message about a member of the case.
func (c Case) Covered(ms policy.Mutes, m Alert, now time.Time) (policy.Mute, bool) {
	for _, one := range ms {
		if one.Name != CaseMute(c.ID) || !one.Whole() || !one.Active(now) || !one.Covers(c.Grade, c.Labels) {
			continue
		}
		if !m.Joined.At.After(one.Starts) || (m.Joined.How == howSimilar && m.Grade != policy.P0) {
			return one, true
		}
	}
	return ms.Whole(now, c.Grade, m.Last.Labels)
}

// Quiet finds what holds back every message about the case: the mute that ends
// first of those that cover its members, when each that counts as firing is
// covered. What is known of no member is judged by the labels of the case.
func (c Case) Quiet(ms policy.Mutes, members []Alert, now time.Time) (policy.Mute, bool) {
	var found policy.Mute
	for _, m := range members {
		if !m.Counts() {
			continue
		}
		one, ok := c.Covered(ms, m, now)
		if !ok {
			return policy.Mute{}, false
		}
		if found.Owner == "" || one.Until(now).Before(found.Until(now)) {
			found = one
		}
	}
	if found.Owner == "" {
		return ms.Whole(now, c.Grade, c.Labels)
	}
	return found, true
}

// BelievedFiring reports whether people were told last that the case fires.
func (c Case) BelievedFiring() bool { return c.Heard != "" && c.Heard != WhatResolved }

// Link is one fact by which alerts find the case that they belong to: that a
// case has an alert of this text, host or service around these times, or how
// many alerts a source had. Links of one (Kind, Key, CaseID) are joined by a
// store: the earliest From, the latest To, the sum of N. That does not depend
// on their order.
type Link struct {
	Kind   string    `json:"kind"`
	Key    string    `json:"key"`
	CaseID string    `json:"caseId,omitempty"`
	From   time.Time `json:"from"` // earliest start of an alert
	To     time.Time `json:"to"`   // latest start of an alert
	N      int64     `json:"n"`
	Detail string    `json:"detail,omitempty"` // e.g. the text that was compared; the first one stays
	// Lead is the identity of the alert that the link is of; the first one stays.
	Lead string `json:"lead,omitempty"`
}

// LinkQuery selects links of one kind.
type LinkQuery struct {
	Kind  string
	Keys  []string
	Since time.Time // only those whose To is not before
}

// Split is a person's word that an alert does not belong to a case: Alert is an
// identity, Key the key of the case, or the identity of the alert that leads it.
type Split struct {
	Alert string    `json:"alert"`
	Key   string    `json:"key"`
	By    string    `json:"by"`
	At    time.Time `json:"at"`
}

// MuteOrder is a mute by command; those of the configuration are policy.Mute alone.
type MuteOrder struct {
	policy.Mute
	ID        string    `json:"id"`
	CreatedBy string    `json:"createdBy"`
	CreatedAt time.Time `json:"createdAt"`
	EndedBy   string    `json:"endedBy,omitempty"` // who ended it before its time
}

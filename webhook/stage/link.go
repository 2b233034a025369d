package stage

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"github.com/foreshock/foreshock/webhook/alert"
	"github.com/foreshock/foreshock/webhook/cases"
)

// The kinds of links.
const (
	kindSimilar = "similar" // Key: a quarter of the SimHash; Detail: the hash and the words
	kindHost    = "host"    // Key: cluster and host
	kindService = "service" // Key: cluster and service
	kindDeploy  = "deploy"  // Key: cluster, label and value
	kindSource  = "source"  // Key: cluster, source and a slice of time; of no case: N counts new alerts
)

// pool is what a stage knows of the cases that an alert may belong to: those
// stored, and those that alerts before it in the delivery are about to make.
type pool struct {
	near  map[spot][]near
	cases map[string]cases.Case
	apart map[[2]string]bool
}

// spot is what facts are found by.
type spot struct{ kind, key string }

// near is one fact about a case, or about an alert before in the delivery.
type near struct {
	cases.Link
	with *alert.Identity
	at   int // position in the delivery of with
}

// recall reads the facts under the keys of these links' kinds, and adds the cases
// to ev.Prior.
func recall(ctx context.Context, store Recall, ev *Event, queries []cases.LinkQuery) (*pool, error) {
	p := &pool{near: map[spot][]near{}, cases: map[string]cases.Case{}, apart: map[[2]string]bool{}}
	var ids []string
	for _, q := range queries {
		if len(q.Keys) == 0 {
			continue
		}
		slices.Sort(q.Keys)
		q.Keys = slices.Compact(q.Keys)
		links, err := store.Links(ctx, q)
		if err != nil {
			return nil, err
		}
		for _, l := range links {
			k := spot{l.Kind, l.Key}
			p.near[k] = append(p.near[k], near{Link: l})
			ids = append(ids, l.CaseID)
		}
	}
	slices.Sort(ids)
	ids = slices.Compact(ids)
	if len(ids) == 0 {
		return p, nil
	}
	var unread []string
	for _, id := range ids {
		if c, ok := ev.Prior.Cases[id]; ok {
			p.cases[id] = c // what the decision is based on already
		} else {
			unread = append(unread, id)
		}
	}
	if len(unread) > 0 {
		found, err := store.CasesByID(ctx, unread)
		if err != nil {
			return nil, err
		}
		maps.Copy(p.cases, found)
		ev.Prior.Cases = overlay(ev.Prior.Cases, found)
	}
	return p, p.splits(ctx, store, ev)
}

// splits reads what people took apart, of the new alerts and of those that lead
// cases.
func (p *pool) splits(ctx context.Context, store Recall, ev *Event) error {
	var names []string
	for i := range ev.Verdicts {
		if ev.Verdicts[i].Newcomer(ev.Prior) {
			names = append(names, ev.Verdicts[i].who())
		}
	}
	for _, c := range p.cases {
		names = append(names, c.Key)
	}
	slices.Sort(names)
	all, err := store.Splits(ctx, slices.Compact(names))
	if err != nil {
		return err
	}
	for _, s := range all {
		p.apart[[2]string{s.Alert, s.Key}], p.apart[[2]string{s.Key, s.Alert}] = true, true
	}
	return nil
}

// add makes an alert known to those after it in the delivery.
func (p *pool) add(v *Verdict, i int) {
	target := near{with: &v.Identity, at: i}
	if j := v.Join; j != nil && j.CaseID != "" {
		target = near{Link: cases.Link{CaseID: j.CaseID}}
	} else if j != nil && j.With != nil {
		target.with = j.With
	}
next:
	for _, l := range v.Links {
		k := spot{l.Kind, l.Key}
		for n := range p.near[k] {
			o := &p.near[k][n]
			if o.Detail == l.Detail && o.CaseID == target.CaseID && (o.with == nil) == (target.with == nil) && (o.with == nil || *o.with == *target.with) {
				if l.From.Before(o.From) {
					o.From = l.From
				}
				if l.To.After(o.To) {
					o.To = l.To
				}
				continue next
			}
		}
		one := target
		one.Link = l
		one.CaseID, one.Lead = target.CaseID, v.who()
		p.near[k] = append(p.near[k], one)
	}
}

// choose finds the case that an alert belongs to: its own if that fits, else the
// oldest; one that is about to be made after those that there are. fits says how
// a fact relates the two.
func (p *pool) choose(v *Verdict, spots []spot, window time.Duration, fits func(n near) (Join, bool)) *Join {
	var best *Join
	var from near
	for _, k := range spots {
		for _, n := range p.near[k] {
			if !p.may(v, n) || v.Alert.StartsAt.Before(n.From.Add(-window)) || v.Alert.StartsAt.After(n.To.Add(window)) {
				continue
			}
			if best != nil && !better(v, n, from) {
				continue
			}
			if j, ok := fits(n); ok {
				j.CaseID, j.With = n.CaseID, n.with
				best, from = &j, n
			}
		}
	}
	return best
}

func better(v *Verdict, a, b near) bool {
	own := func(n near) int { return b2i(n.CaseID == "" || n.CaseID != v.Known.CaseID) }
	return cmp.Or(cmp.Compare(own(a), own(b)), cmp.Compare(b2i(a.CaseID == ""), b2i(b.CaseID == "")), cmp.Compare(a.CaseID, b.CaseID), cmp.Compare(a.at, b.at)) < 0
}

// may reports whether the alert may belong to that case: it is there and not
// closed, and nobody took them apart.
func (p *pool) may(v *Verdict, n near) bool {
	name := v.who()
	if n.CaseID == "" {
		return n.with != nil && *n.with != v.Identity && !p.apart[[2]string{name, n.with.String()}]
	}
	c, ok := p.cases[n.CaseID]
	return ok && c.State != cases.Closed && c.Cluster == v.Identity.Cluster && !p.apart[[2]string{name, c.Key}] && !p.apart[[2]string{name, n.Lead}]
}

// merge notes that an alert becomes a part of a case.
func (v *Verdict) merge(j *Join) {
	v.Join = j
	v.Noise, v.Why = Merged, j.How
}

func linkOf(kind, key string, v *Verdict) cases.Link {
	return cases.Link{Kind: kind, Key: key, From: v.Alert.StartsAt, To: v.Alert.StartsAt, N: 1, Lead: v.who()}
}

// earliest is the earliest start of the new alerts of an event.
func earliest(ev Event) time.Time {
	var t time.Time
	for i := range ev.Verdicts {
		if v := &ev.Verdicts[i]; v.Newcomer(ev.Prior) && (t.IsZero() || v.Alert.StartsAt.Before(t)) {
			t = v.Alert.StartsAt
		}
	}
	return t
}

// newcomers are the positions of the alerts that began to fire and are in no open
// case.
func newcomers(ev Event) []int {
	var out []int
	for i := range ev.Verdicts {
		if ev.Verdicts[i].Newcomer(ev.Prior) {
			out = append(out, i)
		}
	}
	return out
}

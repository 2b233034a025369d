package stage

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/foreshock/foreshock/webhook/cases"
	"github.com/foreshock/foreshock/webhook/policy"
)

// Similar merges alerts that say the same about one of many: SimHash finds
// candidates, edit distance decides. A merge can be undone by a split.
type Similar struct {
	Rules func() policy.Rules
	Store Recall
}

// Name is "similar".
func (Similar) Name() string { return "similar" }

// Exec fills Join and Links of new alerts.
func (s Similar) Exec(ctx context.Context, ev Event) (Event, error) {
	rules := s.Rules().Noise
	fresh := newcomers(ev)
	if !rules.Similar.Enabled || len(fresh) == 0 {
		return ev, nil
	}
	ev.Verdicts = slices.Clone(ev.Verdicts)
	texts := make(map[int]said, len(fresh))
	q := cases.LinkQuery{Kind: kindSimilar, Since: earliest(ev).Add(-time.Duration(rules.Similar.Window))}
	for _, i := range fresh {
		v := &ev.Verdicts[i]
		texts[i] = sayings(v, rules)
		v.Links = slices.Concat(v.Links, texts[i].links)
		q.Keys = append(q.Keys, texts[i].keys...)
	}
	p, err := recall(ctx, s.Store, &ev, []cases.LinkQuery{q})
	if err != nil {
		return ev, err
	}
	for _, i := range fresh {
		v := &ev.Verdicts[i]
		if j := texts[i].find(p, v, rules.Similar); j != nil {
			v.merge(j)
		}
		p.add(v, i)
	}
	return ev, nil
}

// said is what an alert says, as it is compared.
type said struct {
	hash  uint64
	words []string
	keys  []string // blocks
	links []cases.Link
	text  string
}

func sayings(v *Verdict, rules policy.Noise) said {
	s := said{words: words(v.Alert, rules.Correlate.HostLabels)}
	s.hash = simhash(s.words)
	s.keys = blocks(v.Identity.Cluster, s.hash)
	s.text = described(s.hash, s.words)
	s.links = make([]cases.Link, len(s.keys))
	for i, k := range s.keys {
		s.links[i] = linkOf(kindSimilar, k, v)
		s.links[i].Detail = s.text
	}
	return s
}

// find is the case that says the same, nil when none does.
func (s said) find(p *pool, v *Verdict, rules policy.Similar) *Join {
	keys := make([]string, len(s.keys))
	for i, k := range s.keys {
		keys[i] = kindSimilar + "|" + k
	}
	return p.choose(v, keys, time.Duration(rules.Window), func(n near) (Join, bool) {
		j := Join{How: ReasonSimilar}
		if n.Detail == s.text {
			j.Why = "it says the same as " + n.Lead + ", but for numbers and addresses"
			return j, true
		}
		h, others, ok := readDescribed(n.Detail)
		if !ok {
			return j, false
		}
		bits, share := distance(s.hash, h), likeness(s.words, others)
		j.Why = fmt.Sprintf("%.0f %% of its words are those of %s (SimHash distance %d)", 100*share, n.Lead, bits)
		return j, int64(bits) <= rules.Bits && share >= rules.Likeness
	})
}

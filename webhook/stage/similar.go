package stage

import (
	"context"
	"fmt"
	"slices"
	"strings"
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
	texts, memo := make(map[int]*said, len(fresh)), map[string]*said{}
	q := cases.LinkQuery{Kind: kindSimilar, Since: earliest(ev).Add(-time.Duration(rules.Similar.Window))}
	for _, i := range fresh {
		v := &ev.Verdicts[i]
		texts[i] = sayings(v, rules, memo)
		v.Links = slices.Grow(v.Links, maxLinks)
		for _, k := range texts[i].keys {
			l := linkOf(kindSimilar, k, v)
			l.Detail = texts[i].text
			v.Links = append(v.Links, l)
		}
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
	spots []spot   // of the blocks
	text  string
}

// maxLinks is how many links an alert has at most: four quarters of its hash, its
// host, rollout and service, and two sources.
const maxLinks = 9

// sayings is what an alert says. Many of one delivery say the same: memo keeps
// what was said by cluster and words.
func sayings(v *Verdict, rules policy.Noise, memo map[string]*said) *said {
	all := words(v.Alert, rules.Correlate.HostLabels)
	k := v.Identity.Cluster + "\x00" + strings.Join(all, "\x00")
	s := memo[k]
	if s == nil {
		h := simhash(all)
		s = &said{hash: h, words: all, keys: blocks(v.Identity.Cluster, h), text: described(h, all)}
		for _, b := range s.keys {
			s.spots = append(s.spots, spot{kindSimilar, b})
		}
		memo[k] = s
	}
	return s
}

// find is the case that says the same, nil when none does.
func (s *said) find(p *pool, v *Verdict, rules policy.Similar) *Join {
	return p.choose(v, s.spots, time.Duration(rules.Window), func(n near) (Join, bool) {
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

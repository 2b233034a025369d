package stage

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/foreshock/foreshock/webhook/alert"
	"github.com/foreshock/foreshock/webhook/cases"
	"github.com/foreshock/foreshock/webhook/policy"
)

// slices of the window in which new alerts are counted.
const stormSlices = 6

// stormPrefix begins the key of the case that a storm goes to.
const stormPrefix = "storm/"

// Storm sends new alerts to one case of their source while there are more of them
// than people can read. P0 always has its own case, or that of its cause. The
// alerts are counted by when they began, so that the order of deliveries does not
// matter; those that came before the storm was one are merged when their cases
// are reviewed.
type Storm struct {
	Rules func() policy.Rules
	Store Recall
}

// Name is "storm".
func (Storm) Name() string { return "storm" }

// Exec fills Links of new alerts, and Join of those that were not merged yet.
func (s Storm) Exec(ctx context.Context, ev Event) (Event, error) {
	rules := s.Rules().Noise.Storm
	var fresh []int
	for _, i := range newcomers(ev) {
		if v := &ev.Verdicts[i]; v.News() && v.Grade != policy.P0 {
			fresh = append(fresh, i)
		}
	}
	if !rules.Enabled || len(fresh) == 0 {
		return ev, nil
	}
	var verdicts []*Verdict
	for _, i := range fresh {
		verdicts = append(verdicts, &ev.Verdicts[i])
	}
	sky, err := look(ctx, s.Store, rules, verdicts)
	if err != nil {
		return ev, err
	}
	var keys []string
	for _, v := range verdicts {
		all := sources(v.Identity.Cluster, v.Alert.Labels, rules)
		for _, src := range all {
			at := slot{src.key(), slotOf(v.Alert.StartsAt, rules)}
			v.Links = append(v.Links, linkOf(kindSource, at.String(), v))
			sky[at]++
		}
		if src, n, ok := sky.storm(v.Identity.Cluster, v.Alert, rules); ok && v.Join == nil {
			v.merge(src.join(n, rules))
			keys = append(keys, src.key())
		}
	}
	if len(keys) == 0 {
		return ev, nil
	}
	slices.Sort(keys)
	found, err := s.Store.Prior(ctx, nil, slices.Compact(keys))
	if err != nil {
		return ev, err
	}
	ev.Prior.Cases, ev.Prior.ByKey = overlay(ev.Prior.Cases, found.Cases), overlay(ev.Prior.ByKey, found.ByKey)
	return ev, nil
}

// overlay is a copy of a with what only b has.
func overlay[V any](a, b map[string]V) map[string]V {
	out := maps.Clone(b)
	if out == nil {
		out = map[string]V{}
	}
	maps.Copy(out, a)
	return out
}

// source is where alerts come from, as storms are counted.
type source struct {
	cluster, label, value string
	limit                 int64
}

// sources are all sources together, and that of an alert: a storm of everything
// has one case.
func sources(cluster string, l alert.Labels, rules policy.Storm) []source {
	all := source{cluster: cluster, limit: rules.Total}
	for _, n := range rules.Labels {
		if v := l[n]; v != "" {
			return []source{all, {cluster, n, v, rules.Rate}}
		}
	}
	return []source{all}
}

func (s source) key() string {
	if s.label == "" {
		return stormPrefix + s.cluster
	}
	return stormPrefix + s.cluster + "/" + s.label + "=" + s.value
}

// slot is a slice of time of a source, in which new alerts are counted.
type slot struct {
	source string
	n      int64
}

func slotOf(t time.Time, rules policy.Storm) int64 {
	return t.UnixNano() / int64(time.Duration(rules.Window)/stormSlices)
}

// String is the key of the slot's link.
func (s slot) String() string { return s.source + "@" + strconv.FormatInt(s.n, 10) }

func (s source) join(n int64, rules policy.Storm) *Join {
	j := &Join{Key: s.key(), How: ReasonStorm, Title: "Alert storm", Labels: alert.Labels{}}
	from := "all sources"
	if s.label != "" {
		from = s.label + "=" + s.value
		j.Labels[s.label] = s.value
		j.Title += ": " + from
	}
	j.Why = fmt.Sprintf("%d new alerts of %s within %s", n, from, rules.Window)
	return j
}

// counts is how many alerts began in each slot.
type counts map[slot]int64

// look reads the counts around these alerts, before and after.
func look(ctx context.Context, store Recall, rules policy.Storm, vs []*Verdict) (counts, error) {
	q, wanted := cases.LinkQuery{Kind: kindSource}, map[slot]bool{}
	for _, v := range vs {
		at := slotOf(v.Alert.StartsAt, rules)
		for _, s := range sources(v.Identity.Cluster, v.Alert.Labels, rules) {
			key := s.key()
			for n := at - stormSlices; n <= at+stormSlices; n++ {
				if one := (slot{key, n}); !wanted[one] {
					wanted[one] = true
					q.Keys = append(q.Keys, one.String())
				}
			}
		}
	}
	links, err := store.Links(ctx, q)
	out := counts{}
	for _, l := range links {
		i := strings.LastIndexByte(l.Key, '@')
		if n, err := strconv.ParseInt(l.Key[i+1:], 10, 64); i >= 0 && err == nil {
			out[slot{l.Key[:i], n}] += l.N
		}
	}
	return out, err
}

// storm finds the source that is in a storm around an alert, and how many alerts
// it has: all together, else its own.
func (c counts) storm(cluster string, a alert.Alert, rules policy.Storm) (source, int64, bool) {
	at := slotOf(a.StartsAt, rules)
	for _, s := range sources(cluster, a.Labels, rules) {
		key := s.key()
		var sum int64
		for n := at - stormSlices; n <= at+stormSlices; n++ {
			sum += c[slot{key, n}]
		}
		if sum > s.limit {
			return s, sum, true
		}
	}
	return source{}, 0, false
}

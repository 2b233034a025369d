package stage

import (
	"context"
	"net"
	"strings"
	"time"

	"github.com/foreshock/foreshock/webhook/alert"
	"github.com/foreshock/foreshock/webhook/cases"
	"github.com/foreshock/foreshock/webhook/policy"
)

// Correlate merges alerts that have one cause: of one host, of one rollout, of
// one service or of services that depend on each other, within a time. Of two
// services the one that the other calls is the probable origin.
type Correlate struct {
	Rules func() policy.Rules
	Store Recall
	Graph func() Graph // nil: no service graph
}

// Name is "correlate".
func (Correlate) Name() string { return "correlate" }

// Exec fills Join and Links of new alerts that were not merged yet.
func (c Correlate) Exec(ctx context.Context, ev Event) (Event, error) {
	rules := c.Rules().Noise.Correlate
	fresh := newcomers(ev)
	if !rules.Enabled || len(fresh) == 0 {
		return ev, nil
	}
	since := earliest(ev).Add(-time.Duration(rules.Window))
	queries := []cases.LinkQuery{{Kind: kindHost, Since: since}, {Kind: kindDeploy, Since: since}, {Kind: kindService, Since: since}}
	places := make(map[int]place, len(fresh))
	for _, i := range fresh {
		v := &ev.Verdicts[i]
		places[i] = c.place(v, rules)
		v.Links = append(v.Links, places[i].links(v)...)
		places[i].ask(v.Identity.Cluster, queries)
	}
	p, err := recall(ctx, c.Store, &ev, queries)
	if err != nil {
		return ev, err
	}
	for _, i := range fresh {
		v := &ev.Verdicts[i]
		if v.Join == nil {
			if j := places[i].find(p, v, c.graph(), rules); j != nil {
				v.merge(j)
			}
		}
		p.add(v, i)
	}
	return ev, nil
}

func (c Correlate) graph() Graph {
	if c.Graph == nil {
		return nil
	}
	return c.Graph()
}

// place is where an alert comes from.
type place struct {
	host, deploy, service string
	near                  []string // services
}

func (c Correlate) place(v *Verdict, rules policy.Correlate) place {
	p := place{host: hostOf(v.Alert.Labels, rules.HostLabels), service: first(v.Alert.Labels, rules.ServiceLabels)}
	for _, n := range rules.DeployLabels {
		if value := v.Alert.Labels[n]; value != "" {
			p.deploy = n + "=" + value
			break
		}
	}
	if g := c.graph(); g != nil && p.service != "" {
		p.near = g.Near(p.service, int(rules.Hops))
	}
	return p
}

// hostOf is the machine that an alert is about, without a port.
func hostOf(l alert.Labels, names []string) string {
	h := first(l, names)
	if host, _, err := net.SplitHostPort(h); err == nil {
		return host
	}
	return h
}

func (p place) links(v *Verdict) []cases.Link {
	out := make([]cases.Link, 0, 3)
	add := func(kind, value string) {
		if value != "" {
			l := linkOf(kind, v.Identity.Cluster+"|"+value, v)
			l.Detail = v.Alert.Name()
			out = append(out, l)
		}
	}
	add(kindHost, p.host)
	add(kindDeploy, p.deploy)
	add(kindService, p.service)
	return out
}

// ask adds the keys under which cases of the same cause may be found.
func (p place) ask(cluster string, queries []cases.LinkQuery) {
	for i := range queries {
		q := &queries[i]
		switch {
		case q.Kind == kindHost && p.host != "":
			q.Keys = append(q.Keys, cluster+"|"+p.host)
		case q.Kind == kindDeploy && p.deploy != "":
			q.Keys = append(q.Keys, cluster+"|"+p.deploy)
		case q.Kind == kindService && p.service != "":
			q.Keys = append(q.Keys, cluster+"|"+p.service)
			for _, s := range p.near {
				q.Keys = append(q.Keys, cluster+"|"+s)
			}
		}
	}
}

// find is the case of the same cause, nil when there is none: by host first, then
// by rollout, then by service.
func (p place) find(known *pool, v *Verdict, g Graph, rules policy.Correlate) *Join {
	cluster, window := v.Identity.Cluster+"|", time.Duration(rules.Window)
	by := func(kind, value string, j Join) *Join {
		if value == "" {
			return nil
		}
		return known.choose(v, []spot{{kind, cluster + value}}, window, func(n near) (Join, bool) {
			one := j
			one.Why += ", as " + n.Detail
			return one, true
		})
	}
	if j := by(kindHost, p.host, Join{How: ReasonHost, Why: "it is about host " + p.host, Origin: "host=" + p.host}); j != nil {
		return j
	}
	if j := by(kindDeploy, p.deploy, Join{How: ReasonDeploy, Why: "it is about " + p.deploy, Origin: p.deploy}); j != nil {
		return j
	}
	if j := by(kindService, p.service, Join{How: ReasonDependency, Why: "it is about service " + p.service}); j != nil {
		return j
	}
	spots := make([]spot, len(p.near))
	for i, s := range p.near {
		spots[i] = spot{kindService, cluster + s}
	}
	return known.choose(v, spots, window, func(n near) (Join, bool) {
		other := strings.TrimPrefix(n.Key, cluster)
		j := Join{How: ReasonDependency, Origin: "service=" + other, Why: p.service + " depends on " + other + ", which has " + n.Detail}
		if g != nil && g.DependsOn(other, p.service) && !g.DependsOn(p.service, other) {
			j.Origin, j.Why = "service="+p.service, other+", which has "+n.Detail+", depends on "+p.service
		}
		return j, true
	})
}

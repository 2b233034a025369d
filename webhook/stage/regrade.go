package stage

import (
	"context"
	"slices"

	"github.com/foreshock/foreshock/webhook/alert"
	"github.com/foreshock/foreshock/webhook/policy"
)

// Regrade applies the rules that raise or lower grades to what is known of a new
// alert alone, at once: its labels, its service and the time of day. What needs a
// question to a server, or grows with the case, is left to Reviewer, since a
// delivery never waits for other servers.
type Regrade struct {
	Rules func() policy.Rules
	Graph func() Graph // nil: no service graph
}

// Name is "regrade".
func (Regrade) Name() string { return "regrade" }

// Exec changes Grade and Due.
func (g Regrade) Exec(_ context.Context, ev Event) (Event, error) {
	rules := g.Rules()
	if len(rules.Noise.Regrade) == 0 {
		return ev, nil
	}
	for i := range ev.Verdicts {
		v := &ev.Verdicts[i]
		if !v.News() {
			continue
		}
		f := policy.Facts{Labels: []alert.Labels{v.Alert.Labels}, Alerts: 1, Now: ev.Now, Age: ev.Now.Sub(v.Alert.StartsAt)}
		if service := first(v.Alert.Labels, rules.Noise.Correlate.ServiceLabels); service != "" {
			f.Services = 1
			if g.Graph != nil {
				graph := g.Graph()
				f.Tiers, f.Affected = tiers(graph, service), graph.Dependants(service)
			}
		}
		out := policy.Regraded(withoutQueries(rules.Noise.Regrade), v.Grade, v.Due, f)
		v.Grade, v.Due = out.Grade, out.Reason
	}
	return ev, nil
}

// withoutQueries leaves out the rules that ask somebody.
func withoutQueries(all []policy.RegradeRule) []policy.RegradeRule {
	return slices.DeleteFunc(slices.Clone(all), func(r policy.RegradeRule) bool { return r.PromQL.Asked() || r.LogQL.Asked() })
}

// first is the value of the first of these labels that an alert has.
func first(l alert.Labels, names []string) string {
	for _, n := range names {
		if v := l[n]; v != "" {
			return v
		}
	}
	return ""
}

func tiers(g Graph, service string) []string {
	if t := g.Tier(service); t != "" {
		return []string{t}
	}
	return nil
}

// Graph is what stages ask of a service graph. Unknown services have no
// neighbours.
type Graph interface {
	// Near lists the services within so many dependencies of a service, either
	// way, without it.
	Near(service string, hops int) []string
	// DependsOn reports whether from calls to, directly or through others.
	DependsOn(from, to string) bool
	// Dependants counts the services that depend on a service, directly or
	// through others.
	Dependants(service string) int
	// Tier is what a service is worth, as its owners wrote it; "" if they did not.
	Tier(service string) string
}

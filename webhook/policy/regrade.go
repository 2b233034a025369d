package policy

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/foreshock/foreshock/webhook/alert"
)

// RegradeRule raises or lowers the grade of a case when all its conditions hold.
// Rules are applied in order, each to what the one before left. Exactly one of
// Raise, Lower and To is set.
type RegradeRule struct {
	Name  string `json:"name" yaml:"name"`
	Raise int64  `json:"raise,omitempty" yaml:"raise"` // by so many grades, at most to P0
	Lower int64  `json:"lower,omitempty" yaml:"lower"` // by so many grades, at most to P3
	To    string `json:"to,omitempty" yaml:"to"`       // P0 … P3

	Match    []Matcher `json:"match,omitempty" yaml:"match"`       // any member passes all of them
	Grades   []Grade   `json:"grades,omitempty" yaml:"grades"`     // the grade so far
	Tiers    []string  `json:"tiers,omitempty" yaml:"tiers"`       // of any service of the case, from the service graph
	Services int64     `json:"services,omitempty" yaml:"services"` // at least so many services are in the case
	Affected int64     `json:"affected,omitempty" yaml:"affected"` // at least so many services depend on its origin
	Alerts   int64     `json:"alerts,omitempty" yaml:"alerts"`     // at least so many of its alerts fire
	After    Duration  `json:"after,omitempty" yaml:"after"`       // it fires for so long
	Within   Calendar  `json:"within,omitzero" yaml:"within"`      // only then
	PromQL   Query     `json:"promql,omitzero" yaml:"promql"`
	LogQL    Query     `json:"logql,omitzero" yaml:"logql"`
}

// Query is a condition that a server answers: it holds when the answer has a
// sample that is neither 0 nor NaN, and whose labels named in On have the values
// that they have in the case. The expression is sent as it is written: nothing of
// an alert is put into it.
type Query struct {
	Expr    string   `json:"expr" yaml:"expr"`
	On      []string `json:"on,omitempty" yaml:"on"`
	Timeout Duration `json:"timeout,omitempty" yaml:"timeout"` // default 2s
}

// Asked reports whether there is a query.
func (q Query) Asked() bool { return q.Expr != "" }

// Patience is the time limit of the query.
func (q Query) Patience() time.Duration {
	if q.Timeout <= 0 {
		return 2 * time.Second
	}
	return time.Duration(q.Timeout)
}

// Validate checks a rule. The error begins with the field.
func (r RegradeRule) Validate() error {
	set := 0
	for _, on := range []bool{r.Raise != 0, r.Lower != 0, r.To != ""} {
		if on {
			set++
		}
	}
	var g Grade
	switch {
	case strings.TrimSpace(r.Name) == "":
		return errors.New("name: is empty: want a name to show as a reason")
	case set != 1:
		return errors.New("raise: want exactly one of raise, lower and to")
	case r.Raise < 0 || r.Raise > 3 || r.Lower < 0 || r.Lower > 3:
		return errors.New("raise: want raise and lower between 1 and 3")
	case r.To != "" && g.UnmarshalText([]byte(r.To)) != nil:
		return fmt.Errorf("to: got %.20q, want one of P0, P1, P2, P3", r.To)
	case r.Services < 0 || r.Affected < 0 || r.Alerts < 0 || r.After < 0:
		return errors.New("services: want services, affected, alerts and after not below 0")
	}
	for name, q := range map[string]Query{"promql": r.PromQL, "logql": r.LogQL} {
		if q.Timeout < 0 || q.Timeout > seconds(10) {
			return fmt.Errorf("%s.timeout: %q: want 0s to 10s", name, q.Timeout)
		}
	}
	return r.Within.validate()
}

// Tri is true, false or unknown.
type Tri int8

// The three answers. Unknown is the zero value: what was not asked is not false.
const (
	Unknown Tri = iota
	No
	Yes
)

// Answer is what became of a condition.
type Answer struct {
	Holds Tri
	Why   string // for people, e.g. why it is unknown
}

// Facts are what rules of Regrade look at.
type Facts struct {
	Labels   []alert.Labels // of the members that fire
	Tiers    []string
	Services int
	Affected int
	Alerts   int
	Age      time.Duration
	Now      time.Time
	// Ask answers a query of the rule with that index, "promql" or "logql"; nil:
	// unknown.
	Ask func(rule int, language string, q Query) Answer
}

// Outcome is a grade with what led to it.
type Outcome struct {
	Grade  Grade
	Reason Reason
	// Waits: a rule did not apply yet or depends on a query, so that the grade may
	// be another one later without a new alert.
	Waits bool
}

// Regraded applies the rules to a base grade. A rule with a condition that is
// unknown does not apply, and the reason says so.
func Regraded(rules []RegradeRule, base Grade, why Reason, f Facts) Outcome {
	out := Outcome{Grade: base, Reason: why}
	for i, r := range rules {
		if len(r.Grades) > 0 && !slices.Contains(r.Grades, out.Grade) {
			continue
		}
		a, waits := r.holds(i, f)
		out.Waits = out.Waits || waits
		switch a.Holds {
		case Unknown:
			out.Reason += Reason(fmt.Sprintf("; %s: unknown (%s), not applied", r.Name, a.Why))
		case Yes:
			next := r.apply(out.Grade)
			if next != out.Grade {
				out.Reason += Reason(fmt.Sprintf("; %s → %s: %s", out.Grade, next, r.Name))
				if a.Why != "" {
					out.Reason += Reason(" (" + a.Why + ")")
				}
			}
			out.Grade = next
		}
	}
	return out
}

func (r RegradeRule) apply(g Grade) Grade {
	switch {
	case r.To != "":
		_ = g.UnmarshalText([]byte(r.To)) // Validate has read it
	case r.Raise > 0:
		g = Grade(max(0, int64(g)-r.Raise))
	case r.Lower > 0:
		g = Grade(min(int64(P3), int64(g)+r.Lower))
	}
	return g
}

// holds tests the conditions that cost nothing first. waits is whether time or a
// query may change the answer.
func (r RegradeRule) holds(i int, f Facts) (a Answer, waits bool) {
	switch {
	case len(r.Match) > 0 && !slices.ContainsFunc(f.Labels, func(l alert.Labels) bool { return MatchAll(r.Match, l) }),
		len(r.Tiers) > 0 && !slices.ContainsFunc(f.Tiers, func(t string) bool { return slices.Contains(r.Tiers, t) }),
		int64(f.Services) < r.Services, int64(f.Affected) < r.Affected, int64(f.Alerts) < r.Alerts:
		return Answer{Holds: No}, false
	}
	timed := r.After > 0 || !r.Within.always() || r.PromQL.Asked() || r.LogQL.Asked()
	if f.Age < time.Duration(r.After) || !r.Within.Contains(f.Now) {
		return Answer{Holds: No}, timed
	}
	var why []string
	for _, c := range []struct {
		language string
		q        Query
	}{{"promql", r.PromQL}, {"logql", r.LogQL}} {
		if !c.q.Asked() {
			continue
		}
		one := Answer{Why: "nobody was asked"}
		if f.Ask != nil {
			one = f.Ask(i, c.language, c.q)
		}
		switch one.Holds {
		case No:
			return one, timed
		case Unknown:
			return Answer{Why: c.language + ": " + one.Why}, timed
		}
		if one.Why != "" {
			why = append(why, one.Why)
		}
	}
	return Answer{Holds: Yes, Why: strings.Join(why, ", ")}, timed
}

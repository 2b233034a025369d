package scorer

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/prometheus/promql/parser"

	"github.com/foreshock/foreshock/pkg/registry"
)

// Query is one expression of a rule, and the field in which it stands.
type Query struct{ Field, Expr string }

// Queries returns the expressions as the server is asked, macros replaced: those whose series are judged, dimensions by name, then clean where there is one. Macros are replaced by
// the same rules as in a panel of the data source, so that a query can be moved from there. They come from the rule's own step and training window.
func (r Rule) Queries(p Prometheus) []Query {
	all := r.written()
	macros := r.macros(p.ScrapeInterval)
	for i := range all {
		all[i].Expr = macros.Replace(all[i].Expr)
	}
	return all
}

// written returns the expressions as they stand in the file.
func (r Rule) written() []Query {
	var all []Query
	for _, name := range r.dimensions() {
		all = append(all, Query{"dimensions." + name, r.Dimensions[name]})
	}
	if len(all) == 0 {
		all = append(all, Query{"expr", r.Expr})
	}
	if r.Clean != "" {
		all = append(all, Query{"clean", r.Clean})
	}
	return all
}

// dimensions returns the names of the dimensions in order.
func (r Rule) dimensions() []string { return slices.Sorted(maps.Keys(r.Dimensions)) }

// macros replaces Grafana's macros.
func (r Rule) macros(scrape registry.Duration) *strings.Replacer {
	// As Grafana's Prometheus data source has it: two samples and a reserve for one that is late or lost.
	rate := max(r.Step+scrape, 4*scrape)
	ms := func(d registry.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }
	values := [][2]string{
		{"__interval_ms", ms(r.Step)},
		{"__interval", r.Step.String()},
		{"__rate_interval_ms", ms(rate)},
		{"__rate_interval", rate.String()},
		{"__range_ms", ms(r.Train)},
		{"__range_s", strconv.FormatInt(int64(r.Train.Std()/time.Second), 10)},
		{"__range", r.Train.String()},
	}
	var pairs []string
	for _, v := range values {
		pairs = append(pairs, "${"+v[0]+"}", v[1], "$"+v[0], v[1])
	}
	return strings.NewReplacer(pairs...)
}

// Errors of expressions whose value at a time depends on what is asked for, or on later samples.
var (
	errRangeBound = errors.New("@ start() and @ end() depend on the range that is asked for, want a fixed time or none")
	errFuture     = errors.New("a negative offset reads later samples, want offset 0 or more")
)

// checkExpr reports what is wrong with an expression; any is accepted in MetricsQL.
func checkExpr(expr, dialect string) error {
	if dialect == "metricsql" {
		return nil
	}
	parsed, err := parser.NewParser(parser.Options{EnableExperimentalFunctions: true}).ParseExpr(expr)
	if err != nil {
		return fmt.Errorf("not valid PromQL: %w", firstError(err))
	}
	switch parsed.Type() {
	case parser.ValueTypeVector, parser.ValueTypeScalar:
	default:
		return fmt.Errorf("gives a %s, want an instant vector or a scalar", parsed.Type())
	}
	var found error
	parser.Inspect(parsed, func(n parser.Node, _ []parser.Node) error {
		var at parser.ItemType
		var offset time.Duration
		switch n := n.(type) {
		case *parser.VectorSelector:
			at, offset = n.StartOrEnd, n.OriginalOffset
		case *parser.SubqueryExpr:
			at, offset = n.StartOrEnd, n.OriginalOffset
		}
		switch {
		case at == parser.START || at == parser.END:
			found = errRangeBound
		case offset < 0:
			found = errFuture
		}
		return nil
	})
	return found
}

// firstError keeps the first of several parse errors.
func firstError(err error) error {
	var all parser.ParseErrors
	if errors.As(err, &all) && len(all) > 0 {
		return all[0].Err
	}
	return err
}

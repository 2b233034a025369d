package plugin

import (
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/promql/parser"

	"github.com/foreshock/foreshock/pkg/registry"
)

func testMacros() map[string]string {
	return macros(registry.Duration(time.Minute), 7*registry.Day, registry.Duration(15*time.Second))
}

func TestExpand(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"rate(x[$__rate_interval])":                                   "rate(x[1m15s])",
		"rate(x[${__rate_interval}])":                                 "rate(x[1m15s])",
		"rate(x[[[__rate_interval]]])":                                "rate(x[1m15s])",
		"x[$__interval:$__interval] offset $__range":                  "x[1m:1m] offset 7d",
		"x * $__interval_ms / $__rate_interval_ms":                    "x * 60000 / 75000",
		"x * $__range_s / ${__range_ms:raw}":                          "x * 604800 / 604800000",
		`x{a="$b", c=~"^d$"} # $e`:                                    `x{a="$b", c=~"^d$"} # $e`,
		`avg_over_time(x[$__range])`:                                  `avg_over_time(x[7d])`,
		"sum by (offset) (offset) - 1":                                "sum by (offset) (offset) - 1",
		`label_replace(x, "a", "$1", "b", "@ end() offset -5m (.*)")`: `label_replace(x, "a", "$1", "b", "@ end() offset -5m (.*)")`,
		"x # @ start()\n + y":                                         "x # @ start()\n + y",
		"x @ 1700000000":                                              "x @ 1700000000",
		"x offset 5m - 3":                                             "x offset 5m - 3",
		"start - end":                                                 "start - end",
		"offset - 5":                                                  "offset - 5",
		"x unless offset - 5":                                         "x unless offset - 5",
	} {
		got, err := expand(in, testMacros())
		if err != nil || got != want {
			t.Errorf("%s: got %q, %v; want %q", in, got, err, want)
		}
	}
}

func TestRateInterval(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ step, scrape, want string }{
		{"1m", "15s", "1m15s"}, {"15s", "15s", "1m"}, {"1m", "1m", "4m"}, {"1h", "1m", "1h1m"}, {"1s", "500ms", "2s"},
	} {
		step, _ := registry.ParseDuration(tt.step)
		scrape, _ := registry.ParseDuration(tt.scrape)
		if got := macros(step, registry.Day, scrape)["__rate_interval"]; got != tt.want {
			t.Errorf("step %s, scrape %s: got %s, want %s", tt.step, tt.scrape, got, tt.want)
		}
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"x @ start()":                        "start() is not allowed",
		"x @ end ( )":                        "end() is not allowed",
		"x[5m] @ START()":                    "START() is not allowed",
		"rate(x[5m] @\n# comment\n end())":   "end() is not allowed",
		"x offset -5m":                       "negative offset",
		"x offset - 5m":                      "negative offset",
		"x OFFSET -5m":                       "negative offset",
		`x{a="b"} offset # no` + "\n" + "-1": "negative offset",
		"x[1h:5m] offset -1h":                "negative offset",
		"(x) offset -1h":                     "negative offset",
		"x offset (1m - 5m)":                 "negative offset",
		"x offset +(-(5m))":                  "negative offset",
		"sum_over_time(x[range()])":          "range() is not allowed",
		"range_avg(x)":                       "range_avg() is not allowed",
		"running_sum(x)":                     "running_sum() is not allowed",
		"topk_max(3, x)":                     "topk_max() is not allowed",
		"x + $foo":                           "variable $foo has no value here: want one of $__interval, $__interval_ms",
		"x[$__from]":                         "variable $__from has no value here",
		"x[${__to:date}]":                    "variable ${__to:date} has no value here",
		"x[${job}]":                          "variable ${job} has no value here",
		"x[[[__auto]]]":                      "variable [[__auto]]",
	} {
		got, err := expand(in, testMacros())
		if err == nil || !strings.HasPrefix(err.Error(), `parameter "expr": `) || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: got %q, %v; want an error with %q", in, got, err, want)
		}
	}
}

// tied tells, by Prometheus' own parser, whether an expression is one of those that are refused.
func tied(e parser.Expr) bool {
	found := false
	parser.Inspect(e, func(n parser.Node, _ []parser.Node) error {
		switch n := n.(type) {
		case *parser.VectorSelector:
			found = found || n.StartOrEnd != 0 || n.OriginalOffset < 0
		case *parser.SubqueryExpr:
			found = found || n.StartOrEnd != 0 || n.OriginalOffset < 0
		}
		return nil
	})
	return found
}

// FuzzRefuse holds the scanner against Prometheus' parser: what the parser can read is refused exactly when it is tied to the panel.
func FuzzRefuse(f *testing.F) {
	for _, seed := range []string{
		"x @ start()", "x offset -5m", `x{offset="-5m"} offset 5m`, "rate(x[5m] offset -1m) # c", "`a` + '\\'' + \"\\\"\"", "sum by (offset) (offset) offset -5m",
		"x @ end() offset 5m", "offset" + " offset -5m", "offset - 5m", "x offset 5", "x offset -0", "max_over_time(x[1h:] @ end())", "{'a b'} offset -1m", "start", "end @ 3", "x or offset -1",
		"x * on (a) group_left (b) y offset -1h", "x == bool offset - 5", `x{a="b" # "` + "\n" + `} offset -5m`,
	} {
		f.Add(seed)
	}
	p := parser.NewParser(parser.Options{})
	f.Fuzz(func(t *testing.T, expr string) {
		err := refuse(expr, nil)
		parsed, parseErr := p.ParseExpr(expr)
		if parseErr != nil || strings.Contains(strings.ToLower(expr), "offset -0") {
			return
		}
		if want := tied(parsed); want != (err != nil) {
			t.Errorf("%q: refused: %v, but tied to the panel: %t", expr, err, want)
		}
	})
}

package plugin

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/foreshock/foreshock/pkg/registry"
)

// macros gives the values of Grafana's macros for one query. They come from its own step and training window: the panel's range and
// width would make the verdict depend on the zoom.
func macros(step, train, scrape registry.Duration) map[string]string {
	// As Grafana's Prometheus data source has it: two samples and a reserve for one that is late or lost.
	rate := max(step+scrape, 4*scrape)
	ms := func(d registry.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }
	return map[string]string{
		"__interval": step.String(), "__interval_ms": ms(step),
		"__rate_interval": rate.String(), "__rate_interval_ms": ms(rate),
		"__range": train.String(), "__range_ms": ms(train), "__range_s": strconv.FormatInt(int64(train.Std()/time.Second), 10),
	}
}

// macroForm matches $name, ${name}, ${name:format} and [[name]].
var macroForm = regexp.MustCompile(`\$(__\w+)|\$\{(__\w+)(?::\w+)?\}|\[\[(__\w+)(?::\w+)?\]\]`)

// expand puts the values of macros into an expression, and refuses what would tie the verdict to the panel.
func expand(expr string, values map[string]string) (string, error) {
	return expandAs("expr", expr, values)
}

// expandAs is expand for the expression of another parameter.
func expandAs(parameter, expr string, values map[string]string) (string, error) {
	out := macroForm.ReplaceAllStringFunc(expr, func(m string) string {
		if v, ok := values[strings.Trim(strings.SplitN(m, ":", 2)[0], "$[]{}")]; ok {
			return v
		}
		return m
	})
	if err := refuse(out, values); err != nil {
		return "", fmt.Errorf("parameter %q: %w", parameter, err)
	}
	return out, nil
}

// wholeRange are functions of MetricsQL (VictoriaMetrics) whose value at a time depends on the whole range that is asked for, by name or,
// with an underscore at the end, by prefix.
var wholeRange = []string{
	"range_", "running_", "topk_", "bottomk_", "outliersk", "outliers_mad", "outliers_iqr",
	"keep_last_value", "keep_next_value", "interpolate", "smooth_exponential", "remove_resets",
}

// refuse returns an error for expressions whose value at a time depends on the range that is asked for or on later samples.
func refuse(expr string, values map[string]string) error {
	toks := scan(expr)
	at := func(i int) string {
		if i < 0 || i >= len(toks) {
			return ""
		}
		return toks[i].text
	}
	for i, t := range toks {
		word := strings.ToLower(t.text)
		switch {
		case t.kind == other && (t.text == "$" || t.text == "[" && at(i+1) == "[" && strings.HasPrefix(at(i+2), "__")):
			return unknownVariable(expr[t.at:], values)
		case t.kind != name:
		case slices.Contains([]string{"start", "end", "range"}, word) && at(i+1) == "(" && at(i+2) == ")":
			return fmt.Errorf("%s() is not allowed, since it is the range of the panel: use a fixed time, or an offset", t.text)
		case word == "offset" && operand(toks, i-1) && negative(toks[i+1:]):
			return fmt.Errorf("a negative offset is not allowed, since it looks at samples after the judged one: use a positive offset")
		case at(i+1) == "(" && slices.ContainsFunc(wholeRange, func(f string) bool { return word == f || strings.HasSuffix(f, "_") && strings.HasPrefix(word, f) }):
			return fmt.Errorf("%s() is not allowed, since its value depends on the whole range that is asked for: use a function over a range vector, like avg_over_time(x[1h])", t.text)
		}
	}
	return nil
}

// form of a variable at the beginning of a text, for error messages
var variable = regexp.MustCompile(`^(\$\{[^}]*\}?|\$\w*|\[\[[^\]]*\]?\]?)`)

func unknownVariable(text string, values map[string]string) error {
	known := make([]string, 0, len(values))
	for n := range values {
		known = append(known, "$"+n)
	}
	slices.Sort(known)
	return fmt.Errorf("variable %s has no value here: want one of %s, or a variable of the dashboard (alert rules have none)", variable.FindString(text), strings.Join(known, ", "))
}

// operand reports whether the token can end an operand: "offset" after it is the modifier, and not a metric of that name.
func operand(toks []token, i int) bool {
	if i < 0 {
		return false
	}
	switch t := toks[i]; t.kind {
	case name:
		return !slices.Contains([]string{"and", "or", "unless", "atan2", "bool"}, strings.ToLower(t.text))
	case number, text:
		return true
	default:
		return t.text == ")" || t.text == "]" || t.text == "}"
	}
}

// negative reports whether what follows "offset" can be negative: a minus sign, or an expression with one in it.
func negative(toks []token) bool {
	if len(toks) == 0 {
		return false
	}
	if toks[0].kind == name {
		toks = toks[1:] // a function of durations
	}
	depth := 0
	for _, t := range toks {
		switch t.text {
		case "+":
			if depth == 0 {
				continue
			}
		case "-":
			return true
		case "(":
			depth++
		case ")":
			depth--
		}
		if depth <= 0 {
			return false
		}
	}
	return false
}

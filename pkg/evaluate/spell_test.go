package evaluate

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/foreshock/foreshock/pkg/detect"
	"github.com/foreshock/foreshock/pkg/registry"
)

// What is printed holds what differs from the defaults and nothing else. That the scorer and the data source read it is tested there.
func TestTexts(t *testing.T) {
	t.Parallel()
	j := judgeOf(t, "seasonal")
	var err error
	if j, err = j.withBudget(0.25); err != nil {
		t.Fatal(err)
	}
	j.Policy.N, j.Policy.M = 5, 8
	j.Walk.Train = 14 * registry.Day
	rule, err := RuleText("a \"b\"", Asked{Expr: `rate(x{a="b"}[5m]) > 0`}, j)
	if err != nil {
		t.Fatal(err)
	}
	want := `rules:
  - name: "a \"b\""
    expr: "rate(x{a=\"b\"}[5m]) > 0"
    detector: "seasonal"
    params: {"budget":0.25}
    policy: {"m":8,"n":5}
    train: "14d"
`
	if rule != want {
		t.Errorf("got\n%s\nwant\n%s", rule, want)
	}
	query, err := QueryText(Asked{Expr: "x > 0"}, judgeOf(t, "mad"))
	if err != nil || query != `{"expr":"x > 0","detector":"mad"}` || !json.Valid([]byte(query)) {
		t.Errorf("got %s, %v", query, err)
	}
	query, err = QueryText(Asked{Expr: "x > 0", Clean: "errors <\n 0.2"}, judgeOf(t, "mad"))
	if err != nil || query != `{"expr":"x > 0","clean":"errors <\n 0.2","detector":"mad"}` {
		t.Errorf("got %s, %v", query, err)
	}
	rule, err = RuleText("a", Asked{Expr: "x", Clean: "errors <\n 0.2"}, judgeOf(t, "mad"))
	if err != nil || !strings.Contains(rule, "    expr: \"x\"\n    clean: \"errors <\\n 0.2\"\n") {
		t.Errorf("got %s, %v", rule, err)
	}
	if _, err := RuleText("a", Asked{Expr: "x"}, Judge{Judge: detect.Judge{Name: "nope"}}); err == nil {
		t.Error("an unknown detector was written")
	}
}

package digest

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/foreshock/foreshock/pkg/registry"
)

// TestDocs: docs/logs-collector.md has a row for every field, with its default, and a row for every reason of a problem.
func TestDocs(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile("../../docs/logs-collector.md")
	if err != nil {
		t.Fatal(err)
	}
	page, s, c := string(b), defaultSource(), Default()
	for prefix, options := range map[string]any{
		"": c.Global, "sources[].": *s, "multiline.": s.Multiline, "parse.": s.Parse, "rules[].": Rule{}, "fields[].": Field{Max: 50}, "numbers[].": *defaultNumber(),
		"templates.": s.Templates, "sequences.": s.Sequences,
	} {
		for _, p := range registry.ParamsOf(options) {
			row := "\n| `" + prefix + p.Name + "` | "
			_, rest, ok := strings.Cut(page, row)
			if !ok {
				t.Errorf("no row for %s%s", prefix, p.Name)
				continue
			}
			want := fmt.Sprint(p.Default)
			if list, ok := p.Default.([]string); ok {
				want = strings.Join(list, ", ")
			}
			if list, ok := p.Default.([]float64); ok {
				want = strings.ReplaceAll(strings.Trim(fmt.Sprint(list), "[]"), " ", ", ")
			}
			if cell, _, _ := strings.Cut(rest, " |"); strings.Trim(strings.TrimSpace(cell), "`|") != want {
				t.Errorf("%s%s: the default is %q there, %q here", prefix, p.Name, cell, want)
			}
		}
	}
	for _, r := range Reasons() {
		if !strings.Contains(page, "\n| `"+r+"` | ") {
			t.Errorf("no row for the reason %s", r)
		}
	}
}

package scorer

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/foreshock/foreshock/pkg/detect"
	"github.com/foreshock/foreshock/pkg/registry"
)

// The page lists every field with its default, and no field that does not exist.
func TestDocumentedFields(t *testing.T) {
	t.Parallel()
	page := readPage(t)
	known := map[string]map[string]bool{}
	for section, fields := range map[string]struct {
		options any
		besides []string
	}{
		"prometheus":          {DefaultPrometheus(), []string{"http_config"}},
		"remote_write":        {DefaultRemoteWrite(), []string{"http_config"}},
		"rules, and defaults": {DefaultFields(), blockNames},
		"policy":              {detect.DefaultPolicy(), nil},
	} {
		text := part(t, page, section)
		known[section] = map[string]bool{}
		for _, p := range registry.ParamsOf(fields.options) {
			known[section][p.Name] = true
			want := "| `" + p.Name + "` | `" + spelled(p.Default) + "` |"
			if p.Default == "" {
				want = "| `" + p.Name + "` | |"
			}
			if !strings.Contains(text, want) {
				t.Errorf("section %s lacks a row that begins with %s", section, want)
			}
		}
		for _, name := range fields.besides {
			known[section][name] = true
			if !strings.Contains(text, "| `"+name+"` |") {
				t.Errorf("section %s lacks a row for %s", section, name)
			}
		}
		for _, m := range regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\|").FindAllStringSubmatch(text, -1) {
			if !known[section][m[1]] {
				t.Errorf("section %s has a row for %s, which is no field", section, m[1])
			}
		}
	}
}

func spelled(v any) string {
	if x, ok := v.(float64); ok {
		return strconv.FormatFloat(x, 'g', -1, 64)
	}
	return fmt.Sprint(v)
}

func readPage(t *testing.T) string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("..", "..", "docs", "scorer.md"))
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// part returns what stands under a third-level heading.
func part(t *testing.T, page, heading string) string {
	t.Helper()
	_, after, ok := strings.Cut(page, "\n### "+heading+"\n")
	if !ok {
		t.Fatalf("the page has no heading %q", heading)
	}
	if i := strings.Index(after, "\n##"); i >= 0 {
		after = after[:i]
	}
	return after
}

// Every published series and every failure reason is described, and the examples of the page can be used.
func TestDocumentedExamples(t *testing.T) {
	t.Parallel()
	page := readPage(t)
	for _, f := range families {
		if !strings.Contains(page, "`"+f[0]+"`") {
			t.Errorf("the page lacks %s", f[0])
		}
	}
	_, after, _ := strings.Cut(page, "`detectors.yml`:\n\n```yaml\n")
	example, _, ok := strings.Cut(after, "```")
	if !ok {
		t.Fatal("the page has no example of a file")
	}
	c, err := Parse("example", []byte(example))
	if err != nil {
		t.Fatalf("the example of the page: %v", err)
	}
	if _, err := New(c, Options{Registry: prometheus.NewRegistry()}); err != nil {
		t.Errorf("the example of the page: %v", err)
	}
	_, after, _ = strings.Cut(page, "## Vectors and fleets")
	_, after, _ = strings.Cut(after, "```yaml\n")
	example, _, _ = strings.Cut(after, "```")
	if c, err = Parse("example", []byte(example)); err != nil || len(c.Rules) != 2 || c.Rules[0].Kind != kindJoint || c.Rules[1].Kind != kindPeers {
		t.Fatalf("the example of vectors and fleets: %v, %+v", err, c.Rules)
	}
	for _, m := range regexp.MustCompile(`foreshock_[a-z_]+[a-z]`).FindAllString(page, -1) {
		if !strings.HasPrefix(m, "foreshock_scorer_") {
			continue
		}
		now := start
		_, reg := started(t, rules, days(1, 8), Options{}, &now)
		found := false
		for name := range gathered(t, reg) {
			found = found || strings.HasPrefix(name, m)
		}
		if !found {
			t.Errorf("the page names %s, which does not exist", m)
		}
	}
}

package collector

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the generated part of docs/metrics.md")

const (
	metricsPage = "../../docs/metrics.md"
	pageBegin   = "<!-- generated: go test ./exporter/collector -run TestMetricsPage -update -->\n"
	pageEnd     = "<!-- end of the generated part -->\n"
)

// described returns the families of a collector.
func described(t *testing.T, name string) []*Family {
	t.Helper()
	e, err := Collectors.Get(name)
	if err != nil {
		t.Fatal(err)
	}
	d, ok := e.New().(Describer)
	if !ok {
		t.Fatalf("collector %s does not list its families", name)
	}
	return d.Families()
}

// misnamed are names that node_exporter or cAdvisor gave to another type than they say.
var misnamed = []string{"node_systemd_socket_refused_connections_total", "container_memory_failcnt"}

// TestFamilies holds what every collector promises: a summary, a source, families with a name, a help text and labels that fit.
func TestFamilies(t *testing.T) {
	t.Parallel()
	metric := regexp.MustCompile(`^[a-zA-Z][a-zA-Z0-9_]*(<field>)?[a-z_]*$`)
	seen := map[string]string{}
	for _, name := range Collectors.Names() {
		e, err := Collectors.Get(name)
		if err != nil {
			t.Fatal(err)
		}
		if e.Summary == "" || e.Source == "" {
			t.Errorf("collector %s lacks a summary or a source", name)
		}
		for _, f := range described(t, name) {
			if other := seen[f.Name]; other != "" {
				t.Errorf("%s is published by %s and by %s", f.Name, other, name)
			}
			seen[f.Name] = name
			if !metric.MatchString(f.Name) || f.Help == "" {
				t.Errorf("%s: bad name or no help", f.Name)
			}
			if counter := strings.HasSuffix(f.Name, "_total"); counter != (f.TypeName() == "counter") && !strings.HasPrefix(f.Name, "DCGM_FI_DEV_") &&
				!slices.Contains(misnamed, f.Name) {
				t.Errorf("%s is a %s", f.Name, f.TypeName())
			}
		}
	}
}

// TestMetricsPage compares docs/metrics.md with the code.
func TestMetricsPage(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(metricsPage)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok1 := strings.Cut(string(page), pageBegin)
	_, after, ok2 := strings.Cut(rest, pageEnd)
	if !ok1 || !ok2 {
		t.Fatalf("%s lacks the marks of its generated part", metricsPage)
	}
	want := before + pageBegin + generatePage(t) + pageEnd + after
	if *update {
		if err := os.WriteFile(metricsPage, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want, string(page)); diff != "" {
		t.Errorf("docs/metrics.md differs from the code; run: go test ./exporter/collector -run TestMetricsPage -update\n%s", diff)
	}
}

func generatePage(t *testing.T) string {
	var b strings.Builder
	section := func(title, source string, families []*Family) {
		fmt.Fprintf(&b, "\n## %s\n\n", title)
		if source != "" {
			fmt.Fprintf(&b, "Read from: %s.\n\n", source)
		}
		b.WriteString("| metric | type | labels | meaning |\n|---|---|---|---|\n")
		for _, f := range families {
			labels := ""
			if len(f.Labels) > 0 {
				labels = "`" + strings.Join(f.Labels, "`, `") + "`"
			}
			help := strings.NewReplacer("<", "&lt;", ">", "&gt;", "|", "\\|").Replace(f.Help)
			fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", f.Name, f.TypeName(), labels, help)
		}
	}
	for _, name := range Collectors.Names() {
		e, err := Collectors.Get(name)
		if err != nil {
			t.Fatal(err)
		}
		section(name+": "+e.Summary, e.Source, described(t, name))
	}
	section("Every scrape", "", ScrapeFamilies())
	b.WriteString("\n")
	return b.String()
}

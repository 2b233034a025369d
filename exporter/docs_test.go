package main

import (
	"os"
	"strings"
	"testing"

	"github.com/prometheus/common/promslog"

	"github.com/foreshock/foreshock/exporter/collector"
	"github.com/foreshock/foreshock/pkg/registry"
)

// TestDocs: docs/exporter.md names every flag and every collector, and no flag that does not exist.
func TestDocs(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile("../docs/exporter.md")
	if err != nil {
		t.Fatal(err)
	}
	page := string(b)
	declared := newFlagSet("")
	o := &options{collectors: map[string]registry.Decode{}, logConfig: &promslog.Config{}}
	o.declare(declared)
	flags := map[string]bool{}
	for _, f := range declared.list {
		flags[f.name] = true
		_, isSwitch := strings.CutPrefix(f.name, "collector.")
		if isSwitch && strings.Count(f.name, ".") == 1 && !strings.Contains(f.name, "-") && f.name != "collector.timeout" {
			continue // the switch of a collector: below
		}
		if !strings.Contains(page, "`--"+f.name+"`") {
			t.Errorf("docs/exporter.md lacks `--%s`", f.name)
		}
	}
	for _, n := range collector.Collectors.Names() {
		if !strings.Contains(page, "\n| `"+n+"` |") {
			t.Errorf("docs/exporter.md lacks the collector `%s`", n)
		}
	}
	for part := range strings.SplitSeq(page, "`--") {
		flag, _, _ := strings.Cut(part, "`")
		flag, _, _ = strings.Cut(flag, "=")
		flag, _, _ = strings.Cut(flag, " ")
		flag = strings.TrimPrefix(flag, "no-")
		if (strings.HasPrefix(flag, "collector.") || strings.HasPrefix(flag, "web.") || strings.HasPrefix(flag, "path.")) && !strings.Contains(flag, "<") && !flags[flag] {
			t.Errorf("docs/exporter.md has --%s, which does not exist", flag)
		}
	}
}

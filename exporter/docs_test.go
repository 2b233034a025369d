package main

import (
	"os"
	"strings"
	"testing"

	"github.com/alecthomas/kingpin/v2"
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
	app := kingpin.New(name, "")
	o := &options{collectors: map[string]registry.Decode{}, logConfig: &promslog.Config{}}
	o.declare(app)
	flags := map[string]bool{}
	for _, f := range app.Model().Flags {
		flags[f.Name] = true
		_, isSwitch := strings.CutPrefix(f.Name, "collector.")
		if isSwitch && strings.Count(f.Name, ".") == 1 && !strings.Contains(f.Name, "-") && f.Name != "collector.timeout" {
			continue // the switch of a collector: below
		}
		if f.Hidden || f.Name == "help" || f.Name == "version" || strings.HasPrefix(f.Name, "help-") || strings.HasPrefix(f.Name, "completion-") {
			continue
		}
		if !strings.Contains(page, "`--"+f.Name+"`") {
			t.Errorf("docs/exporter.md lacks `--%s`", f.Name)
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

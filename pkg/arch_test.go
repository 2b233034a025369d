package main

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/foreshock/foreshock"

// may says which package of the module may import which others: the data flow of the house. A package that is not listed, and an edge that is not
// listed, fails the test: adding one is a decision. "prefix/*" is every package directly below.
var may = map[string][]string{
	"pkg/registry": {}, "pkg/series": {}, "pkg/robust": {}, "pkg/message": {}, "pkg/wire": {},
	"pkg/topology": {}, "pkg/season": {"pkg/series", "pkg/robust"},
	"pkg/baseline": {"pkg/series", "pkg/robust", "pkg/season", "pkg/registry", "pkg/wire"},
	"pkg/detect":   {"pkg/series", "pkg/robust", "pkg/season", "pkg/baseline", "pkg/registry", "pkg/message", "pkg/wire"},
	"pkg/chart":    {"pkg/series", "pkg/detect"},
	"pkg/logs":     {"pkg/series", "pkg/robust", "pkg/registry", "pkg/wire"},
	"pkg/evaluate": {"pkg/series", "pkg/robust", "pkg/season", "pkg/detect", "pkg/registry", "pkg/message"},
	"pkg/prom":     {"pkg/series"}, "pkg/prom/promtest": {"pkg/prom", "pkg/series"},
	"pkg/loki": {"pkg/series"}, "pkg/loki/lokitest": {},
	"pkg/httpserver": {},
	"pkg/scorer":     {"pkg/series", "pkg/robust", "pkg/detect", "pkg/evaluate", "pkg/prom", "pkg/registry", "pkg/message"},
	"pkg/casesapi":   {"pkg/series"},
	"pkg/plugin":     {"pkg/casesapi", "pkg/logs", "pkg/loki", "pkg/series", "pkg/detect", "pkg/evaluate", "pkg/prom", "pkg/registry", "pkg/message"},
	"pkg":            {"pkg/plugin"},
	"pkg/cmd/foreshock": {
		"pkg/series", "pkg/detect", "pkg/prom", "pkg/registry", "pkg/message", "pkg/chart", "pkg/evaluate", "pkg/scorer", "pkg/httpserver", "pkg/logs", "pkg/casesapi",
	},
	"pkg/cmd/demo": {"*"},

	"exporter":           {"exporter/collector", "pkg/registry"},
	"exporter/collector": {"pkg/registry", "pkg/logs", "exporter/nvml", "exporter/follow", "exporter/digest"},
	"exporter/nvml":      {}, "exporter/follow": {},
	"exporter/digest": {"exporter/follow", "pkg/logs", "pkg/registry"},

	"webhook/alert":           {},
	"webhook/policy":          {"webhook/alert", "pkg/registry"},
	"webhook/cases":           {"webhook/alert", "webhook/policy"},
	"webhook/stage":           {"webhook/alert", "webhook/policy", "webhook/cases"},
	"webhook/store":           {"webhook/alert", "webhook/policy", "webhook/cases"},
	"webhook/store/storetest": {"webhook/alert", "webhook/policy", "webhook/cases", "webhook/store"},
	"webhook/notify":          {"webhook/alert", "webhook/policy", "webhook/cases", "pkg/registry", "pkg/message"}, // policy: the arithmetic of quotas
	"webhook/action":          {"webhook/cases", "webhook/policy", "webhook/notify"},
	"webhook/auth":            {},
	// The whole flow on virtual time: replay-alerts and simulate.
	"webhook/replay": {"webhook/alert", "webhook/policy", "webhook/cases", "webhook/stage", "webhook/store", "webhook/action"},
	"webhook/api":    {"webhook/auth", "webhook/alert", "webhook/action", "webhook/policy", "webhook/cases", "webhook/stage", "webhook/store", "pkg/message"},
	"webhook/config": {"webhook/auth", "webhook/policy", "webhook/notify", "pkg/registry", "pkg/message", "pkg/topology"},
	"webhook/app":    {"webhook/*", "pkg/httpserver", "pkg/prom", "pkg/loki", "pkg/series", "pkg/topology", "pkg/message"},
	"webhook":        {"webhook/*", "pkg/httpserver", "pkg/message"},
}

// numeric is the core that computes: it reaches no network, no process, no log, not even through others.
var numeric = []string{"pkg/registry", "pkg/wire", "pkg/series", "pkg/robust", "pkg/season", "pkg/baseline", "pkg/detect", "pkg/evaluate", "pkg/logs"}

// bans are imports of a package's own files that the house forbids.
var bans = []struct {
	what    string
	applies func(pkg string) bool
	banned  func(imported string) bool
}{
	{"os/exec outside of webhook/heal and pkg/cmd/demo", func(p string) bool {
		return p != "webhook/heal" && p != "pkg/cmd/demo" && !strings.HasSuffix(p, "test")
	}, func(i string) bool { return i == "os/exec" }},
	{"files or the environment in the plugin, which Grafana's catalogue forbids", func(p string) bool { return p == "pkg/plugin" }, func(i string) bool { return i == "os" || i == "io/ioutil" || i == "syscall" }},
	{"the plugin SDK outside of the plugin", func(p string) bool { return p != "pkg/plugin" && p != "pkg" && p != "pkg/cmd/demo" }, func(i string) bool { return strings.HasPrefix(i, "github.com/grafana/grafana-plugin-sdk-go") }},
	{"a log in the numeric core", func(p string) bool { return slices.Contains(numeric, p) }, func(i string) bool { return i == "log" || i == "log/slog" }},
}

type listed struct {
	ImportPath string
	Imports    []string
	Deps       []string
}

func TestArchitecture(t *testing.T) {
	t.Parallel()
	found := map[string]bool{}
	for _, p := range list(t) {
		name := strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/")
		found[name] = true
		allowed, known := may[name]
		if !known {
			t.Errorf("package %s is not in the import table: say there what it may import", name)
			continue
		}
		for _, i := range p.Imports {
			if other, ours := strings.CutPrefix(i, module+"/"); ours && !covers(allowed, other) {
				t.Errorf("%s imports %s, which the table does not allow", name, other)
			}
			for _, b := range bans {
				if b.applies(name) && b.banned(i) {
					t.Errorf("%s imports %s: the house forbids %s", name, i, b.what)
				}
			}
		}
		if slices.Contains(numeric, name) {
			for _, d := range p.Deps {
				if d == "net" || strings.HasPrefix(d, "net/") || d == "os/exec" {
					t.Errorf("%s reaches %s: the numeric core computes, and nothing else", name, d)
				}
			}
		}
		if strings.Count(name, "/") > 2 && !strings.HasSuffix(name, "test") {
			t.Errorf("%s lies more than two levels below its root", name)
		}
		for _, vague := range []string{"internal", "util", "utils", "common", "helpers", "types"} {
			if path.Base(name) == vague {
				t.Errorf("%s: a name that says nothing", name)
			}
		}
	}
	for name := range may {
		if !found[name] {
			t.Errorf("the import table lists %s, which does not exist", name)
		}
	}
}

func covers(allowed []string, pkg string) bool {
	return slices.ContainsFunc(allowed, func(a string) bool {
		if a == "*" || a == pkg {
			return true
		}
		dir, below := strings.CutSuffix(a, "/*")
		return below && path.Dir(pkg) == dir
	})
}

func list(t *testing.T) []listed {
	t.Helper()
	cmd := exec.Command("go", "list", "-deps=false", "-json=ImportPath,Imports,Deps", module+"/...")
	out, err := cmd.Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			t.Fatalf("go list: %s", exit.Stderr)
		}
		t.Fatalf("go list: %v", err)
	}
	var all []listed
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listed
		if err := dec.Decode(&p); err == io.EOF {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		if p.ImportPath != module { // the root has no package but the build's
			all = append(all, p)
		}
	}
}

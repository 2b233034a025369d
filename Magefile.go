//go:build mage

// Command mage builds Foreshock and tests it: go tool mage check, demo, build, fuzz, bench.
package main

import (
	"archive/zip"
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

// Default is what a bare "go tool mage" does.
var Default = Check

// programs are what Build makes: name and package.
var programs = [][2]string{
	{"foreshock-exporter", "./exporter"},
	{"foreshock-webhook", "./webhook"},
	{"foreshock", "./pkg/cmd/foreshock"},
}

const (
	pluginID = "foreshock-anomaly-datasource"
	// tags of the plugin and of its tests, so that both share the build cache; the plugin SDK's own build sets the same.
	tags = "arrow_json_stdlib"
	// lint is a Go tool built outside go.mod: its hundreds of requirements would decide the versions of ours.
	lint        = "github.com/golangci/golangci-lint/v2/cmd/golangci-lint"
	lintVersion = "v2.15.0"
)

// debianPrograms are the real servers and the browser that tests drive, with the package that has each.
var debianPrograms = [][2]string{
	{"prometheus", "prometheus"},
	{"prometheus-alertmanager", "prometheus-alertmanager"},
	{"prometheus-node-exporter", "prometheus-node-exporter"},
	{"victoria-metrics", "victoria-metrics"},
	{"/usr/lib/postgresql/*/bin/postgres", "postgresql"},
	{"chromium", "chromium"},
	{"gcc", "gcc"},
}

// Check runs every test: Go with the race detector, TypeScript, linters, the built plugin, the real servers and a real browser.
func Check(ctx context.Context) error {
	return steps(ctx,
		step{"Debian programs that the tests drive", install},
		step{"front end: packages (npm ci)", npmInstall},
		step{"front end: types", npm("run", "typecheck")},
		step{"front end: lint", npm("run", "lint")},
		step{"front end: tests", npm("run", "test:ci")},
		step{"front end: bundle", npm("run", "build")},
		step{"front end: the bundle in Chromium", npm("run", "e2e")},
		step{"Go: programs", buildPrograms},
		step{"Go: plugin", buildPlugin},
		step{"Go: vet and lint", goLint},
		step{"Go: tests of the numbers", numberTest},
		step{"Go: tests with the race detector", raceTest},
	)
}

// Build makes the plugin archive (dist/*.zip) and the three programs (bin/).
func Build(ctx context.Context) error {
	return steps(ctx,
		step{"front end: packages (npm ci)", npmInstall},
		step{"front end: bundle", npm("run", "build")},
		step{"Go: programs", buildPrograms},
		step{"Go: plugin", buildPlugin},
		step{"plugin archive", archive},
	)
}

// Demo runs the whole chain on this machine until Ctrl-C: a host's metrics, a fault, a verdict, an alert, a case, a notification.
func Demo(ctx context.Context) error {
	list := []step{{"Go: programs", buildPrograms}, {"Go: plugin", buildPlugin}, {"Go: demo", goBuild("bin/demo", "./pkg/cmd/demo", "")}}
	args := []string{"--bin.dir", "bin", "--dist.dir", "dist"}
	_, missing := exec.LookPath("npm")
	switch {
	case !grafanaIsHere(): // the packages of the front end take minutes to fetch
		fmt.Println("==> front end: skipped, no Grafana is here that could show it (GRAFANA_HOME names the folder of one from 12.3 on)")
	case missing != nil:
		fmt.Println("==> front end: skipped, npm is not on PATH (the demo needs it only to show the plugin in a Grafana)")
	default:
		list = append([]step{{"front end: packages (npm ci)", npmInstall}, {"front end: bundle", npm("run", "build")}}, list...)
	}
	if err := steps(ctx, list...); err != nil {
		return err
	}
	fmt.Println("==> demo")
	cmd := exec.Command("bin/demo", append(args, strings.Fields(os.Getenv("DEMO_FLAGS"))...)...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	return cmd.Run() // Ctrl-C reaches the demo itself, which ends by itself
}

// grafanaIsHere reports whether the demo will find a Grafana to start.
func grafanaIsHere() bool {
	flags := os.Getenv("DEMO_FLAGS")
	_, err := exec.LookPath("grafana")
	return !strings.Contains(flags, "--no-grafana") && (err == nil || os.Getenv("GRAFANA_HOME") != "" || strings.Contains(flags, "--grafana.home"))
}

// Fuzz runs every fuzz target for four minutes (FUZZTIME sets another time).
func Fuzz(ctx context.Context) error {
	length := os.Getenv("FUZZTIME")
	if length == "" {
		length = "4m"
	}
	packages, err := output(ctx, "go", "list", "-tags", tags, "./...")
	if err != nil {
		return err
	}
	var list []step
	for _, pkg := range strings.Fields(packages) {
		targets, err := output(ctx, "go", "test", "-tags", tags, "-list", "^Fuzz", pkg)
		if err != nil {
			return err
		}
		for _, name := range strings.Fields(targets) {
			if strings.HasPrefix(name, "Fuzz") {
				list = append(list, step{"fuzz " + pkg + " " + name, run("go", "test", "-tags", tags, "-run", "^$", "-fuzz", "^"+name+"$", "-fuzztime", length, pkg)})
			}
		}
	}
	return steps(ctx, list...)
}

// Bench runs the benchmarks that docs/performance.md quotes.
func Bench(ctx context.Context) error {
	return steps(ctx, step{"benchmarks", run("go", "test", "-tags", tags, "-run", "^$", "-bench", ".", "-benchtime", "2s", "-timeout", "60m", "./...")})
}

// step is one named piece of work.
type step struct {
	name string
	do   func(context.Context) error
}

// steps runs them in order, says how long each takes, and shows a sign of life every 20 seconds.
func steps(ctx context.Context, list ...step) error {
	for i, s := range list {
		fmt.Printf("==> [%d/%d] %s\n", i+1, len(list), s.name)
		started := time.Now()
		done := make(chan struct{})
		go func() {
			tick := time.NewTicker(20 * time.Second)
			defer tick.Stop()
			for {
				select {
				case <-done:
					return
				case <-tick.C:
					fmt.Printf("    … %s: %s so far\n", s.name, time.Since(started).Round(time.Second))
				}
			}
		}()
		err := s.do(ctx)
		close(done)
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		fmt.Printf("    done in %s\n", time.Since(started).Round(100*time.Millisecond))
	}
	return nil
}

// run returns a step that runs a command and shows its output.
func run(name string, args ...string) func(context.Context) error {
	return func(ctx context.Context) error { return show(ctx, nil, name, args...) }
}

func show(ctx context.Context, env []string, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), env...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s %s: %w", name, strings.Join(args, " "), err)
	}
	return nil
}

// quiet runs a command and shows its output only when it fails.
func quiet(ctx context.Context, env []string, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		os.Stderr.Write(out)
		return fmt.Errorf("%s %s: %w", name, strings.Join(args, " "), err)
	}
	return nil
}

func output(ctx context.Context, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w", name, strings.Join(args, " "), err)
	}
	return string(out), nil
}

// install brings the Debian programs that are missing, where that is possible.
func install(ctx context.Context) error {
	var missing []string
	for _, p := range debianPrograms {
		if !present(p[0]) {
			missing = append(missing, p[1])
		}
	}
	if len(missing) == 0 {
		fmt.Println("    all there")
		return nil
	}
	want := strings.Join(missing, " ")
	if os.Getenv("FORESHOCK_TEST_OPTIONAL") == "1" {
		fmt.Printf("    missing: %s; FORESHOCK_TEST_OPTIONAL=1, so the tests that drive them are skipped\n", want)
		return nil
	}
	_, err := exec.LookPath("apt-get")
	if err != nil || os.Geteuid() != 0 {
		return fmt.Errorf("missing: %s. Run \"apt-get install --no-install-recommends %s\" as root on Debian 12, or set FORESHOCK_TEST_OPTIONAL=1 to skip the tests that drive them", want, want)
	}
	fmt.Printf("    installing %s with apt-get\n", want)
	env := []string{"DEBIAN_FRONTEND=noninteractive"}
	if err := quiet(ctx, env, "apt-get", "-q", "update"); err != nil {
		return err
	}
	// Fonts, so that pages in the browser have letters, Chinese ones too.
	args := append([]string{"-q", "install", "-y", "--no-install-recommends", "fonts-dejavu-core", "fonts-noto-cjk"}, missing...)
	return quiet(ctx, env, "apt-get", args...)
}

// present tells whether a program is on PATH or, when given as a pattern, exists.
func present(program string) bool {
	if strings.Contains(program, "/") {
		found, _ := filepath.Glob(program)
		return len(found) > 0
	}
	_, err := exec.LookPath(program)
	return err == nil
}

// npmInstall brings node_modules in line with the lock file, unless they are.
func npmInstall(ctx context.Context) error {
	if _, err := exec.LookPath("npm"); err != nil {
		return errors.New("npm is not on PATH: install Node.js 20.19 or later")
	}
	lock, err := os.Stat("package-lock.json")
	if err != nil {
		return err
	}
	if have, err := os.Stat("node_modules/.package-lock.json"); err == nil && !have.ModTime().Before(lock.ModTime()) {
		fmt.Println("    up to date")
		return nil
	}
	return quiet(ctx, nil, "npm", "ci", "--no-audit", "--no-fund")
}

func npm(args ...string) func(context.Context) error {
	return func(ctx context.Context) error {
		return show(ctx, nil, "npm", append([]string{"--silent"}, args...)...)
	}
}

// goBuild returns a step that builds one program; cgo off gives a static one.
func goBuild(out, pkg, cgo string) func(context.Context) error {
	return func(ctx context.Context) error {
		var env []string
		if cgo != "" {
			env = append(env, "CGO_ENABLED="+cgo)
		}
		v, err := version()
		if err != nil {
			return err
		}
		flags := "-s -w -X github.com/prometheus/common/version.Version=" + v
		return show(ctx, env, "go", "build", "-trimpath", "-tags", tags, "-ldflags", flags, "-o", out, pkg)
	}
}

func buildPrograms(ctx context.Context) error {
	for _, p := range programs {
		cgo := "0"
		if p[0] == "foreshock-exporter" {
			cgo = "" // NVML is loaded through cgo
		}
		if err := goBuild(filepath.Join("bin", p[0]), p[1], cgo)(ctx); err != nil {
			return err
		}
	}
	return nil
}

// buildPlugin builds the back end beside the bundle, named as Grafana looks for it.
func buildPlugin(ctx context.Context) error {
	return goBuild(filepath.Join("dist", "gpx_foreshock_"+runtime.GOOS+"_"+runtime.GOARCH), "./pkg", "0")(ctx)
}

// version is that of package.json: the one place that has it.
func version() (string, error) {
	raw, err := os.ReadFile("package.json")
	if err != nil {
		return "", err
	}
	var p struct{ Version string }
	if err := json.Unmarshal(raw, &p); err != nil {
		return "", fmt.Errorf("package.json: %w", err)
	}
	return p.Version, nil
}

func goLint(ctx context.Context) error {
	dir, err := filepath.Abs(".cache/tools")
	if err != nil {
		return err
	}
	tool := filepath.Join(dir, "golangci-lint")
	if have, err := exec.CommandContext(ctx, tool, "version", "--short").Output(); err != nil || !strings.Contains("v"+string(have), lintVersion) {
		fmt.Println("    building golangci-lint " + lintVersion + " (once)")
		if err := quiet(ctx, []string{"GOBIN=" + dir}, "go", "install", lint+"@"+lintVersion); err != nil {
			return err
		}
	}
	return show(ctx, nil, tool, "run", "--build-tags", tags, "./...")
}

// numbers are packages that compute in one goroutine: under the race detector their tests would take ten times as long and find nothing. Those of their tests that do
// share something between goroutines are named in sharing.
var numbers = []string{"pkg/wire", "pkg/robust", "pkg/season", "pkg/baseline", "pkg/detect", "pkg/evaluate", "pkg/logs", "exporter/digest", "webhook/replay"}

const sharing = "Fits|Parallel|Workers|Replay"

func numberTest(ctx context.Context) error {
	args := []string{"test", "-tags", tags, "-timeout", "40m"}
	for _, n := range numbers {
		args = append(args, "./"+n)
	}
	return show(ctx, nil, "go", args...)
}

// uninstrumented leaves SQLite, which is C translated to Go, out of the race detector: with it a storm of messages takes eight times as much of the processor and more. All
// that is ours, and the driver's callers, stay watched.
const uninstrumented = "-gcflags=modernc.org/...=-race=false"

func raceTest(ctx context.Context) error {
	race := []string{"test", "-race", uninstrumented, "-tags", tags, "-timeout", "40m"}
	if err := show(ctx, []string{"CGO_ENABLED=1"}, "go", append(slices.Clone(race), "-run", sharing, "./pkg/detect", "./pkg/evaluate")...); err != nil {
		return err
	}
	packages, err := output(ctx, "go", "list", "-tags", tags, "./...")
	if err != nil {
		return err
	}
	for _, p := range strings.Fields(packages) {
		if !slices.ContainsFunc(numbers, func(n string) bool { return strings.HasSuffix(p, "/"+n) }) {
			race = append(race, p)
		}
	}
	return show(ctx, []string{"CGO_ENABLED=1"}, "go", race...)
}

// archive packs dist as Grafana's catalogue wants it: one folder named like the plugin.
func archive(context.Context) error {
	v, err := version()
	if err != nil {
		return err
	}
	var packed bytes.Buffer
	w := zip.NewWriter(&packed)
	err = filepath.WalkDir("dist", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasSuffix(path, ".zip") {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		h, err := zip.FileInfoHeader(info)
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel("dist", path)
		h.Name, h.Method = pluginID+"/"+filepath.ToSlash(rel), zip.Deflate
		out, err := w.CreateHeader(h)
		if err != nil {
			return err
		}
		in, err := os.Open(path)
		if err != nil {
			return err
		}
		defer in.Close()
		_, err = io.Copy(out, bufio.NewReader(in))
		return err
	})
	if err := errors.Join(err, w.Close()); err != nil {
		return err
	}
	name := filepath.Join("dist", pluginID+"-"+v+".zip")
	fmt.Printf("    %s, %d KiB\n", name, packed.Len()/1024)
	return os.WriteFile(name, packed.Bytes(), 0o644)
}

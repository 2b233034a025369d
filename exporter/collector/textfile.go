package collector

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/foreshock/foreshock/pkg/registry"
)

func init() {
	Collectors.Add(registry.Entry[Collector]{
		Name: "textfile", Summary: "metrics that other programs write into files",
		Source: "*.prom in a directory, Prometheus' text format", New: func() Collector { return &textfile{} },
	})
}

var (
	textfileError = gauge("node_textfile_scrape_error", "1 if there was an error opening or reading a file, 0 otherwise")
	textfileMtime = gauge("node_textfile_mtime_seconds", "Unixtime mtime of textfiles successfully read.", "file")
)

// maxTextfile bounds one file: a job that appends to it instead of replacing it must not fill the memory.
const maxTextfile = 16 << 20

type textfile struct {
	Directory string `json:"directory" help:"Directory of *.prom files, a pattern of directories, or several with commas between them. Empty: none."`

	log  *slog.Logger
	told map[string]string // the trouble that was logged of each file
	// own are the names of this program, which a file must not take: a family with two help texts would cost the scrape. patterns are those with a field
	// of the kernel in them, as what stands before and after it.
	own      map[string]bool
	patterns [][2]string
}

func (c *textfile) Open(h *Host) error {
	c.log, c.told, c.own = h.Log, map[string]string{}, map[string]bool{}
	families := ScrapeFamilies()
	for _, name := range Collectors.Names() {
		e, err := Collectors.Get(name)
		if err != nil {
			return err
		}
		if d, ok := e.New().(Describer); ok {
			families = append(families, d.Families()...)
		}
	}
	for _, f := range families {
		if before, after, ok := strings.Cut(f.Name, "<field>"); ok {
			c.patterns = append(c.patterns, [2]string{before, after})
		} else {
			c.own[f.Name] = true
		}
	}
	return nil
}

// taken says whether a collector of this program publishes a family of that name.
func (c *textfile) taken(name string) bool {
	return c.own[name] || slices.ContainsFunc(c.patterns, func(p [2]string) bool {
		return strings.HasPrefix(name, p[0]) && strings.HasSuffix(name, p[1])
	})
}

func (c *textfile) Families() []*Family { return []*Family{textfileError, textfileMtime} }

func (c *textfile) Update(ctx context.Context, ch chan<- prometheus.Metric) error {
	failed := 0.0
	trouble := map[string]string{}
	fail := func(path string, err error) {
		failed, trouble[path] = 1, err.Error()
	}
	merged := map[string]*textFamily{}
	for _, path := range c.files(fail) {
		if ctx.Err() != nil {
			return fmt.Errorf("reading metrics from files: %w", ctx.Err())
		}
		families, mtime, err := readTextfile(path)
		if err != nil {
			if errors.Is(err, fs.ErrNotExist) {
				continue // replaced or taken away since it was listed
			}
			fail(path, err)
			continue
		}
		clean := true
		for _, name := range slices.Sorted(maps.Keys(families)) {
			if err := c.merge(merged, families[name], path); err != nil {
				fail(path, err)
				clean = false
			}
		}
		if clean {
			textfileMtime.send(ch, mtime, path)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(merged)) {
		merged[name].send(ch)
	}
	textfileError.with().send(ch, failed)
	c.tell(trouble)
	return nil
}

// files lists the *.prom files, sorted. A directory that is not there is an error: someone has named it.
func (c *textfile) files(fail func(path string, err error)) []string {
	var out []string
	for pattern := range strings.SplitSeq(c.Directory, ",") {
		pattern = strings.TrimSpace(pattern)
		if pattern == "" {
			continue
		}
		dirs, err := filepath.Glob(pattern)
		if err != nil || len(dirs) == 0 {
			dirs = []string{pattern}
		}
		for _, dir := range dirs {
			entries, err := os.ReadDir(dir)
			if err != nil {
				fail(dir, err)
			}
			for _, e := range entries {
				if strings.HasSuffix(e.Name(), ".prom") && (e.Type().IsRegular() || e.Type()&fs.ModeSymlink != 0) { // reading a pipe would hang
					out = append(out, filepath.Join(dir, e.Name()))
				}
			}
		}
	}
	return out
}

func readTextfile(path string) (map[string]*dto.MetricFamily, float64, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, 0, err
	}
	defer func() { _ = f.Close() }() // nothing was written
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, 0, err
	case !info.Mode().IsRegular():
		return nil, 0, fmt.Errorf("%s is not a regular file", path)
	case info.Size() > maxTextfile:
		return nil, 0, fmt.Errorf("%s has %d bytes, want at most %d", path, info.Size(), maxTextfile)
	}
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(io.LimitReader(f, maxTextfile))
	if err != nil {
		return nil, 0, fmt.Errorf("%s: %w", path, err)
	}
	for _, family := range families {
		for _, m := range family.GetMetric() {
			if m.TimestampMs != nil {
				return nil, 0, fmt.Errorf("%s: %s has a timestamp of its own, which Prometheus would take for the time of the scrape", path, family.GetName())
			}
		}
	}
	return families, float64(info.ModTime().UnixNano() / 1e9) /* as node_exporter: whole seconds */, nil
}

// tell logs a trouble when it begins or changes, and when it ends.
func (c *textfile) tell(trouble map[string]string) {
	for _, path := range slices.Sorted(maps.Keys(trouble)) {
		if c.told[path] != trouble[path] {
			c.log.Warn("A file of metrics cannot be used", "file", path, "err", trouble[path])
		}
	}
	for path := range c.told {
		if trouble[path] == "" {
			c.log.Info("A file of metrics can be used again, or is gone", "file", path)
		}
	}
	c.told = trouble
}

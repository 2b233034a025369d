package collector

import (
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestTextfile: what can be used is published, what cannot is named once, and nothing costs the scrape.
func TestTextfile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir() + "/d"
	at := time.Unix(1767225600, 0)
	put := func(name, text string) {
		write(t, dir+"/"+name, text)
		if err := os.Chtimes(dir+"/"+name, at, at); err != nil {
			t.Fatal(err)
		}
	}
	put("a.prom", "# HELP job_ok Whether it went well.\n# TYPE job_ok gauge\njob_ok{job=\"a\"} 1\n")
	put("b.prom", "# HELP job_ok Whether it went well.\n# TYPE job_ok gauge\njob_ok{job=\"b\",host=\"\"} 0\njob_bare 7\n")
	put("notes.txt", "no metrics")
	s, log := logged(t, emptyHost(t), "textfile", map[string]string{"directory": dir})
	clean := map[string]float64{
		"job_ok{job=a}": 1, "job_ok{host=,job=b}": 0, "job_bare{}": 7, "node_textfile_scrape_error{}": 0,
		"node_textfile_mtime_seconds{file=" + dir + "/a.prom}": 1767225600, "node_textfile_mtime_seconds{file=" + dir + "/b.prom}": 1767225600,
		"success{collector=textfile}": 1, "stuck_seconds{collector=textfile}": 0,
	}
	scrape := func() map[string]float64 { return valuesOf(t, s) }
	if diff := cmp.Diff(clean, scrape()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for name, trouble := range map[string]struct{ text, want string }{
		"half.prom":    {"job_other{job=\"", "half.prom"},
		"time.prom":    {"job_other 1 1767225600000\n", "job_other has a timestamp of its own"},
		"type.prom":    {"# TYPE job_ok counter\njob_ok{job=\"c\"} 1\n", "job_ok is a counter, but a gauge in"},
		"help.prom":    {"# HELP job_ok Something else.\n# TYPE job_ok gauge\njob_ok{job=\"c\"} 1\n", `has the help text "Something else."`},
		"twice.prom":   {"job_ok{job=\"a\"} 5\n", "is a untyped, but a gauge"},
		"again.prom":   {"# TYPE job_ok gauge\njob_ok{job=\"a\",host=\"\"} 5\n", `job_ok{job="a"} is there twice`},
		"ours.prom":    {"# TYPE node_load1 gauge\nnode_load1 99\n", "node_load1 is a name of this exporter"},
		"pattern.prom": {"node_memory_MemTotal_bytes 99\n", "node_memory_MemTotal_bytes is a name of this exporter"},
		"garbage.prom": {"\x00\xff\xfe\n", "garbage.prom"},
	} {
		log.Reset()
		put(name, trouble.text)
		scrape()
		got := scrape()
		if got["node_textfile_scrape_error{}"] != 1 || got["job_ok{job=a}"] != 1 || got["success{collector=textfile}"] != 1 {
			t.Errorf("%s: got %v", name, got)
		}
		if _, there := got["node_textfile_mtime_seconds{file="+dir+"/"+name+"}"]; there {
			t.Errorf("%s counts as read", name)
		}
		if strings.Count(log.String(), "level=WARN") != 1 || !strings.Contains(strings.ReplaceAll(log.String(), `\"`, `"`), trouble.want) {
			t.Errorf("%s: want one line with %q, got:\n%s", name, trouble.want, log.String())
		}
		if err := os.Remove(dir + "/" + name); err != nil {
			t.Fatal(err)
		}
		scrape()
		if !strings.Contains(log.String(), "can be used again") {
			t.Errorf("%s: its end is not told:\n%s", name, log.String())
		}
	}
	// A pipe would hang, a file that is too large would fill the memory.
	if err := syscall.Mkfifo(dir+"/pipe.prom", 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(dir+"/notes.txt", maxTextfile+1); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(dir+"/notes.txt", dir+"/large.prom"); err != nil {
		t.Fatal(err)
	}
	if got := scrape(); got["node_textfile_scrape_error{}"] != 1 || got["job_bare{}"] != 7 {
		t.Errorf("with a pipe and a large file: %v", got)
	}
}

// valuesOf is values, with a time limit.
func valuesOf(t *testing.T, s *Set) map[string]float64 {
	t.Helper()
	return values(t, s, time.Minute)
}

// TestTextfileDirectories: several directories, patterns of them, and one that is not there.
func TestTextfileDirectories(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir+"/one/x.prom", "x 1\n")
	write(t, dir+"/two/y.prom", "y 2\n")
	write(t, dir+"/other/z.prom", "z 3\n")
	s, log := logged(t, emptyHost(t), "textfile", map[string]string{"directory": dir + "/o*e, " + dir + "/two ," + dir + "/none"})
	got := valuesOf(t, s)
	if got["x{}"] != 1 || got["y{}"] != 2 || got["z{}"] != 0 || got["node_textfile_scrape_error{}"] != 1 {
		t.Errorf("got %v", got)
	}
	if !strings.Contains(log.String(), dir+"/none") {
		t.Errorf("the directory that is not there is not named:\n%s", log.String())
	}
	s, _ = logged(t, emptyHost(t), "textfile", nil)
	if got := valuesOf(t, s); got["node_textfile_scrape_error{}"] != 0 || got["success{collector=textfile}"] != 1 {
		t.Errorf("without a directory: %v", got)
	}
}

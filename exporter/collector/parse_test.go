package collector

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestParseUint(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]uint64{"0": 0, "42": 42, "18446744073709551615": math.MaxUint64, "9223372036854775808": 1 << 63} {
		if got, err := parseUint([]byte(text)); err != nil || got != want {
			t.Errorf("%q: got %d, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "-1", "1.5", "0x1", "18446744073709551616", "99999999999999999999", "100000000000000000000", "1 "} {
		if got, err := parseUint([]byte(text)); err == nil {
			t.Errorf("%q: got %d, want an error", text, got)
		}
	}
}

func TestParseMount(t *testing.T) {
	t.Parallel()
	type want struct {
		Point, Source, FSType, Major, Minor string
		ReadOnly                            bool
	}
	for line, w := range map[string]want{
		"36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue":  {"/mnt2", "/dev/root", "ext3", "98", "0", false},
		"36 35 98:0 / /a\\040b\\011c\\134d rw - ext3 /dev/x rw":                           {"/a b\tc\\d", "/dev/x", "ext3", "98", "0", false},
		"36 35 98:0 / / ro shared:1 master:2 propagate_from:3 unbindable - xfs /dev/x rw": {"/", "/dev/x", "xfs", "98", "0", true},
		"36 35 98:0 / / rw - xfs /dev/x ro":                                               {"/", "/dev/x", "xfs", "98", "0", true},
		"36 35 98:0 / / rw - ext4 /dev/x rw,emergency_ro":                                 {"/", "/dev/x", "ext4", "98", "0", true},
		"36 35 98:0 / / rw,errors=ro - ext4 /dev/x rw":                                    {"/", "/dev/x", "ext4", "98", "0", false},
		"36 35 0:5 / /t rw - tmpfs  rw":                                                   {"/t", "", "tmpfs", "0", "5", false},
		"36 35 0:44 / /srv/n rw - nfs4 filer:/a\\040b rw,vers=4.2":                        {"/srv/n", "filer:/a b", "nfs4", "0", "44", false},
	} {
		m, ok := parseMount([]byte(line))
		got := want{unescape(m.point), unescape(m.source), string(m.fsType), string(m.major), string(m.minor), m.readOnly()}
		if diff := cmp.Diff(w, got); diff != "" || !ok {
			t.Errorf("%s: %v (-want +got):\n%s", line, ok, diff)
		}
	}
	for _, line := range []string{"", "36", "36 35 98:0 / / rw ext3 /dev/root rw", "36 35 980 / / rw - ext3 /dev/root rw", "36 35 a:b / / rw - ext3 x rw", "36 35 1:2 / / rw -"} {
		if m, ok := parseMount([]byte(line)); ok {
			t.Errorf("%q: got %+v, want an error", line, m)
		}
	}
}

func TestHostPath(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ root, mount, want string }{
		{"/", "/var", "/var"},
		{"/host", "/host", "/"},
		{"/host", "/host/var", "/var"},
		{"/host/", "/host/var", "/var"},
		{"/host", "/hostage", "/hostage"},
		{"/host", "/other", "/other"},
	} {
		if got := (&Host{Root: tc.root}).hostPath(tc.mount); got != tc.want {
			t.Errorf("root %s, mount %s: got %s, want %s", tc.root, tc.mount, got, tc.want)
		}
	}
}

func TestMemoryFamily(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		field string
		kB    bool
		want  string
	}{
		{"MemTotal", true, "node_memory_MemTotal_bytes"},
		{"Active(anon)", true, "node_memory_Active_anon_bytes"},
		{"HugePages_Total", false, "node_memory_HugePages_Total"},
		{"DirectMap1G", true, "node_memory_DirectMap1G_bytes"},
		{"Committed_AS", true, "node_memory_Committed_AS_bytes"},
		{"new-field", false, "node_memory_new_field"},
	} {
		if got := memoryFamily(tc.field, tc.kB).Name; got != tc.want {
			t.Errorf("%s: got %s, want %s", tc.field, got, tc.want)
		}
	}
}

// TestCPUGoesBack: idle and iowait of the kernel go back a little now and then; a counter that went back would look like a restart of the host.
func TestCPUGoesBack(t *testing.T) {
	t.Parallel()
	s := newCPUState(0)
	s.advance(&[cpuColumns]uint64{cpuUser: 1000, cpuIdle: 5000, cpuIowait: 70})
	s.advance(&[cpuColumns]uint64{cpuUser: 1001, cpuIdle: 4990, cpuIowait: 60})
	if want := [cpuColumns]uint64{cpuUser: 1001, cpuIdle: 5000, cpuIowait: 70}; s.ticks != want {
		t.Errorf("after a small step back: %v, want %v", s.ticks, want)
	}
	s.advance(&[cpuColumns]uint64{cpuUser: 3, cpuIdle: 4})
	if want := [cpuColumns]uint64{cpuUser: 3, cpuIdle: 4}; s.ticks != want {
		t.Errorf("after the CPU was unplugged and came back: %v, want %v", s.ticks, want)
	}
}

func TestParsePressure(t *testing.T) {
	t.Parallel()
	some, full, err := parsePressure([]byte("some avg10=0.10 avg60=2.00 avg300=3.85 total=15\nfull avg10=0.20 avg60=3.00 avg300=4.95 total=25\n"))
	if some != 15 || full != 25 || err != nil {
		t.Errorf("got %d, %d, %v", some, full, err)
	}
	if some, full, err = parsePressure([]byte("full avg10=0.20 avg60=3.00 avg300=4.95 total=0\n")); some != -1 || full != 0 || err != nil {
		t.Errorf("got %d, %d, %v", some, full, err)
	}
	for _, text := range []string{"some avg10=0.10\n", "some total=x\n", "some total=-1\n"} {
		if _, _, err := parsePressure([]byte(text)); err == nil {
			t.Errorf("%q: want an error", text)
		}
	}
}

func TestNoPressure(t *testing.T) {
	t.Parallel()
	host := ThisHost(quiet())
	host.Proc = t.TempDir()
	s, err := NewSet(Config{Host: host, Log: quiet(), Enabled: []string{"pressure"}})
	if err != nil {
		t.Fatal(err)
	}
	if got := values(t, s, 10e9); len(got) != 2 || got["success{collector=pressure}"] != 0 {
		t.Errorf("got %v", got)
	}
}

func TestParseCPUList(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]int{"": nil, "1\n": {1}, "0,2-4,7\n": {0, 2, 3, 4, 7}, "4-2": nil, "x,1": {1}, "0-999999999": nil} {
		if diff := cmp.Diff(want, parseCPUList(text)); diff != "" {
			t.Errorf("%q (-want +got):\n%s", text, diff)
		}
	}
}

// TestUdev: an entry is parsed again when udev has replaced it, and forgotten when it is gone.
func TestUdev(t *testing.T) {
	t.Parallel()
	u := udev{dir: t.TempDir()}
	path := filepath.Join(u.dir, "b8:0")
	if got := u.of(8, 0); got.props != nil {
		t.Errorf("without an entry: %v", got.props)
	}
	write(t, path, "S:x\nE:ID_MODEL=one=1\n")
	if got := u.of(8, 0).props["ID_MODEL"]; got != "one=1" {
		t.Errorf("got %q", got)
	}
	// An entry that is not just being written is parsed once.
	old := time.Now().Add(-time.Hour)
	if err := os.Chtimes(path, old, old); err != nil {
		t.Fatal(err)
	}
	version := u.of(8, 0).version
	if got := u.of(8, 0).version; got != version {
		t.Error("an entry that did not change was parsed again")
	}
	write(t, path+".new", "E:ID_MODEL=two\n")
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
	if got := u.of(8, 0).props["ID_MODEL"]; got != "two" {
		t.Errorf("after a change: got %q", got)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if got := u.of(8, 0).props; got != nil {
		t.Errorf("after the entry has gone: %v", got)
	}
}

// TestBadLabel: a name that is not UTF-8 must not cost the scrape.
func TestBadLabel(t *testing.T) {
	t.Parallel()
	s := fakeValue.with("a\xffb")
	if got := s.pairs[0].GetValue(); got != "a\uFFFDb" {
		t.Errorf("got %q", got)
	}
}

// TestLargeFile: /proc/stat of a large host is larger than the first buffer.
func TestLargeFile(t *testing.T) {
	t.Parallel()
	path, text := filepath.Join(t.TempDir(), "stat"), strings.Repeat("0123456789", 100_000)
	write(t, path, text)
	var f file
	for range 2 {
		b, err := f.read(path)
		if err != nil || string(b) != text {
			t.Fatalf("read %d bytes, %v, want %d", len(b), err, len(text))
		}
	}
	if _, err := f.read(path + ".none"); !os.IsNotExist(err) {
		t.Errorf("a missing file gave %v", err)
	}
}

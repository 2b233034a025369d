package collector

import (
	"os"
	"path/filepath"
	"testing"
)

// parsers are the functions that read what the kernel or udev wrote. They may refuse anything and must never panic.
var parsers = map[string]func(b []byte) error{
	"proc/stat":       func(b []byte) error { return eachStat(b, func(*Family, uint64) {}) },
	"proc/stat (cpu)": func(b []byte) error { return eachCPU(b, func(uint64, *[cpuColumns]uint64) {}) },
	"proc/loadavg":    func(b []byte) error { _, err := parseLoadavg(b); return err },
	"proc/meminfo": func(b []byte) error {
		return eachMemory(b, func(f []byte, kB bool, _ uint64) error { memoryFamily(string(f), kB); return nil })
	},
	"proc/diskstats":   func(b []byte) error { return eachDisk(b, func(diskLine) {}) },
	"proc/1/mountinfo": func(b []byte) error { return eachMount(b, func(m mount) { unescape(m.point); m.readOnly() }) },
	"proc/net/dev":     func(b []byte) error { _, err := parseNetDev(b); return err },
	"proc/pressure/io": func(b []byte) error { _, _, err := parsePressure(b); return err },
	"udev/b8_0":        func(b []byte) error { parseUdev(b); return nil },
	"sys cpu list":     func(b []byte) error { parseCPUList(string(b)); return nil },
	"netlink":          func(b []byte) error { _, _, err := parseLinks(nil, b); return err },
}

// FuzzParsers gives every input to every parser.
func FuzzParsers(f *testing.F) {
	for name := range parsers {
		if b, err := os.ReadFile(filepath.Join("../testdata/fixture", name)); err == nil {
			f.Add(b)
		}
	}
	f.Add([]byte("0,2-4,7"))
	f.Add(netlinkDump(2, true))
	f.Add([]byte("cpu0 1 2 3 99999999999999999999\n"))
	f.Add([]byte("MemTotal: 99999999999999999 kB\n"))
	f.Fuzz(func(_ *testing.T, b []byte) {
		for _, parse := range parsers {
			_ = parse(b)
		}
	})
}

// TestFixtureParses: every parser takes the file that it is for, and refuses one that was cut in the middle of a line where that can be seen.
func TestFixtureParses(t *testing.T) {
	t.Parallel()
	for name, parse := range parsers {
		b, err := os.ReadFile(filepath.Join("../testdata/fixture", name))
		if err != nil {
			continue
		}
		if err := parse(b); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestRefused: an input that is not of the form is an error with the place, never a number that was made up.
func TestRefused(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ parser, in, want string }{
		{"proc/stat", "ctxt many\n", `kernel statistics: line "ctxt": value "many": not a whole number`},
		{"proc/stat (cpu)", "cpu0 1 2 x\n", `CPU times: line "cpu0 1 2 x": want at least 4 whole numbers`},
		{"proc/stat (cpu)", "cpux 1 2 3 4\n", `CPU times: line "cpux 1 2 3 4": want a CPU number`},
		{"proc/loadavg", "0.1 0.2\n", `load averages: field 3 is "", want a number`},
		{"proc/loadavg", "0.1 NaN 0.2\n", `load averages: field 2 is "NaN", want a number`},
		{"proc/meminfo", "MemTotal: 1 MB\n", `memory information: line "MemTotal: 1 MB": want the unit kB or none`},
		{"proc/meminfo", "MemTotal 1 kB\n", `memory information: line "MemTotal 1 kB": want a field that ends with a colon`},
		{"proc/meminfo", "", `memory information: the file is empty`},
		{"proc/diskstats", "8 0 sda 1 2 3\n", `disk statistics: line "8 0 sda 1 2 3": want a device and at least 11 whole numbers`},
		{"proc/1/mountinfo", "1 2 3\n", `mounts: line "1 2 3" is not of the form of mountinfo`},
		{"proc/net/dev", "one\ntwo\neth0 1\n", `network interfaces: line "eth0 1": want a name that ends with a colon`},
		{"proc/net/dev", "one\ntwo\neth0: 1 2\n", `network interfaces: line "eth0: 1 2": want a name and 16 whole numbers`},
		{"netlink", "abc", "a message is cut off"},
	} {
		err := parsers[tc.parser]([]byte(tc.in))
		if err == nil || err.Error() != tc.want {
			t.Errorf("%s %q:\n got %v\nwant %s", tc.parser, tc.in, err, tc.want)
		}
	}
}

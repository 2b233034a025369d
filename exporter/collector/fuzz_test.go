package collector

import (
	"os"
	"path/filepath"
	"regexp"
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
	"proc/vmstat":      func(b []byte) error { return eachPair(b, "paging", func([]byte, uint64) error { return nil }) },
	"proc/net/snmp":    func(b []byte) error { return eachNetstat(b, func(_, _ []byte, _ float64) error { return nil }) },
	"proc/net/snmp6":   func(b []byte) error { return eachSNMP6(b, func(_, _ []byte, _ float64) error { return nil }) },
	"proc/net/sockstat": func(b []byte) error {
		return eachSocket(b, func(p, s []byte, _ uint64) error { sockstatFamily(string(p) + "_" + string(s)); return nil })
	},
	"proc/net/stat/nf_conntrack": func(b []byte) error { _, err := sumColumns(b); return err },
	"proc/sys/fs/file-nr":        func(b []byte) error { _, err := parseFileNr(b); return err },
	"proc/1/stat":                func(b []byte) error { _, _, err := parseProcess(b); return err },
	"proc/schedstat":             func(b []byte) error { return eachSched(b, func([]byte, [3]uint64) {}) },
	"proc/net/softnet_stat":      func(b []byte) error { return eachSoftnet(b, func(uint64, []uint64) {}) },
	"proc/interrupts": func(b []byte) error {
		return eachIRQ(b, "interrupts", func(l irqLine) error { _, err := l.next(); return err })
	},
	"proc/net/arp":    func(b []byte) error { _, err := countARP(b); return err },
	"proc/net/udp":    func(b []byte) error { _, _, err := sumQueues(b); return err },
	"proc/mdstat":     func(b []byte) error { _, err := parseMdstat(b); return err },
	"proc/cpuinfo":    func(b []byte) error { eachCPUInfo(b, func(map[string]string) {}); return nil },
	"etc/os-release":  func(b []byte) error { majorMinor(parseRelease(b)["VERSION_ID"]); return nil },
	"hwmon file name": func(b []byte) error { splitSensor(cleanSensorName(string(b))); return nil },
	"sock_diag":       func(b []byte) error { return new(TCPSockets).add(b) },
	"netlink":         func(b []byte) error { _, _, err := parseLinks(nil, b); return err },
}

// FuzzParsers gives every input to every parser.
func FuzzParsers(f *testing.F) {
	for name := range parsers {
		if b, err := os.ReadFile(filepath.Join("../testdata/fixture", name)); err == nil {
			f.Add(b)
		}
	}
	for _, text := range fixtureFiles(f) {
		f.Add([]byte(text))
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

// fixtureFiles are the files of the archive of the fixture host, by path.
func fixtureFiles(t testing.TB) map[string]string {
	t.Helper()
	b, err := os.ReadFile("../testdata/fixture.txtar")
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	heads := regexp.MustCompile(`(?m)^-- (\S+) --\n`).FindAllSubmatchIndex(b, -1)
	for i, h := range heads {
		end := len(b)
		if i+1 < len(heads) {
			end = heads[i+1][0]
		}
		out[string(b[h[2]:h[3]])] = string(b[h[1]:end])
	}
	return out
}

// TestFixtureParses: every parser takes the file that it is for.
func TestFixtureParses(t *testing.T) {
	t.Parallel()
	archive, tried := fixtureFiles(t), 0
	for name, parse := range parsers {
		b, err := os.ReadFile(filepath.Join("../testdata/fixture", name))
		if text, ok := archive[name]; ok {
			b, err = []byte(text), nil
		}
		if err != nil {
			continue
		}
		tried++
		if err := parse(b); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if tried < 20 {
		t.Errorf("only %d parsers have a file", tried)
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
		{"proc/vmstat", "pgpgin many\n", `paging: line "pgpgin many": not a whole number`},
		{"proc/net/snmp", "Tcp: InErrs OutRsts\nTcp: 1\n", `network statistics: Tcp: "OutRsts" is "", want as many whole numbers as names`},
		{"proc/net/snmp", "Tcp: InErrs\nUdp: 1\n", `network statistics: line "Tcp:": want a line of names and one of numbers for the same protocol`},
		{"proc/net/snmp", "Tcp: InErrs\nTcp: Inf\n", `network statistics: Tcp: "InErrs" is "Inf", want as many whole numbers as names`},
		{"proc/net/sockstat", "TCP: inuse\n", `sockets: line "TCP: inuse": inuse is "": not a whole number`},
		{"proc/net/sockstat", "TCP inuse 1\n", `sockets: line "TCP inuse 1": want a protocol that ends with a colon`},
		{"proc/net/stat/nf_conntrack", "entries found\n00000001\n", `found is "": not a whole number`},
		{"proc/sys/fs/file-nr", "1024\t0\n", `number of open files: "1024\t0": want three whole numbers`},
		{"proc/1/stat", "1 systemd S 0", `"1 systemd S 0": want a name in parentheses`},
		{"proc/1/stat", "1 (a) S 0 1", `number of threads "": not a whole number`},
		{"proc/1/stat", "1 (a) ", `state "": want one letter`},
		{"proc/schedstat", "cpu0 1 2 3\n", `scheduler statistics: line "cpu0 1 2 3": want a CPU and 9 whole numbers`},
		{"proc/net/softnet_stat", "0001 0002\n", `packets of each CPU: line "0001 0002": want at least 9 numbers`},
		{"proc/net/softnet_stat", "xyz\n", `packets of each CPU: line "xyz": want hexadecimal numbers`},
		{"proc/interrupts", "", `interrupts: heading "": want the names of CPUs`},
		{"proc/interrupts", "A B\n", `interrupts: heading "A B": want the names of CPUs`},
		{"proc/net/arp", "heading\n192.0.2.1 0x1\n", `neighbours: line "192.0.2.1 0x1": want 6 fields`},
		{"proc/net/udp", "heading\n1: a b c d\n", `UDP sockets: line "1: a b c d": want the sizes of the queues in the fifth field`},
		{"proc/mdstat", "md0 : active raid1 sda[0]\n      many blocks\n", `software RAID: md0: line "many blocks": size "many": not a whole number`},
		{"proc/mdstat", "md0 : active raid1 sda[0]\n  9 blocks [2/1] [_U]\n  [=>..]  recovery = 8.5% finish\n", `software RAID: md0: line "[=>..]  recovery = 8.5% finish": want (done/all) in blocks: not a whole number`},
		{"sock_diag", "abc", "a message is cut off"},
		{"netlink", "abc", "a message is cut off"},
	} {
		err := parsers[tc.parser]([]byte(tc.in))
		if err == nil || err.Error() != tc.want {
			t.Errorf("%s %q:\n got %v\nwant %s", tc.parser, tc.in, err, tc.want)
		}
	}
}

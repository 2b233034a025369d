package collector

import (
	"bytes"
	"fmt"
)

// mount is one line of /proc/<pid>/mountinfo, proc_pid_mountinfo(5). The byte slices point into the file and are escaped as the kernel wrote them.
type mount struct {
	major, minor          []byte
	point, source, fsType []byte
	options, superOptions []byte
}

// eachMount calls yield for every mount of a mountinfo file.
func eachMount(b []byte, yield func(mount)) error {
	for len(b) > 0 {
		var line []byte
		line, b = cutLine(b)
		if len(line) == 0 {
			continue
		}
		m, ok := parseMount(line)
		if !ok {
			return fmt.Errorf("mounts: line %q is not of the form of mountinfo", shorten(line))
		}
		yield(m)
	}
	return nil
}

// parseMount cuts "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue": the number of optional fields before the dash
// varies.
func parseMount(line []byte) (m mount, ok bool) {
	_, rest := cutField(line) // mount ID
	_, rest = cutField(rest)  // parent ID
	device, rest := cutField(rest)
	_, rest = cutField(rest) // root of the mount within its file system
	m.point, rest = cutField(rest)
	m.options, rest = cutField(rest)
	m.major, m.minor, ok = bytes.Cut(device, []byte(":"))
	if !ok {
		return mount{}, false
	}
	if _, err := parseUint(m.major); err != nil {
		return mount{}, false
	}
	if _, err := parseUint(m.minor); err != nil {
		return mount{}, false
	}
	for {
		var field []byte
		if field, rest = cutField(rest); len(field) == 0 {
			return mount{}, false
		}
		if len(field) == 1 && field[0] == '-' {
			break
		}
	}
	m.fsType, rest = cutField(rest)
	m.source, rest = cutField(rest)
	m.superOptions, _ = cutField(rest)
	if len(m.superOptions) == 0 { // the source is empty: "- tmpfs  rw"
		m.source, m.superOptions = nil, m.source
	}
	return m, len(m.point) > 0 && len(m.fsType) > 0
}

// readOnly reports whether the mount or its file system is read-only, also after the kernel made it so because of errors.
func (m mount) readOnly() bool {
	return hasOption(m.options, "ro") || hasOption(m.superOptions, "ro") || hasOption(m.superOptions, "emergency_ro")
}

func hasOption(options []byte, want string) bool {
	for len(options) > 0 {
		var o []byte
		o, options, _ = bytes.Cut(options, []byte(","))
		if string(o) == want {
			return true
		}
	}
	return false
}

// unescape undoes the kernel's octal escapes of space, tab, newline and backslash ("\040").
func unescape(b []byte) string {
	if bytes.IndexByte(b, '\\') < 0 {
		return string(b)
	}
	out := make([]byte, 0, len(b))
	for i := 0; i < len(b); i++ {
		if b[i] == '\\' && i+3 < len(b) && octal(b[i+1]) && octal(b[i+2]) && octal(b[i+3]) {
			if v := int(b[i+1]-'0')<<6 | int(b[i+2]-'0')<<3 | int(b[i+3]-'0'); v < 256 {
				out = append(out, byte(v))
				i += 3
				continue
			}
		}
		out = append(out, b[i])
	}
	return string(out)
}

func octal(c byte) bool { return c >= '0' && c <= '7' }

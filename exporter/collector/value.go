package collector

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// The one-value files of sysfs and of /proc/sys.

// number reads a file that holds one number.
func (f *file) number(path string) (float64, error) {
	b, err := f.readOne(path)
	if err != nil {
		return 0, err
	}
	v, err := parseFloat(b)
	if err != nil {
		return 0, fmt.Errorf("%s holds %q: %w", path, shorten(b), err)
	}
	return v, nil
}

// text reads a file that holds one line; "" when it cannot be read.
func (f *file) text(path string) string {
	b, err := f.readOne(path)
	if err != nil {
		return ""
	}
	return string(b)
}

// unit is a file with one number that becomes one metric: value = content * factor, where factor is a power of ten.
type unit struct {
	file   string
	f      *Family
	factor float64
}

// scale converts a value of the kernel. Dividing by a power of ten is exact to the last digit, multiplying by 0.1 is not.
func (u unit) scale(v float64) float64 {
	if u.factor < 1 {
		return v / math.Round(1/u.factor)
	}
	return v * u.factor
}

// sendUnits sends those of the files in dir that are there and hold a number, and says how many that were. A value that a device does not have,
// or does not tell now, is left out.
func (f *file) sendUnits(send func(*Family, float64), dir string, units []unit) int {
	sent := 0
	for _, u := range units {
		v, err := f.number(dir + "/" + u.file)
		if err != nil {
			continue
		}
		send(u.f, u.scale(v))
		sent++
	}
	return sent
}

// list returns the names in a directory, sorted: those with the prefix and a number after it come in the order of the number. A directory that is not
// there is ErrNoData.
func list(dir, prefix string) ([]string, error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, absent(err)
	}
	names, err := d.Readdirnames(-1)
	_ = d.Close() // nothing was written
	if err != nil {
		return nil, absent(err)
	}
	names = slices.DeleteFunc(names, func(n string) bool { return !strings.HasPrefix(n, prefix) })
	slices.SortFunc(names, func(a, b string) int {
		i, err1 := strconv.Atoi(a[len(prefix):])
		j, err2 := strconv.Atoi(b[len(prefix):])
		if err1 != nil || err2 != nil || i == j {
			return strings.Compare(a, b)
		}
		return i - j
	})
	return names, nil
}

// numbered returns those names of a directory that are the prefix and a number, in its order. None is ErrNoData.
func numbered(dir, prefix string) ([]string, error) {
	names, err := list(dir, prefix)
	names = slices.DeleteFunc(names, func(n string) bool {
		_, err := strconv.ParseUint(n[len(prefix):], 10, 32)
		return err != nil
	})
	if err == nil && len(names) == 0 {
		err = ErrNoData
	}
	return names, err
}

// absent turns "no such file" into ErrNoData and leaves every other error.
func absent(err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENODEV) {
		return ErrNoData
	}
	return err
}

// gone says that what was read ended meanwhile: a process, an interface, a device.
func gone(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESRCH) || errors.Is(err, syscall.ENODEV)
}

// fields keeps the families that the kernel names itself: one for each field of a file, so that a new field needs no new version.
type fields struct {
	what   string                     // for errors
	family func(field string) *Family // nil for a field that is not published
	known  map[string]series
}

// maxFields and maxFieldName bound the families that a broken file could create. /proc/vmstat has about 200 fields.
const (
	maxFields    = 4096
	maxFieldName = 100
)

// of returns the series of a field and whether it is published.
func (t *fields) of(field []byte) (series, bool, error) {
	s, ok := t.known[string(field)]
	if !ok {
		if len(field) > maxFieldName {
			return series{}, false, fmt.Errorf("%s: field %q: want a name of at most %d bytes", t.what, shorten(field), maxFieldName)
		}
		if len(t.known) >= maxFields {
			return series{}, false, fmt.Errorf("%s: more than %d fields", t.what, maxFields)
		}
		if f := t.family(string(field)); f != nil {
			s = f.with()
		}
		if t.known == nil {
			t.known = map[string]series{}
		}
		t.known[string(field)] = s
	}
	return s, s.f != nil, nil
}

// metricName makes a field part of a metric name: letters, digits and _ stay, every other byte becomes _.
func metricName(field string) string {
	return strings.Map(func(r rune) rune {
		if r == '_' || (r >= '0' && r <= '9') || (r >= 'A' && r <= 'Z') || (r >= 'a' && r <= 'z') {
			return r
		}
		return '_'
	}, field)
}

package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
)

// table is one input file.
type table struct {
	name    string
	columns []string // names of the value columns
	// synthetic is set when there was no timestamp column: row i is stamped i × step.
	synthetic bool
	// ignored are the columns that were neither timestamp nor value.
	ignored []string
	rows
}

// csvOptions say how a file is read.
type csvOptions struct {
	unit   unit
	values []string // names of the wanted value columns; empty: found by name
	clean  string   // name of the column that marks what is fit for training: it is the last of the columns read; "" for none
	step   int64    // of rows without timestamp, milliseconds
}

// maxLine is the longest line that is read.
const maxLine = 1 << 20

// Names by which columns are known, in lower case.
var (
	timeNames  = []string{"timestamp", "time", "ts", "datetime", "date", "@timestamp", "timestamps"}
	labelNames = []string{"label", "labels", "is_anomaly", "anomaly", "anomalous", "is_anomalous", "ground_truth", "outlier", "kpi id", "series"}
)

// readFile reads a file by its name: "-" is the given reader, a name that ends in .gz is unpacked.
func readFile(name string, stdin io.Reader, o csvOptions) (*table, error) {
	r := stdin
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, badInput(err)
		}
		defer f.Close()
		r = f
	}
	if strings.HasSuffix(name, ".gz") {
		z, err := gzip.NewReader(r)
		if err != nil {
			return nil, badInputf("%s: not a gzip file: %v", name, err)
		}
		defer z.Close()
		r = z
	}
	return readCSV(name, r, o)
}

// readCSV reads comma separated rows with an optional header. Every error names file, line, column, value and what is wanted.
func readCSV(name string, r io.Reader, o csvOptions) (*table, error) {
	p := &csvReader{table: &table{name: name}, o: o, in: bufio.NewReaderSize(skipMark(r), maxLine), unit: o.unit}
	for {
		line, err := p.line()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		if err := p.row(line); err != nil {
			return nil, err
		}
	}
	if p.n == 0 {
		return nil, badInputf("%s: holds no rows, want rows of timestamp,value", name)
	}
	return p.table, nil
}

// skipMark drops a byte order mark.
func skipMark(r io.Reader) io.Reader {
	b := bufio.NewReader(r)
	if head, err := b.Peek(3); err == nil && bytes.Equal(head, []byte("\xef\xbb\xbf")) {
		_, _ = b.Discard(3)
	}
	return b
}

// csvReader reads one file.
type csvReader struct {
	*table
	o    csvOptions
	in   *bufio.Reader
	unit unit

	number  int // of the line, from 1
	known   bool
	time    int // column of the timestamp, -1: none
	value   []int
	last    int // the last column that matters
	header  []string
	fields  [][]byte
	values  []float64
	scratch []byte
}

// line returns the next line without its end; io.EOF at the end of the file.
func (p *csvReader) line() ([]byte, error) {
	line, err := p.in.ReadSlice('\n')
	p.number++
	switch {
	case errors.Is(err, bufio.ErrBufferFull):
		return nil, badInputf("%s:%d: the line is longer than %d bytes, want rows of timestamp,value", p.name, p.number, maxLine)
	case errors.Is(err, io.EOF) && len(line) == 0:
		return nil, io.EOF
	case err != nil && !errors.Is(err, io.EOF):
		return nil, badInputf("%s:%d: read: %v", p.name, p.number, err)
	}
	line = bytes.TrimSuffix(line, []byte("\n"))
	return bytes.TrimSuffix(line, []byte("\r")), nil
}

func (p *csvReader) row(line []byte) error {
	if err := p.split(line); err != nil {
		return err
	}
	if !p.known {
		if len(line) == 0 {
			return nil
		}
		header, err := p.learn()
		if err != nil || header {
			return err
		}
	}
	if len(line) == 0 && (p.time >= 0 || len(p.value) > 1) {
		return nil // only where a row is one value is an empty line a row
	}
	if len(p.fields) <= p.last {
		return badInputf("%s:%d: got %d columns, want at least %d", p.name, p.number, len(p.fields), p.last+1)
	}
	for i, c := range p.value {
		x, ok := parseValue(p.fields[c])
		if !ok {
			return p.bad(c, "a number, or nothing for a gap")
		}
		p.values[i] = x
	}
	if p.time < 0 {
		t := int64(p.n) * p.o.step
		p.add(t, strconv.AppendInt(p.scratch[:0], t/1000, 10), p.values)
		return nil
	}
	stamp := p.fields[p.time]
	if p.n == 0 && p.unit == unitAuto {
		p.guess(stamp)
	}
	t, ok := parseTime(stamp, p.unit)
	if !ok {
		return p.bad(p.time, "seconds since 1970 (other units: --time-unit) or a time like 2006-01-02T15:04:05Z")
	}
	p.add(t, stamp, p.values)
	return nil
}

func (p *csvReader) bad(column int, want string) error {
	name := "column " + strconv.Itoa(column+1)
	if column < len(p.header) && p.header[column] != "" {
		name = "column " + strconv.Quote(p.header[column])
	}
	return badInputf("%s:%d: %s: got %q, want %s", p.name, p.number, name, clip(string(p.fields[column])), want)
}

// split cuts a line into fields, which point into it. Spaces around a field do not count.
func (p *csvReader) split(line []byte) error {
	p.fields = p.fields[:0]
	if bytes.IndexByte(line, '"') >= 0 {
		return p.splitQuoted(line)
	}
	for {
		i := bytes.IndexByte(line, ',')
		if i < 0 {
			p.fields = append(p.fields, trim(line))
			return nil
		}
		p.fields = append(p.fields, trim(line[:i]))
		line = line[i+1:]
		if p.known && len(p.fields) > p.last {
			return nil
		}
	}
}

// splitQuoted is split for a line with quotes, in which "" stands for one. A quoted field does not span lines.
func (p *csvReader) splitQuoted(line []byte) error {
	for {
		line = bytes.TrimLeft(line, " \t")
		var field []byte
		if len(line) > 0 && line[0] == '"' {
			line = line[1:]
			for {
				i := bytes.IndexByte(line, '"')
				if i < 0 {
					return badInputf("%s:%d: a quote is not closed on its line", p.name, p.number)
				}
				field = append(field, line[:i]...)
				line = line[i+1:]
				if len(line) == 0 || line[0] != '"' {
					break
				}
				field = append(field, '"')
				line = line[1:]
			}
			line = bytes.TrimLeft(line, " \t")
			if len(line) > 0 && line[0] != ',' {
				return badInputf("%s:%d: got %q after a quoted field, want a comma", p.name, p.number, clip(string(line)))
			}
		} else {
			i := bytes.IndexByte(line, ',')
			if i < 0 {
				i = len(line)
			}
			field, line = trim(line[:i]), line[i:]
		}
		p.fields = append(p.fields, field)
		if len(line) == 0 {
			return nil
		}
		line = line[1:]
	}
}

func trim(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t') {
		b = b[1:]
	}
	for len(b) > 0 && (b[len(b)-1] == ' ' || b[len(b)-1] == '\t') {
		b = b[:len(b)-1]
	}
	return b
}

// learn finds out from the first row which column is which, and whether it is a header.
func (p *csvReader) learn() (header bool, err error) {
	p.known = true
	_, first := parseTime(p.fields[0], p.unit)
	for i, f := range p.fields {
		_, isValue := parseValue(f)
		if _, isTime := parseTime(f, p.unit); !isValue && !isTime && (i < 2 || !first) {
			header = true
		}
	}
	if header {
		err = p.byName()
	} else {
		err = p.byPlace()
	}
	if err != nil {
		return false, err
	}
	p.last = max(p.time, slices.Max(p.value))
	p.width, p.values = len(p.value), make([]float64, len(p.value))
	p.synthetic = p.time < 0
	return header, nil
}

// guess settles the unit by the first timestamp, so that a file is not read in two units.
func (p *csvReader) guess(stamp []byte) {
	if x, err := strconv.ParseFloat(text(stamp), 64); err == nil {
		p.unit = guessUnit(x)
	}
}

// byPlace is for a file without header: one value, or timestamp and value and what is ignored.
func (p *csvReader) byPlace() error {
	for _, want := range append(slices.Clone(p.o.values), p.o.clean) {
		if want != "" {
			return badInputf("%s: value column %q is asked for, but there is no header with names", p.name, want)
		}
	}
	p.columns = []string{"value"}
	if len(p.fields) == 1 {
		p.time, p.value = -1, []int{0}
		return nil
	}
	p.time, p.value = 0, []int{1}
	for i := 2; i < len(p.fields); i++ {
		p.ignored = append(p.ignored, strconv.Itoa(i+1))
	}
	return nil
}

// byName is for a file with header.
func (p *csvReader) byName() error {
	p.time = -1
	lower := make([]string, len(p.fields))
	for i, f := range p.fields {
		p.header = append(p.header, string(f))
		lower[i] = strings.ToLower(string(f))
	}
	for _, n := range timeNames {
		if i := slices.Index(lower, n); i >= 0 {
			p.time = i
			break
		}
	}
	if len(p.o.values) > 0 {
		for _, want := range p.o.values {
			i := slices.Index(p.header, want)
			if i < 0 {
				return badInputf("%s: no column %q, want one of %s", p.name, want, strings.Join(p.header, ", "))
			}
			p.value = append(p.value, i)
		}
	} else {
		p.value = valueColumns(lower, p.time)
	}
	slices.Sort(p.value) // columns are named in the order of the file
	p.value = slices.Compact(p.value)
	clean := -1
	if p.o.clean != "" {
		if clean = slices.Index(p.header, p.o.clean); clean < 0 {
			return badInputf("%s: --clean: no column %q, want one of %s", p.name, p.o.clean, strings.Join(p.header, ", "))
		}
		p.value = slices.DeleteFunc(p.value, func(i int) bool { return i == clean })
	}
	if len(p.value) == 0 {
		return badInputf("%s: got columns %s, want one named value; name another with --value", p.name, strings.Join(p.header, ", "))
	}
	for i, h := range p.header {
		if slices.Contains(p.value, i) {
			p.columns = append(p.columns, h)
		} else if i != p.time && i != clean {
			p.ignored = append(p.ignored, h)
		}
	}
	if clean >= 0 {
		p.value, p.columns = append(p.value, clean), append(p.columns, p.o.clean)
	}
	return nil
}

// valueColumns are those named value, value1, value_2 …; else all that are not a timestamp or a label.
func valueColumns(lower []string, time int) []int {
	var named, others []int
	for i, n := range lower {
		rest, is := strings.CutPrefix(n, "value")
		_, err := strconv.Atoi(strings.TrimLeft(rest, "_-"))
		switch {
		case is && (rest == "" || err == nil):
			named = append(named, i)
		case i != time && !slices.Contains(labelNames, n):
			others = append(others, i)
		}
	}
	if named != nil {
		return named
	}
	return others
}

// clip keeps an error to one readable line.
func clip(s string) string {
	if r := []rune(s); len(r) > 60 {
		return string(r[:57]) + "..."
	}
	return s
}

// inputError is an error for which the caller is to change what was given: exit code 2.
type inputError struct{ err error }

func (e *inputError) Error() string { return e.err.Error() }
func (e *inputError) Unwrap() error { return e.err }

func badInput(err error) error                   { return &inputError{err} }
func badInputf(format string, args ...any) error { return &inputError{fmt.Errorf(format, args...)} }

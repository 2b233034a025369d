package follow

import (
	"bytes"
	"io"
	"os"
	"time"
)

// tail is one open file. Bytes before done were handed over as records; those up to read are held here.
type tail struct {
	f       *os.File
	path    string // where it is now, or was last
	id      fileID
	opening opening
	size    int64 // as last seen
	mtime   time.Time
	read    int64
	done    int64
	gone    time.Time // since when its path leads elsewhere; zero while it does not
	format  Format
	fields  map[string][]Field // by stream

	part    []byte // the line whose end was not read yet
	partLen int64  // its bytes in the file
	partCut bool
	join    joiner
	failed  bool // the last read failed
}

// chunk is how much is read by one call.
const chunk = 64 << 10

// feed takes bytes that were read and hands over what is complete.
func (t *tail) feed(o *FilesOptions, b []byte, now time.Time, take func(Record)) {
	t.read += int64(len(b))
	for len(b) > 0 {
		i := bytes.IndexByte(b, '\n')
		if i < 0 {
			t.hold(o, b)
			return
		}
		if t.partLen == 0 && i <= o.MaxLine {
			t.line(o, b[:i], int64(i)+1, false, now, take)
		} else {
			t.hold(o, b[:i])
			t.endLine(o, 1, now, take)
		}
		b = b[i+1:]
	}
}

// hold keeps the beginning of a line, as much as is allowed.
func (t *tail) hold(o *FilesOptions, b []byte) {
	t.partLen += int64(len(b))
	if len(t.part) == 0 { // a file that was truncated under its writer begins with zeros, maybe gigabytes
		b = bytes.TrimLeft(b, "\x00")
	}
	if room := o.MaxLine - len(t.part); len(b) > room {
		b, t.partCut = b[:max(room, 0)], true
	}
	t.part = append(t.part, b...)
}

// endLine hands over the line that was held, with an end of line of extra bytes.
func (t *tail) endLine(o *FilesOptions, extra int64, now time.Time, take func(Record)) {
	size, cut := t.partLen+extra, t.partCut
	t.partLen, t.partCut = 0, false
	line := t.part
	t.part = t.part[:0]
	t.line(o, line, size, cut, now, take)
}

func (t *tail) line(o *FilesOptions, line []byte, size int64, cut bool, now time.Time, take func(Record)) {
	line = bytes.TrimLeft(bytes.TrimSuffix(line, []byte("\r")), "\x00")
	u, err := t.format.unwrap(line)
	if err != nil {
		t.misfit(o, line, cut)
	}
	t.join.add(u, size, cut, now, t.emit(o, take))
}

func (t *tail) misfit(o *FilesOptions, line []byte, cut bool) {
	if cut {
		return // what was cut cannot be whole, and it was reported
	}
	o.Reporter.Report(ReasonFormat, t.path+": not a line of format "+string(t.format)+": "+string(line[:min(len(line), 80)]))
}

func (t *tail) emit(o *FilesOptions, take func(Record)) func([]byte, int, int64, string, bool) {
	return func(text []byte, lines int, size int64, stream string, cut bool) {
		t.done += size
		if cut {
			o.Reporter.Report(ReasonCut, t.path)
		}
		take(Record{Text: text, Lines: lines, Bytes: size, Fields: t.fieldsFor(stream), Cut: cut})
	}
}

func (t *tail) fieldsFor(stream string) []Field {
	f, ok := t.fields[stream]
	if !ok {
		f = append(fieldsOf(t.path), Field{"stream", stream})
		t.fields[stream] = f
	}
	return f
}

// finish hands over all that is held: nothing will come after it.
func (t *tail) finish(o *FilesOptions, now time.Time, take func(Record)) {
	if t.partLen > 0 {
		t.endLine(o, 0, now, take)
	}
	t.join.flush(t.emit(o, take))
}

// restart goes to an offset and forgets what is held.
func (t *tail) restart(at int64) {
	t.read, t.done = at, at
	t.part, t.partLen, t.partCut = t.part[:0], 0, false
	t.join = joiner{join: t.join.join, text: t.join.text[:0]}
}

// step reads one chunk. It returns how many bytes there were.
func (t *tail) step(o *FilesOptions, buf []byte, now time.Time, take func(Record)) (int, error) {
	n, err := t.f.ReadAt(buf, t.read)
	if err == io.EOF {
		err = nil
	}
	if n > 0 {
		t.feed(o, buf[:n], now, take)
	}
	t.size = max(t.size, t.read)
	return n, err
}

package follow

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// journalFile reads one file of the systemd journal, entry by entry, while journald writes it. It is read by plain reads, never mapped into memory:
// a file that shrinks under a mapping kills the process. Source: systemd, "Journal File Format" (https://systemd.io/JOURNAL_FILE_FORMAT/).
type journalFile struct {
	f       *os.File
	path    string
	id      string // the file's own, the same after it is archived under another name
	compact bool
	closed  bool // archived, or put aside because it was not closed: nothing will be added

	entries uint64 // that the file has
	done    uint64 // that were read
	size    int64  // of the part in use
	array   uint64 // where the array of entries is that the next one stands in
	at      uint64 // its place there
	room    uint64 // places of that array
	buf     []byte
	values  map[uint64]journalValue // by offset: the same data is shared by many entries
	zstd    *zstd.Decoder
}

// journalValue is one datum: the number of a field that is wanted, or -1.
type journalValue struct {
	field int
	value string
}

// The fields that are wanted, as they are called in the journal and in a Record. The first is the text.
var journalFields = [...]struct{ journal, name string }{
	{"MESSAGE", ""},
	{"PRIORITY", "priority"},
	{"_SYSTEMD_UNIT", "unit"},
	{"SYSLOG_IDENTIFIER", "identifier"},
	{"CONTAINER_NAME", "container"},
	{"_TRANSPORT", "transport"},
}

// Where things stand, in bytes.
const (
	journalHeader   = 208 // as much of it as is needed
	journalMaxBlock = 16 << 20
	objectHeader    = 16
	objectData      = 1
	objectEntry     = 3
	objectArray     = 6
	flagXZ          = 1
	flagLZ4         = 2
	flagZSTD        = 4
	// incompatible features of files that can be read; all others cannot
	featureXZ, featureLZ4, featureKeyed, featureZSTD, featureCompact = 1, 2, 4, 8, 16
	maxJournalValues                                                 = 8192
)

var errJournal = errors.New("not a journal file that can be read")

func openJournal(path string) (*journalFile, error) {
	f, _, _, err := openRegular(path)
	if err != nil {
		return nil, err
	}
	j := &journalFile{f: f, path: path, values: map[uint64]journalValue{}}
	if err := j.refresh(); err != nil {
		_ = f.Close() // only read
		return nil, err
	}
	return j, nil
}

// refresh reads the header again.
func (j *journalFile) refresh() error {
	var h [journalHeader]byte
	if _, err := j.f.ReadAt(h[:], 0); err != nil {
		return fmt.Errorf("read the header: %w", err)
	}
	features := binary.LittleEndian.Uint32(h[12:])
	if string(h[:8]) != "LPKSHHRH" || features&^(featureXZ|featureLZ4|featureKeyed|featureZSTD|featureCompact) != 0 {
		return fmt.Errorf("%w: features %#x", errJournal, features)
	}
	j.id, j.compact, j.closed = hex.EncodeToString(h[24:40]), features&featureCompact != 0, h[16] == 2 || strings.HasSuffix(j.path, "~")
	j.entries, j.size = binary.LittleEndian.Uint64(h[152:]), int64(min(binary.LittleEndian.Uint64(h[136:]), 1<<50))
	if j.array == 0 {
		j.array, j.at, j.room = binary.LittleEndian.Uint64(h[176:]), 0, 0
	}
	return nil
}

func (j *journalFile) close() {
	_ = j.f.Close() // only read
	if j.zstd != nil {
		j.zstd.Close()
	}
}

// object reads the beginning of an object, at least `least` bytes of it and up to `most`, and returns its size.
func (j *journalFile) object(offset uint64, kind byte, least, most int) (b []byte, flags byte, size uint64, err error) {
	if offset < journalHeader || offset > 1<<50 || offset%8 != 0 {
		return nil, 0, 0, fmt.Errorf("%w: an object at %d", errJournal, offset)
	}
	if cap(j.buf) < most {
		j.buf = make([]byte, most)
	}
	b = j.buf[:most]
	n, err := j.f.ReadAt(b, int64(offset))
	if n < least {
		return nil, 0, 0, fmt.Errorf("read an object at %d: %w", offset, err)
	}
	b, flags, size = b[:n], b[1], binary.LittleEndian.Uint64(b[8:])
	if b[0] != kind || size < uint64(least) {
		return nil, 0, 0, fmt.Errorf("%w: an object of type %d and %d bytes at %d, want type %d", errJournal, b[0], size, offset, kind)
	}
	return b[:min(uint64(n), size)], flags, size, nil
}

func (j *journalFile) itemSize() uint64 {
	if j.compact {
		return 4
	}
	return 8
}

func (j *journalFile) item(b []byte) uint64 {
	if j.compact {
		return uint64(binary.LittleEndian.Uint32(b))
	}
	return binary.LittleEndian.Uint64(b)
}

const arrayHeader = objectHeader + 8

// openArray learns how many entries the present array holds.
func (j *journalFile) openArray() (next uint64, err error) {
	b, _, size, err := j.object(j.array, objectArray, arrayHeader, arrayHeader)
	if err != nil {
		return 0, err
	}
	j.room = (size - arrayHeader) / j.itemSize()
	if next = binary.LittleEndian.Uint64(b[objectHeader:]); next != 0 && next <= j.array {
		return 0, fmt.Errorf("%w: its chain of entries goes back", errJournal) // files are appended to
	}
	return next, nil
}

// seek goes behind the first n entries, or to the end of what there is.
func (j *journalFile) seek(n uint64) error {
	n = min(n, j.entries)
	for j.done < n {
		next, err := j.openArray()
		if err != nil {
			return err
		}
		if j.done+j.room-j.at > n {
			j.at += n - j.done
			j.done = n
			return nil
		}
		if j.done += j.room - j.at; j.done < j.entries && next == 0 {
			return fmt.Errorf("%w: its chain of entries ends early", errJournal)
		}
		if next == 0 { // full to the last place: the next array is not there yet
			j.at = j.room
			return nil
		}
		j.array, j.at, j.room = next, 0, 0
	}
	return nil
}

// next returns the offset of the next entry; entries > done holds.
func (j *journalFile) next() (uint64, error) {
	for j.room == 0 || j.at >= j.room {
		next, err := j.openArray()
		if err != nil {
			return 0, err
		}
		if j.at < j.room {
			break
		}
		if next == 0 {
			return 0, fmt.Errorf("%w: its chain of entries ends early", errJournal)
		}
		j.array, j.at, j.room = next, 0, 0
	}
	var b [8]byte
	if _, err := j.f.ReadAt(b[:j.itemSize()], int64(j.array+arrayHeader+j.at*j.itemSize())); err != nil {
		return 0, fmt.Errorf("read the array at %d: %w", j.array, err)
	}
	j.at++
	j.done++
	return j.item(b[:]), nil
}

const (
	entryHeader   = 64
	maxEntryItems = 1024
)

// read returns the fields of an entry that are wanted, by their number; text is at most limit bytes, and cut says that there was more. It is valid
// until the next call.
func (j *journalFile) read(offset uint64, limit int, values *[len(journalFields)]string) (text []byte, cut bool, err error) {
	width := uint64(16)
	if j.compact {
		width = 4
	}
	b, _, _, err := j.object(offset, objectEntry, entryHeader, entryHeader+maxEntryItems*int(width))
	if err != nil {
		return nil, false, err
	}
	items := bytes.Clone(b[entryHeader:])
	clear(values[:])
	for ; uint64(len(items)) >= width; items = items[width:] {
		at := j.item(items)
		v, ok := j.values[at]
		if !ok {
			var body []byte
			var more bool
			if v, body, more, err = j.datum(at, limit); err != nil {
				return nil, false, err
			}
			if v.field == 0 {
				text, cut = body, more
				continue
			}
			if len(j.values) >= maxJournalValues {
				clear(j.values)
			}
			j.values[at] = v
		}
		if v.field > 0 {
			values[v.field] = v.value
		}
	}
	return text, cut, nil
}

// datum reads one field. Only the text of the message is returned as bytes, a copy.
func (j *journalFile) datum(offset uint64, limit int) (v journalValue, text []byte, cut bool, err error) {
	head := objectHeader + 48
	if j.compact {
		head += 8
	}
	b, flags, size, err := j.object(offset, objectData, head, head+64)
	if err != nil {
		return v, nil, false, err
	}
	payload := b[head:]
	length := size - uint64(head)
	if packed := flags & (flagXZ | flagLZ4 | flagZSTD); packed != 0 {
		if payload, length, err = j.unpack(offset, head, size, packed, max(limit, maxJournalField)); err != nil {
			return v, nil, false, err
		}
	}
	v.field = -1
	for i, f := range journalFields {
		rest, ok := bytes.CutPrefix(payload, []byte(f.journal+"="))
		if !ok {
			continue
		}
		name := uint64(len(f.journal) + 1)
		v.field = i
		if i > 0 {
			if want := min(length-name, maxJournalField); uint64(len(rest)) != want {
				if v.value, err = j.field(rest, int64(offset)+int64(head)+int64(name), int(want)); err != nil {
					return v, nil, false, err
				}
				return v, nil, false, nil
			}
			v.value = string(rest)
			return v, nil, false, nil
		}
		want := min(length-name, uint64(limit))
		text = make([]byte, want)
		if n := copy(text, rest); uint64(n) < want {
			if _, err := j.f.ReadAt(text, int64(offset)+int64(head)+int64(name)); err != nil {
				return v, nil, false, fmt.Errorf("read the message at %d: %w", offset, err)
			}
		}
		return v, text, length-name > want, nil
	}
	return v, nil, false, nil
}

// maxJournalField is how much is kept of a field other than the message.
const maxJournalField = 4096

// field returns the first bytes of a value of which only the beginning was read, or more than is kept.
func (j *journalFile) field(rest []byte, offset int64, want int) (string, error) {
	if len(rest) >= want {
		return string(rest[:want]), nil
	}
	all := make([]byte, want)
	if _, err := j.f.ReadAt(all, offset); err != nil {
		return "", fmt.Errorf("read a field at %d: %w", offset, err)
	}
	return string(all), nil
}

// unpack returns the beginning of a compressed datum: the name of its field and at most limit bytes, and how long it is, as far as that is known.
func (j *journalFile) unpack(offset uint64, head int, size uint64, how byte, limit int) ([]byte, uint64, error) {
	length := size - uint64(head)
	if length > journalMaxBlock {
		return nil, 0, fmt.Errorf("%w: a datum of %d bytes", errJournal, length)
	}
	packed := make([]byte, length)
	if _, err := j.f.ReadAt(packed, int64(offset)+int64(head)); err != nil {
		return nil, 0, fmt.Errorf("read the datum at %d: %w", offset, err)
	}
	limit += len("MESSAGE=")
	switch how {
	case flagZSTD:
		return j.unpackZSTD(packed, limit)
	case flagLZ4:
		if length < 8 || binary.LittleEndian.Uint64(packed) > journalMaxBlock {
			return nil, 0, fmt.Errorf("%w: a datum in LZ4 without a length", errJournal)
		}
		out := make([]byte, binary.LittleEndian.Uint64(packed))
		n, err := lz4.UncompressBlock(packed[8:], out)
		if err != nil {
			return nil, 0, fmt.Errorf("unpack the datum at %d: %w", offset, err)
		}
		return out[:n], uint64(n), nil
	}
	return unpackXZ(packed, limit)
}

func (j *journalFile) unpackZSTD(packed []byte, limit int) ([]byte, uint64, error) {
	if j.zstd == nil {
		d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(64<<20))
		if err != nil {
			return nil, 0, fmt.Errorf("unpack: %w", err)
		}
		j.zstd = d
	}
	if err := j.zstd.Reset(bytes.NewReader(packed)); err != nil {
		return nil, 0, fmt.Errorf("unpack: %w", err)
	}
	out, err := io.ReadAll(io.LimitReader(j.zstd, int64(limit)+1)) // one more tells that it is longer
	if err != nil {
		return nil, 0, fmt.Errorf("unpack: %w", err)
	}
	return out, uint64(len(out)), nil
}

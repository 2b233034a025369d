package follow

import (
	"compress/gzip"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/pierrec/lz4/v4"
)

// journalBytes returns a real journal file: 300 entries written by systemd-journal-remote 252 (--compress=yes or no, SYSTEMD_JOURNAL_COMPACT=1 or 0)
// from an export that message says. That version packs by zstd alone; in xz and lz4 the long message of a file that was written with --compress=no was
// replaced by what liblzma's lzma_stream_buffer_encode and liblz4's LZ4_compress_default make of it, the calls that journald makes, and journalctl 252
// read both files as it reads the others.
func journalBytes(t *testing.T, name string) []byte {
	t.Helper()
	f, err := os.Open("testdata/" + name + ".journal.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// message is the text of entry i of those files.
func message(i int) string {
	switch i {
	case 3:
		return "long " + strings.Repeat("abcdefgh ", 200) + "end" // compressed
	case 5:
		return "two\nlines"
	}
	return fmt.Sprintf("message %d of the journal", i)
}

func messages(from, to int) (out []string) {
	for i := from; i < to; i++ {
		out = append(out, message(i))
	}
	return out
}

// withEntries is the file as it was when it had n entries: journald raises the number after it has written one.
func withEntries(b []byte, n uint64) []byte {
	b = slices.Clone(b)
	binary.LittleEndian.PutUint64(b[152:], n)
	return b
}

type journalBench struct {
	*bench
	o JournalOptions
	j *Journal
}

func newJournalBench(t *testing.T, change func(*JournalOptions)) *journalBench {
	b := &journalBench{bench: newBench(t, nil)}
	b.o = JournalOptions{Dirs: []string{b.dir}, MaxLine: 4096, FromStart: true, Discover: 10 * time.Second, Reporter: b.reports}
	if change != nil {
		change(&b.o)
	}
	b.j = NewJournal(b.o)
	t.Cleanup(func() { b.j.Close() })
	return b
}

func (b *journalBench) write(name string, content []byte) {
	b.t.Helper()
	if err := os.MkdirAll(filepath.Dir(b.path(name)), 0o700); err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(b.path(name), content, 0o600); err != nil {
		b.t.Fatal(err)
	}
}

func (b *journalBench) read() (fields [][]Field) {
	b.t.Helper()
	b.now = b.now.Add(time.Minute)
	for range 1000 {
		if !b.j.Read(b.now, 1<<14, func(r Record) {
			b.got = append(b.got, string(r.Text))
			fields = append(fields, r.Fields)
		}) {
			return fields
		}
	}
	b.t.Fatal("it does not come to an end")
	return nil
}

func (b *journalBench) live() {
	b.t.Helper()
	p, err := b.j.Position()
	if err != nil {
		b.t.Fatal(err)
	}
	b.j.Close()
	b.j = NewJournal(b.o)
	if err := b.j.Restore(p); err != nil {
		b.t.Fatal(err)
	}
}

func TestJournal(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"plain", "zstd", "compact", "xz", "lz4"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, all := newJournalBench(t, nil), journalBytes(t, name)
			b.write("machine/system.journal", withEntries(all, 2))
			fields := b.read()
			b.want(messages(0, 2)...)
			want := [][]Field{
				{{"priority", "0"}, {"unit", "cron.service"}, {"identifier", "CRON"}, {"transport", "syslog"}},
				{{"priority", "1"}, {"unit", "ssh.service"}, {"identifier", "sshd"}, {"transport", "syslog"}},
			}
			if diff := cmp.Diff(want, fields); diff != "" {
				t.Error(diff)
			}
			last := 2
			for _, n := range []int{3, 4, 5, 20, 21, 150, 300} { // the arrays of entries grow by doubling
				b.write("machine/system.journal", withEntries(all, uint64(n)))
				if n%2 == 0 {
					b.live()
				}
				b.read()
				b.want(messages(last, n)...)
				last = n
			}
			if err := os.Rename(b.path("machine/system.journal"), b.path("machine/system@1.journal")); err != nil {
				t.Fatal(err)
			}
			b.read()
			b.live()
			b.read()
			b.want()
			if len(b.reports.seen) > 0 || b.j.Lag() != 0 {
				t.Errorf("reported %v, lag %d", b.reports.seen, b.j.Lag())
			}
		})
	}
}

// TestUnpackXZ: streams with and without the sizes in the block, by Debian's xz 5.4.1 (printf … | xz --check=none [-T2 --block-size=4096] | xxd -p), and broken ones.
func TestUnpackXZ(t *testing.T) {
	t.Parallel()
	all := unhex(t, `fd377a585a000000ff12d9410200210116000000742fe5a3e0019700145d00269146c0d19457e495c7cb76f001ae35c4bc2000000001289803000000b99069dba8000afc020000000000595a`)
	sized := unhex(t, `fd377a585a000000ff12d94103c01c980321011600000000e33d8422e0019700145d00269146c0d19457e495c7cb76f001ae35c4bc20000000012c9803000000afd2f840a8000afc020000000000595a`)
	want := "MESSAGE=" + strings.Repeat("xyz ", 100)
	for name, packed := range map[string][]byte{"without sizes": all, "with sizes": sized} {
		if out, n, err := unpackXZ(packed, 1<<20); err != nil || string(out) != want || n != uint64(len(want)) {
			t.Errorf("%s: %q %d %v", name, out, n, err)
		}
		if out, n, err := unpackXZ(packed, 10); err != nil || string(out) != want[:11] || n != 11 {
			t.Errorf("%s, ten bytes: %q %d %v", name, out, n, err)
		}
		for i := range len(packed) {
			if _, _, err := unpackXZ(packed[:i], 1<<20); err == nil && i < 30 {
				t.Errorf("%s: the first %d bytes are no stream", name, i)
			}
			for _, b := range []byte{0, 0xff} { // it may be unpacked to something else, and is never a fault
				broken := slices.Clone(packed)
				broken[i] = b
				unpackXZ(broken, 1<<20)
			}
		}
	}
}

func unhex(t *testing.T, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestJournalFilters(t *testing.T) {
	t.Parallel()
	b := newJournalBench(t, func(o *JournalOptions) { o.Units = []string{"ssh.*"} })
	b.write("a.journal", journalBytes(t, "zstd"))
	b.read()
	if len(b.got) != 150 || b.got[0] != message(1) {
		t.Errorf("%d messages, the first %q", len(b.got), b.got[0])
	}
	b = newJournalBench(t, func(o *JournalOptions) { o.FromStart, o.MaxLine = false, 10 })
	b.write("a.journal", withEntries(journalBytes(t, "zstd"), 3))
	b.read()
	b.want()
	b.write("a.journal", journalBytes(t, "zstd"))
	b.read()
	if len(b.got) != 297 || b.got[0] != "long abcde" {
		t.Errorf("%d messages, the first %q", len(b.got), b.got[0])
	}
}

// TestJournalLZ4: journald of the years before zstd.
func TestJournalLZ4(t *testing.T) {
	t.Parallel()
	text := "MESSAGE=" + strings.Repeat("abc ", 500)
	packed := make([]byte, lz4.CompressBlockBound(len(text)))
	n, err := lz4.CompressBlock([]byte(text), packed, nil)
	if err != nil {
		t.Fatal(err)
	}
	object := append(make([]byte, journalHeader+64+8), packed[:n]...)
	head := object[journalHeader:]
	head[0], head[1] = objectData, flagLZ4
	binary.LittleEndian.PutUint64(head[8:], uint64(len(head)))
	binary.LittleEndian.PutUint64(head[64:], uint64(len(text)))
	path := filepath.Join(t.TempDir(), "x")
	if err := os.WriteFile(path, object, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	j := &journalFile{f: f}
	v, body, cut, err := j.datum(journalHeader, 1<<20)
	if err != nil || v.field != 0 || cut || "MESSAGE="+string(body) != text {
		t.Errorf("%+v %d bytes %v %v", v, len(body), cut, err)
	}
}

// TestJournalLongFields: a unit is longer than what is read of a datum at once.
func TestJournalLongFields(t *testing.T) {
	t.Parallel()
	for _, value := range []string{"docker-" + strings.Repeat("0123456789abcdef", 4) + ".scope", strings.Repeat("x", 5000)} {
		text := "_SYSTEMD_UNIT=" + value
		object := append(append(make([]byte, journalHeader+64), text...), "the next object"...)
		object[journalHeader] = objectData
		binary.LittleEndian.PutUint64(object[journalHeader+8:], uint64(64+len(text)))
		path := filepath.Join(t.TempDir(), "x")
		if err := os.WriteFile(path, object, 0o600); err != nil {
			t.Fatal(err)
		}
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		j := &journalFile{f: f}
		if v, _, _, err := j.datum(journalHeader, 10); err != nil || v.value != value[:min(len(value), maxJournalField)] {
			t.Errorf("%q %v, want %q", v.value, err, value)
		}
	}
}

// TestJournalUnclean: a file that journald puts aside because it was not closed is read to its end, and left.
func TestJournalUnclean(t *testing.T) {
	t.Parallel()
	b, all := newJournalBench(t, nil), journalBytes(t, "compact")
	all[16] = 1 // online
	b.write("machine/system.journal", withEntries(all, 20))
	b.read()
	b.want(messages(0, 20)...)
	b.j.Close()
	b.write("machine/system@1-2.journal~", all)
	if err := os.Remove(b.path("machine/system.journal")); err != nil {
		t.Fatal(err)
	}
	b.live()
	b.read()
	b.want(messages(20, 300)...)
	if b.j.Open() != 0 || len(b.reports.seen) > 0 {
		t.Errorf("%d files are open, reported %v", b.j.Open(), b.reports.seen)
	}
}

func TestJournalBroken(t *testing.T) {
	t.Parallel()
	b := newJournalBench(t, nil)
	all := journalBytes(t, "compact")
	array := binary.LittleEndian.Uint64(all[176:])
	broken := slices.Clone(all)
	for i := range broken[array : array+64] {
		broken[int(array)+i] = 0xff
	}
	b.write("a.journal", []byte("not a journal"))
	b.write("b.journal", broken)
	b.write("c.journal", append([]byte("LPKSHHRH\xff\xff\xff\xff\xff\xff\xff\xff"), make([]byte, 300)...))
	b.read()
	b.read()
	b.want()
	slices.Sort(b.reports.seen)
	if diff := cmp.Diff([]string{ReasonFormat, ReasonFormat, ReasonOpen}, b.reports.seen); diff != "" {
		t.Error(diff)
	}
}

// FuzzJournal: a file in which bytes are changed is read or given up, soon and without a fault.
func FuzzJournal(f *testing.F) {
	f.Add(uint32(176), []byte{8, 0, 0, 0})
	f.Add(uint32(152), []byte{0xff, 0xff, 0xff, 0xff, 0xff})
	all := map[string][]byte{}
	f.Fuzz(func(t *testing.T, at uint32, change []byte) {
		for _, name := range []string{"plain", "compact"} {
			if all[name] == nil {
				b := journalBytes(t, name)
				last := binary.LittleEndian.Uint64(b[136:])
				all[name] = b[:min(last+4096, uint64(len(b)))] // the rest is empty
			}
			content := slices.Clone(all[name])
			copy(content[int(at)%len(content):], change)
			b := newJournalBench(t, nil)
			b.write("a.journal", content)
			for range 2000 {
				if !b.j.Read(b.now, 1<<20, func(Record) {}) {
					break
				}
			}
		}
	})
}

package logs

import (
	"bytes"
	"testing"
	"time"
	"unicode/utf8"
)

// FuzzMiner adds whatever there is, line by line: no panic, valid text, no more than the limits, the same after a restart. A template's text is a line of that
// template again.
func FuzzMiner(f *testing.F) {
	for _, s := range []string{
		"Connection from 10.0.0.7 port 4711\nConnection from 10.0.0.8 port 4712", "a=b, c=d; e: 'f' \"g\" (h) [i] {j}", "\x00\x01\x02\xff\xfe", "://x :80 0x 1. -. .- -- // /a ~/ ./ ../ C:\\",
		"Sun Jul 10 07:24:34 2005", "FF:F2:9F:16:DC:95 ::1 fe80::1", "<1 sec 12 bytes (3 KB) v1.2.3", "password=\x01 token: \"", "HTTP/1.1 = = =", "blk_-1 blk_-2 _-3", "()", "'\"'\"", "<<<>>>", "é=é 日本語 42",
	} {
		f.Add([]byte(s), uint8(0))
	}
	f.Add([]byte("A AA 0\nA0 AA 0\nB AA 0"), uint8(41)) // merged into a template whose place had not varied yet
	f.Fuzz(func(t *testing.T, data []byte, n uint8) {
		o := DefaultOptions()
		o.MaxTemplates, o.MaxSignatures, o.MaxLine, o.Bucket, o.Siblings, o.Context = 16, 64, 256, 8, 2+int(n%4), 1+int(n/64)
		if n%16 == 15 {
			o.Masks = []string{`[a-f]+`, `b?`}
		}
		m := newMiner(t, o)
		lines := bytes.Split(data, []byte("\n"))
		for i, l := range lines {
			match := m.Add(l, start.Add(time.Duration(i)*time.Minute))
			v, ok := m.Template(match.ID)
			if !ok || !utf8.ValidString(v.Text) || !utf8.ValidString(v.Example) {
				t.Fatalf("line %q: template %+v, %v", l, v, ok)
			}
			for _, p := range m.Variables(nil) {
				if p.Slot < 0 || p.Slot >= len(v.Slots) {
					t.Fatalf("line %q: a variable in slot %d of %d", l, p.Slot, len(v.Slots))
				}
				p.Number()
			}
			if s := m.Stats(); s.Templates > o.MaxTemplates || s.Signatures > o.MaxSignatures {
				t.Fatalf("line %q: %+v", l, s)
			}
		}
		back, err := Restore(o, m.Marshal())
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range lines {
			if a, b := m.Add(l, start), back.Add(l, start); a.ID != b.ID {
				t.Fatalf("line %q: %s, restored %s", l, a.ID, b.ID)
			}
		}
	})
}

// FuzzRestore: any bytes are an error or a state.
func FuzzRestore(f *testing.F) {
	m := newMiner(f, DefaultOptions())
	addAll(m, mixed(30)...)
	f.Add(m.Marshal())
	f.Fuzz(func(_ *testing.T, data []byte) {
		if m, err := Restore(DefaultOptions(), data); err == nil {
			addAll(m, "a line of the house: 1", "job job_1 done in 2ms")
			m.Templates()
		}
		if s, err := RestoreSequence(data); err == nil {
			s.Score([]ID{1, 2, 3})
		}
	})
}

// A line of ten megabytes is cut, quickly and without keeping it.
func TestLongLine(t *testing.T) {
	t.Parallel()
	m := newMiner(t, DefaultOptions())
	line := bytes.Repeat([]byte("word 12 "), 10<<20/8)
	match := m.Add(line, start)
	if v, _ := m.Template(match.ID); len(v.Text) > 2*DefaultOptions().MaxLine || m.Stats().Cut != 1 {
		t.Errorf("text of %d bytes, stats %+v", len(v.Text), m.Stats())
	}
}

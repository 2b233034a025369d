package main

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// unpack writes the files of an archive under dir. An archive is text: "-- path --" begins a file, "-- path -> target --" is a link, and what comes before
// the first is a comment.
func unpack(t *testing.T, archive, dir string) {
	t.Helper()
	b, err := os.ReadFile(archive)
	if err != nil {
		t.Fatal(err)
	}
	text := string(b)
	heads := regexp.MustCompile(`(?m)^-- (\S+)(?: -> (\S+))? --\n`).FindAllStringSubmatchIndex(text, -1)
	for i, h := range heads {
		end := len(text)
		if i+1 < len(heads) {
			end = heads[i+1][0]
		}
		path := filepath.Join(dir, text[h[2]:h[3]])
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if h[4] >= 0 {
			err = os.Symlink(text[h[4]:h[5]], path)
		} else {
			err = os.WriteFile(path, []byte(text[h[1]:end]), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(heads) == 0 || !strings.HasSuffix(text, "\n") {
		t.Fatalf("%s has no files, or does not end with a line", archive)
	}
}

// socketDump is a SOCK_DIAG_BY_FAMILY answer: over IPv4 (2) three established connections with 10 bytes in each queue and one that listens, over IPv6 one
// that waits for its time.
func socketDump(family uint8) []byte {
	states := []byte{1, 1, 1, 10}
	if family != 2 {
		states = []byte{6}
	}
	var out []byte
	for _, state := range states {
		m := make([]byte, 16+72)
		binary.NativeEndian.PutUint32(m, uint32(len(m)))
		binary.NativeEndian.PutUint16(m[4:], 20)
		m[16], m[17] = family, state
		if state == 1 {
			binary.NativeEndian.PutUint32(m[16+56:], 10)
			binary.NativeEndian.PutUint32(m[16+60:], 10)
		}
		out = append(out, m...)
	}
	done := make([]byte, 20)
	binary.NativeEndian.PutUint32(done, uint32(len(done)))
	binary.NativeEndian.PutUint16(done[4:], 3)
	return append(out, done...)
}

package follow

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/ulikunitz/xz/lzma"
)

// unpackXZ returns the beginning of a datum that was packed by XZ, as journald does that was built without zstd and LZ4. journald writes one stream of one
// block with the filter LZMA2 alone and without a checksum. The dictionary, 8 MiB by what the block says, need not be larger than the datum.
// Source: The .xz File Format 1.2.1, sections 2.1.1, 3.1 and 5.3.1.
func unpackXZ(packed []byte, limit int) ([]byte, uint64, error) {
	rest, dictionary, length, err := blockOfXZ(packed)
	if err != nil {
		return nil, 0, err
	}
	dictionary = min(dictionary, journalMaxBlock)
	if length > 0 {
		dictionary = min(dictionary, length)
	}
	r, err := lzma.Reader2Config{DictCap: int(max(dictionary, lzma.MinDictCap))}.NewReader2(bytes.NewReader(rest))
	if err != nil {
		return nil, 0, fmt.Errorf("unpack: %w", err)
	}
	out, err := io.ReadAll(io.LimitReader(r, int64(limit)+1)) // one more tells that it is longer
	if err != nil {
		return nil, 0, fmt.Errorf("unpack: %w", err)
	}
	return out, uint64(len(out)), nil
}

// blockOfXZ reads the headers of a stream and of its first block: what follows them, the size of the dictionary, and how long the contents are, 0 where
// the block does not say.
func blockOfXZ(packed []byte) (rest []byte, dictionary, length uint64, err error) {
	const streamHeader = 12
	bad := func(what string) ([]byte, uint64, uint64, error) {
		return nil, 0, 0, fmt.Errorf("%w: a datum in XZ with %s", errJournal, what)
	}
	if len(packed) < streamHeader+8 || !bytes.HasPrefix(packed, []byte("\xfd7zXZ\x00")) {
		return bad("no header")
	}
	block := packed[streamHeader:]
	size := (int(block[0]) + 1) * 4
	if block[0] == 0 || size > len(block) {
		return bad("no block")
	}
	const filters, reserved, hasPacked, hasLength, lzma2 = 0x03, 0x3c, 0x40, 0x80, 0x21
	flags, fields := block[1], block[2:size-4] // the last four bytes are a checksum
	if flags&(filters|reserved) != 0 {
		return bad("other filters than LZMA2")
	}
	for _, bit := range []byte{hasPacked, hasLength} {
		if flags&bit == 0 {
			continue
		}
		v, n := binary.Uvarint(fields)
		if n <= 0 {
			return bad("a broken block")
		}
		fields, length = fields[n:], v
	}
	if flags&hasLength == 0 {
		length = 0
	}
	if len(fields) < 3 || fields[0] != lzma2 || fields[1] != 1 || fields[2] > 40 {
		return bad("other filters than LZMA2")
	}
	bits := fields[2]
	return block[size:], (2 | uint64(bits&1)) << (bits/2 + 11), length, nil
}

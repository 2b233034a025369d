package alert

import (
	"bytes"
	"compress/gzip"
	"io"
	"sync"
)

// Recorder keeps a gzip copy of what is read through it, up to a bound, for
// Delivery.Raw. Read to the end, then take Copy.
//
//	rec := alert.NewRecorder(body, 1<<20)
//	m, err := alert.Decode(rec, limits)
//	d.Raw, d.RawSize, d.RawCut = rec.Copy()
type Recorder struct {
	src  io.Reader
	max  int64
	size int64
	out  bytes.Buffer
	zip  *gzip.Writer
}

// Compressors are large; they are reused.
var zips = sync.Pool{New: func() any {
	w, _ := gzip.NewWriterLevel(io.Discard, gzip.BestSpeed) // a constant, valid level
	return w
}}

// NewRecorder keeps at most that many bytes of src, before compression; 0 keeps none.
func NewRecorder(src io.Reader, most int64) *Recorder {
	r := &Recorder{src: src, max: most}
	if most > 0 {
		r.zip = zips.Get().(*gzip.Writer)
		r.zip.Reset(&r.out)
	}
	return r
}

// Read reads from the source.
func (r *Recorder) Read(p []byte) (int, error) {
	n, err := r.src.Read(p)
	if room := r.max - r.size; room > 0 && r.zip != nil {
		_, _ = r.zip.Write(p[:min(int64(n), room)]) // into memory: cannot fail
	}
	r.size += int64(n)
	return n, err
}

// Copy ends the recording: the compressed beginning (nil when nothing is kept),
// how many bytes were read, and whether the copy stops before their end.
func (r *Recorder) Copy() (raw []byte, size int64, cut bool) {
	if r.zip != nil {
		_ = r.zip.Close()
		zips.Put(r.zip)
		r.zip = nil
		raw = r.out.Bytes()
	}
	return raw, r.size, r.size > r.max
}

// Unpack is the inverse of the compression: the body of a Delivery.Raw. At most
// that many bytes are returned, so that a damaged row cannot fill the memory.
func Unpack(raw []byte, most int64) ([]byte, error) {
	z, err := gzip.NewReader(bytes.NewReader(raw))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(io.LimitReader(z, most))
}

//go:build !cgo || !linux

package nvml

// Reader stands in where the binding cannot be built.
type Reader struct{}

// NewReader returns a Reader that answers NotBuilt.
func NewReader(Options) *Reader { return &Reader{} }

// Read answers NotBuilt.
func (*Reader) Read() Snapshot {
	return Snapshot{State: NotBuilt, Detail: "not built with NVML: this needs cgo and Linux"}
}

// Close does nothing.
func (*Reader) Close() {}

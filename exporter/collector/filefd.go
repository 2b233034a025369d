package collector

import (
	"context"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/foreshock/foreshock/pkg/registry"
)

func init() {
	Collectors.Add(registry.Entry[Collector]{
		Name: "filefd", Summary: "open files of the whole host and their limit",
		Source: "/proc/sys/fs/file-nr", New: func() Collector { return &filefd{} },
	})
}

var (
	filefdAllocated = gauge("node_filefd_allocated", "File descriptor statistics: allocated.")
	filefdMaximum   = gauge("node_filefd_maximum", "File descriptor statistics: maximum.")
)

type filefd struct {
	path string
	file file
}

func (c *filefd) Open(h *Host) error { c.path = h.proc("sys/fs/file-nr"); return nil }

func (c *filefd) Families() []*Family { return []*Family{filefdAllocated, filefdMaximum} }

func (c *filefd) Update(_ context.Context, ch chan<- prometheus.Metric) error {
	b, err := c.file.read(c.path)
	if err != nil {
		return fmt.Errorf("reading the number of open files: %w", err)
	}
	v, err := parseFileNr(b)
	if err != nil {
		return err
	}
	filefdAllocated.with().send(ch, float64(v[0]))
	filefdMaximum.with().send(ch, float64(v[2]))
	return nil
}

// parseFileNr reads "allocated unused maximum".
func parseFileNr(b []byte) (v [3]uint64, err error) {
	n, err := parseUints(b, v[:])
	if err != nil || n < len(v) {
		return v, fmt.Errorf("number of open files: %q: want three whole numbers", shorten(trimSpace(b)))
	}
	return v, nil
}

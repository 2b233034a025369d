package collector

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/foreshock/foreshock/pkg/registry"
)

func init() {
	Collectors.Add(registry.Entry[Collector]{
		Name: "os", Summary: "name, version and end of support of the distribution",
		Source: "os-release(5)", New: func() Collector { return &osRelease{} },
	})
}

var (
	osInfo = gauge("node_os_info", "A metric with a constant '1' value labeled by build_id, id, id_like, image_id, image_version, "+
		"name, pretty_name, variant, variant_id, version, version_codename, version_id.",
		"build_id", "id", "id_like", "image_id", "image_version", "name", "pretty_name", "variant", "variant_id", "version", "version_codename", "version_id")
	osVersion    = gauge("node_os_version", "Metric containing the major.minor part of the OS version.", "id", "id_like", "name")
	osSupportEnd = gauge("node_os_support_end_timestamp_seconds", "Metric containing the end-of-life date timestamp of the OS.")
)

type osRelease struct {
	paths []string
	file  file
}

func (c *osRelease) Open(h *Host) error {
	c.paths = []string{h.root("etc/os-release"), h.root("usr/lib/os-release")}
	return nil
}

func (c *osRelease) Families() []*Family { return []*Family{osInfo, osVersion, osSupportEnd} }

func (c *osRelease) Update(_ context.Context, ch chan<- prometheus.Metric) error {
	for _, path := range c.paths {
		b, err := c.file.read(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("reading the name of the distribution: %w", err)
		}
		return sendRelease(ch, parseRelease(b))
	}
	return ErrNoData
}

func sendRelease(ch chan<- prometheus.Metric, v map[string]string) error {
	var values []string
	for _, label := range osInfo.Labels {
		values = append(values, v[strings.ToUpper(label)])
	}
	osInfo.send(ch, 1, values...)
	if n := majorMinor(v["VERSION_ID"]); n > 0 {
		osVersion.send(ch, n, v["ID"], v["ID_LIKE"], v["NAME"])
	}
	if text := v["SUPPORT_END"]; text != "" {
		end, err := time.Parse(time.DateOnly, text)
		if err != nil {
			return fmt.Errorf("end of support of the distribution: got %q, want a date like 2030-12-31", text)
		}
		osSupportEnd.with().send(ch, float64(end.Unix()))
	}
	return nil
}

// majorMinor returns the number at the start of a version: 22.04 of "22.04.3"; 0 when there is none.
func majorMinor(version string) float64 {
	dots := 0
	end := strings.IndexFunc(version, func(r rune) bool {
		if r == '.' {
			dots++
		}
		return dots > 1 || (r != '.' && (r < '0' || r > '9'))
	})
	if end >= 0 {
		version = version[:end]
	}
	v, err := strconv.ParseFloat(version, 64)
	if err != nil {
		return 0
	}
	return v
}

// parseRelease reads lines NAME=value, where the value may be in quotes as in a shell. What is no such line is left out.
func parseRelease(b []byte) map[string]string {
	out := map[string]string{}
	for len(b) > 0 {
		var line []byte
		line, b = cutLine(b)
		name, value, ok := bytes.Cut(trimSpace(line), []byte("="))
		if ok && len(name) > 0 && name[0] != '#' {
			out[string(name)] = unquote(string(value))
		}
	}
	return out
}

// unquote takes the quotes of a shell from a value; in double quotes a backslash protects the next byte.
func unquote(s string) string {
	if len(s) < 2 || s[0] != s[len(s)-1] || (s[0] != '"' && s[0] != '\'') {
		return s
	}
	inner := s[1 : len(s)-1]
	if s[0] == '\'' || !strings.Contains(inner, `\`) {
		return inner
	}
	var out strings.Builder
	for i := 0; i < len(inner); i++ {
		if inner[i] == '\\' && i+1 < len(inner) {
			i++
		}
		out.WriteByte(inner[i])
	}
	return out.String()
}

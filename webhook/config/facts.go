package config

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/foreshock/foreshock/pkg/topology"
	"github.com/foreshock/foreshock/webhook/notify"
	"github.com/foreshock/foreshock/webhook/policy"
)

// facts checks the sections topology and prometheus.
func (f *File) facts() error {
	switch {
	case f.Topology.Refresh < policy.Duration(5*time.Second) || f.Topology.Refresh > policy.Duration(24*time.Hour):
		return fmt.Errorf("topology.refresh: %q: want 5s to 1d", f.Topology.Refresh)
	case f.Prometheus.URL != "" && f.Prometheus.URLFile != "":
		return errors.New("prometheus: both url and url_file are set: want one")
	case f.Prometheus.URL != "" && !goodURL(f.Prometheus.URL.Reveal()):
		return errors.New("prometheus.url: want an address like http://prometheus:9090")
	case f.Topology.Traces && f.Prometheus == (Prometheus{}):
		return errors.New("topology.traces: is true without prometheus.url: want the address of the Prometheus that has traces_service_graph_request_total")
	}
	for i, r := range f.Noise.Regrade {
		if r.PromQL.Asked() && f.Prometheus == (Prometheus{}) {
			return fmt.Errorf("noise.regrade[%d].promql: there is nobody to ask: want prometheus.url", i)
		}
	}
	return nil
}

// PrometheusURL is the address, "" when there is none. A secret file is read here.
func (f *File) PrometheusURL() (notify.Secret, error) {
	if f.Prometheus.URLFile == "" {
		return f.Prometheus.URL, nil
	}
	s, err := notify.ReadSecret(f.Prometheus.URLFile)
	if err != nil {
		return "", fmt.Errorf("prometheus.url_file: %w", err)
	}
	s = notify.Secret(strings.TrimSpace(s.Reveal()))
	if !goodURL(s.Reveal()) {
		return "", errors.New("prometheus.url_file: want a file with an address like http://prometheus:9090")
	}
	return s, nil
}

// Graph reads the file of the service graph; nil without one.
func (f *File) Graph() (*topology.Graph, error) {
	if f.Topology.File == "" {
		return nil, nil
	}
	text, err := os.ReadFile(f.Topology.File)
	if err != nil {
		return nil, fmt.Errorf("topology.file: %w", err)
	}
	if len(text) > maxFile {
		return nil, fmt.Errorf("topology.file: is longer than %d bytes", maxFile)
	}
	g, err := topology.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("topology.file: %w", err)
	}
	return g, nil
}

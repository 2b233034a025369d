package scorer

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"github.com/prometheus/common/config"
	"go.yaml.in/yaml/v3"
)

// defaultHTTP is an HTTP client without authentication.
func defaultHTTP() config.HTTPClientConfig { return config.DefaultHTTPClientConfig }

var (
	fieldNotFound = regexp.MustCompile(`^line (\d+): field (\S+) not found.*$`)
	yamlLine      = regexp.MustCompile(`^line (\d+): `)
)

// http decodes a section of Prometheus' HTTP client settings: basic_auth, authorization, oauth2, tls_config, proxy_url and so on.
func (p *fileParser) http(what string, s *section, out *config.HTTPClientConfig) {
	n, ok := s.nodes["http_config"]
	if !ok {
		return
	}
	raw, err := yaml.Marshal(n)
	if err != nil {
		p.problem(n.Line, "%s: %s", what, err)
		return
	}
	dec := yaml.NewDecoder(bytes.NewReader(raw))
	dec.KnownFields(true)
	c := defaultHTTP()
	err = dec.Decode(&c)
	if err == nil {
		err = c.Validate()
	}
	if err == nil || errors.Is(err, io.EOF) {
		*out = c
		return
	}
	text := strings.TrimPrefix(strings.TrimPrefix(err.Error(), "yaml: "), "unmarshal errors:\n")
	for line := range strings.SplitSeq(text, "\n") {
		line = strings.TrimSpace(line)
		at := n.Line
		if m := yamlLine.FindStringSubmatch(line); m != nil {
			k, _ := strconv.Atoi(m[1])
			at += k - 1
		}
		if m := fieldNotFound.FindStringSubmatch(line); m != nil {
			p.problem(at, "%s: unknown field %q, want those of Prometheus' http_config (basic_auth, authorization, oauth2, tls_config, proxy_url, http_headers …)", what, m[2])
			continue
		}
		p.problem(at, "%s: %s", what, yamlLine.ReplaceAllString(line, ""))
	}
}

// url checks an address; it never shows a password.
func (p *fileParser) url(field string, line int, text string) {
	u, err := url.Parse(text)
	switch {
	case text == "":
		p.problem(line, "field %q: got nothing, want an address like http://prometheus:9090", field)
	case err != nil:
		p.problem(line, "field %q: cannot be read, want an address like http://prometheus:9090", field)
	case u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		p.problem(line, "field %q: got %q, want an address like http://prometheus:9090", field, u.Redacted())
	}
}

// client returns an HTTP client of a section.
func client(c config.HTTPClientConfig) (*http.Client, error) {
	h, err := config.NewClientFromConfig(c, "foreshock")
	if err != nil {
		return nil, fmt.Errorf("http_config: %w", err)
	}
	return h, nil
}

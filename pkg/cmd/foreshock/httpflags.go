package main

import (
	"github.com/alecthomas/kingpin/v2"
	"github.com/prometheus/common/config"

	"github.com/foreshock/foreshock/pkg/prom"
)

// httpFlags says how to reach Prometheus besides its URL: a file as promtool takes it, with basic_auth, authorization, tls_config and so on.
type httpFlags struct{ file string }

func (h *httpFlags) flags(p program, cmd *kingpin.CmdClause) {
	cmd.Flag("http.config.file", p.text("help.http.config.file")).PlaceHolder("FILE").StringVar(&h.file)
}

// client returns a client for that server.
func (h *httpFlags) client(url string) (*prom.Client, error) {
	o := prom.Options{URL: url}
	if h.file != "" {
		conf, _, err := config.LoadHTTPConfigFile(h.file)
		if err != nil {
			return nil, badInputf("--http.config.file: %w", err)
		}
		if o.HTTP, err = config.NewClientFromConfig(*conf, "foreshock"); err != nil {
			return nil, badInputf("--http.config.file: %w", err)
		}
	}
	c, err := prom.New(o)
	if err != nil {
		return nil, badInputf("--prometheus.url: %w", err)
	}
	return c, nil
}

// Package web listens for the exporter and guards what it serves, as the web configuration file of Prometheus' exporters says: TLS, client
// certificates, passwords, headers, a limit of the rate. The file has the fields and the meaning that exporter-toolkit gives them
// (https://github.com/prometheus/exporter-toolkit/blob/master/docs/web-configuration.md), and a test compares the two. The library itself is not
// used: it brings a client for HTTP with OAuth 2 and two packages of templates with it, which is a tenth of the exporter's memory on each host.
//
// The file is read again with each request and each TLS connection, so that passwords and certificates are changed without a restart; one that cannot
// be used any more closes the door and is logged once. No error shows what the file holds.
package web

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"

	"github.com/coreos/go-systemd/v22/activation"
	"github.com/mdlayher/vsock"
	"golang.org/x/sync/errgroup"
)

// Options say where to listen and what file guards it.
type Options struct {
	Addresses  []string // host:port, unix:/path or vsock://:port
	Systemd    bool     // the sockets that systemd hands over, in place of Addresses
	ConfigFile string   // empty: neither TLS nor passwords
}

// Validate reads the configuration file and the certificates that it names. The error is one sentence with the file's name.
func (o Options) Validate() error {
	if o.ConfigFile == "" {
		return nil
	}
	c, err := load(o.ConfigFile)
	if err != nil {
		return err
	}
	if _, err := c.serverTLS(); err != nil {
		return fmt.Errorf("%s: %w", o.ConfigFile, err)
	}
	return nil
}

// ListenAndServe serves h on all addresses until server is shut down, and returns what http.Server.Serve does. Each address is logged when
// connections to it are accepted.
func ListenAndServe(server *http.Server, o Options, log *slog.Logger) error {
	listeners, err := o.listen()
	if err != nil {
		return err
	}
	defer func() {
		for _, l := range listeners {
			_ = l.Close() // those that were not served when another failed
		}
	}()
	secure := false
	if o.ConfigFile != "" {
		g, err := newGuard(o.ConfigFile, server.Handler, log)
		if err != nil {
			return err
		}
		server.Handler = g
		if secure, err = g.secure(server); err != nil {
			return err
		}
	}
	var all errgroup.Group
	for _, l := range listeners {
		log.Info("Listening on", "address", l.Addr().String(), "tls", secure)
		all.Go(func() error {
			if secure {
				return server.ServeTLS(l, "", "")
			}
			return server.Serve(l)
		})
	}
	return all.Wait()
}

func (o Options) listen() ([]net.Listener, error) {
	if o.Systemd {
		list, err := activation.Listeners()
		if err == nil && len(list) == 0 {
			err = errors.New("systemd handed over no socket: want a .socket unit of the same name")
		}
		return list, err
	}
	list := make([]net.Listener, 0, len(o.Addresses))
	for _, a := range o.Addresses {
		l, err := listen(a)
		if err != nil {
			for _, open := range list {
				_ = open.Close()
			}
			return nil, err
		}
		list = append(list, l)
	}
	return list, nil
}

func listen(address string) (net.Listener, error) {
	if path, ok := strings.CutPrefix(address, "unix:"); ok {
		return listenUnix(strings.TrimPrefix(path, "//"))
	}
	if !strings.HasPrefix(address, "vsock://") {
		return new(net.ListenConfig).Listen(context.Background(), "tcp", address)
	}
	u, err := url.Parse(address)
	if err != nil {
		return nil, err
	}
	port, err := strconv.ParseUint(u.Port(), 10, 32)
	if err != nil {
		return nil, fmt.Errorf("got %q, want an address like vsock://:9100", address)
	}
	return vsock.Listen(uint32(port), nil)
}

// listenUnix takes the place of a socket that an ended program left, but never of one that answers, or of a file.
func listenUnix(path string) (net.Listener, error) {
	if info, err := os.Lstat(path); err == nil && info.Mode().Type() == os.ModeSocket {
		c, err := net.Dial("unix", path)
		if err == nil {
			_ = c.Close()
			return nil, fmt.Errorf("%s: another program listens there", path)
		}
		_ = os.Remove(path) // where that fails, listening tells
	}
	return new(net.ListenConfig).Listen(context.Background(), "unix", path)
}

// secure prepares server for TLS where the file asks for it.
func (g *guard) secure(server *http.Server) (bool, error) {
	c, err := g.file.current()
	if err != nil {
		return false, err
	}
	config, err := c.serverTLS()
	if err != nil || config == nil {
		return false, err
	}
	config.NextProtos = []string{"h2", "http/1.1"}
	if !c.HTTP.HTTP2 {
		config.NextProtos = []string{"http/1.1"}
		server.TLSNextProto = map[string]func(*http.Server, *tls.Conn, http.Handler){}
	}
	protocols := config.NextProtos
	config.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
		c, err := g.file.current()
		if err != nil {
			return nil, err
		}
		now, err := c.serverTLS()
		if err == nil && now == nil {
			err = errors.New("tls_server_config is gone from the web configuration: TLS is turned off by a restart only")
		}
		if err != nil {
			g.file.troubled(err)
			return nil, err
		}
		now.NextProtos = protocols
		return now, nil
	}
	server.TLSConfig = config
	return true, nil
}

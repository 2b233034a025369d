// Package httpserver is the HTTP server that the scorer and the webhook share: it listens, speaks TLS and basic
// authentication as every Prometheus program does (web configuration file of the exporter toolkit), and serves what an
// operator expects of a program beside Prometheus:
//
//	/metrics      the registry
//	/-/healthy    200 while the process serves
//	/-/ready      200, or 503 with the reason
//	/-/reload     POST: load the configuration again; 400 with one sentence when it is refused, and the old one stays
//	/             the program's own handler
//
// Example:
//
//	srv, err := httpserver.New(httpserver.Options{
//		Listen: []string{":9099"}, Registry: reg, Logger: logger, Handler: mux,
//		Ready: store.Ping, Reload: app.Reload,
//	})
//	if err != nil {
//		return err
//	}
//	return srv.Run(ctx) // returns when ctx is cancelled and requests in flight are done
//
// It does not handle signals, does not route (use http.ServeMux), and has no authorisation beyond the web configuration
// file: whoever may reach the port may use all of it.
package httpserver

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/exporter-toolkit/web"
)

// Options says what to serve and where. Listen is required, all else has a use when zero.
type Options struct {
	Listen        []string                  // addresses as net.Listen("tcp", …) takes them; port 0 picks a free one
	WebConfigFile string                    // exporter toolkit's web configuration (TLS, basic_auth_users, …); empty = plain HTTP
	Registry      *prometheus.Registry      // served at /metrics; the server's own metrics are added to it; nil = a new one
	Logger        *slog.Logger              // nil = nothing is logged
	Handler       http.Handler              // the program's own pages and API; nil = only what the package comment lists
	Ready         func() error              // nil = always ready; the error's text is shown to whoever asks
	Reload        func() error              // nil = no /-/reload and no reload metrics; must keep the old configuration on error
	MayReload     func(*http.Request) error // nil = anybody; the error's text is answered 403
	Landing       Landing                   // when it has a Name: a page at / with links, drawn as exporters draw it
	Limits        Limits
}

// Limits bounds what clients can cost. A zero field means the default given with it.
type Limits struct {
	MaxConnections int           // open connections per address, 512: enough for dozens of Alertmanagers, small against file limits
	MaxHeaderBytes int           // request line and headers, 64 KiB
	ReadHeader     time.Duration // until the headers have arrived, 10 s: a client that trickles them is cut off
	Read           time.Duration // until the body has arrived, 1 min
	Write          time.Duration // from the headers to the end of the answer, 2 min
	Idle           time.Duration // a kept-alive connection without request, 2 min: longer than Prometheus' default interval of 1 min
	Stop           time.Duration // for requests in flight after the context was cancelled, 10 s
}

func (l Limits) withDefaults() Limits {
	if l.MaxConnections <= 0 {
		l.MaxConnections = 512
	}
	if l.MaxHeaderBytes <= 0 {
		l.MaxHeaderBytes = 64 << 10
	}
	for _, d := range []struct {
		v   *time.Duration
		def time.Duration
	}{{&l.ReadHeader, 10 * time.Second}, {&l.Read, time.Minute}, {&l.Write, 2 * time.Minute}, {&l.Idle, 2 * time.Minute}, {&l.Stop, 10 * time.Second}} {
		if *d.v <= 0 {
			*d.v = d.def
		}
	}
	return l
}

// Server serves until its context ends. Create it with New, use it once.
type Server struct {
	options   Options
	limits    Limits
	logger    *slog.Logger
	metrics   *metrics
	handler   http.Handler
	reloading sync.Mutex
	stopping  atomic.Bool

	mu        sync.Mutex
	listeners []net.Listener
	ran       bool
}

// New checks the options, the web configuration file included, and registers the metrics. It opens no socket.
func New(o Options) (*Server, error) {
	if len(o.Listen) == 0 {
		return nil, errors.New("no address to listen on: want at least one, such as \":9099\"")
	}
	if err := checkWebConfig(o.WebConfigFile); err != nil {
		return nil, err
	}
	if o.Registry == nil {
		o.Registry = prometheus.NewRegistry()
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Server{options: o, limits: o.Limits.withDefaults(), logger: o.Logger}
	var err error
	if s.metrics, err = newMetrics(o.Registry, o.Reload != nil); err != nil {
		return nil, fmt.Errorf("register the server's metrics: %w", err)
	}
	mux, err := s.routes()
	if err != nil {
		return nil, err
	}
	s.handler = s.observe(mux)
	return s, nil
}

// Listen opens the sockets, so that Addr is known and an address in use is reported before anything else starts. Run does
// it when it has not been done. On error no socket stays open.
func (s *Server) Listen() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.listeners != nil {
		return nil
	}
	var open []net.Listener
	for _, address := range s.options.Listen {
		l, err := net.Listen("tcp", address)
		if err != nil {
			for _, l := range open {
				l.Close()
			}
			return fmt.Errorf("cannot listen on %q: %w", address, err)
		}
		open = append(open, limitListener(l, s.limits.MaxConnections))
	}
	s.listeners = open
	return nil
}

// Addr is the first address listened on, with the port that was picked; "" before Listen.
func (s *Server) Addr() string {
	if all := s.Addrs(); len(all) > 0 {
		return all[0]
	}
	return ""
}

// Addrs are all addresses listened on, in the order of Options.Listen; nil before Listen.
func (s *Server) Addrs() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []string
	for _, l := range s.listeners {
		all = append(all, l.Addr().String())
	}
	return all
}

// Run serves until ctx is cancelled, then closes the sockets, lets requests in flight finish for at most Limits.Stop, and
// returns nil. It returns an error when a socket cannot be opened or fails, and when requests had to be cut off. All
// goroutines it started have ended when it returns. A second call is an error.
func (s *Server) Run(ctx context.Context) error {
	if err := s.Listen(); err != nil {
		return err
	}
	s.mu.Lock()
	ran := s.ran
	s.ran = true
	s.mu.Unlock()
	if ran {
		return errors.New("a server runs once: create a new one")
	}

	// One http.Server per listener: the toolkit's ServeMultiple wraps the one server's handler once per listener, which
	// is a data race and asks for the password twice.
	servers := make([]*http.Server, len(s.listeners))
	failed := make(chan error, len(s.listeners))
	for i, l := range s.listeners {
		servers[i] = s.httpServer()
		go func() { failed <- s.serve(l, servers[i]) }()
	}
	var err error
	open := len(servers)
	select {
	case <-ctx.Done():
	case err = <-failed:
		open--
	}
	s.stopping.Store(true)
	err = errors.Join(err, s.stop(servers))
	for range open {
		err = errors.Join(err, <-failed)
	}
	return err
}

// httpServer is a fresh server with the limits.
func (s *Server) httpServer() *http.Server {
	return &http.Server{
		Handler:           s.handler,
		ReadHeaderTimeout: s.limits.ReadHeader,
		ReadTimeout:       s.limits.Read,
		WriteTimeout:      s.limits.Write,
		IdleTimeout:       s.limits.Idle,
		MaxHeaderBytes:    s.limits.MaxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(toolkitLogger(s.logger).Handler(), slog.LevelWarn),
	}
}

// serve returns nil when the server was shut down.
func (s *Server) serve(l net.Listener, server *http.Server) error {
	flags := &web.FlagConfig{WebListenAddresses: &s.options.Listen, WebConfigFile: &s.options.WebConfigFile}
	err := web.Serve(l, server, flags, toolkitLogger(s.logger))
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("serve on %s: %w", l.Addr(), cleanError(err))
}

// stop shuts all servers down together within Limits.Stop, then by force.
func (s *Server) stop(servers []*http.Server) error {
	ctx, cancel := context.WithTimeout(context.Background(), s.limits.Stop)
	defer cancel()
	errs := make([]error, len(servers))
	var wg sync.WaitGroup
	for i, server := range servers {
		wg.Go(func() {
			if err := server.Shutdown(ctx); err != nil {
				server.Close()
				errs[i] = fmt.Errorf("requests were cut off after %s: %w", s.limits.Stop, err)
			}
		})
	}
	wg.Wait()
	for _, l := range s.listeners {
		l.Close() // a listener whose Serve had not begun is not known to its server
	}
	return errors.Join(errs...)
}

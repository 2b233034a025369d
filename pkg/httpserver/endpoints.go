package httpserver

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/exporter-toolkit/web"
)

// Landing is the page at /, for a person who opens the address in a browser. Its texts are written into HTML as they are:
// constants of the program only.
type Landing struct {
	Name, Description, Version string
	Links                      []Link // beside those to /metrics, /-/healthy and /-/ready
}

// Link is one line of the landing page.
type Link struct{ Address, Text, Description string }

// errStopping is the reason given by /-/ready between the end of the context and the last answer.
var errStopping = errors.New("the server is stopping")

// maxScrapes is how many scrapes are answered at once; more than two Prometheus servers with overlapping scrapes is rare,
// and each costs a gathering.
const maxScrapes = 8

func (s *Server) routes() (*http.ServeMux, error) {
	mux := http.NewServeMux()
	mux.Handle("/metrics", promhttp.HandlerFor(s.options.Registry, promhttp.HandlerOpts{
		ErrorLog:            gatherLog{s.logger},
		ErrorHandling:       promhttp.ContinueOnError,
		MaxRequestsInFlight: maxScrapes,
	}))
	mux.HandleFunc("/-/healthy", func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, "healthy") })
	mux.HandleFunc("/-/ready", func(w http.ResponseWriter, _ *http.Request) {
		if err := s.ready(); err != nil {
			answer(w, http.StatusServiceUnavailable, "not ready: "+err.Error())
			return
		}
		answer(w, http.StatusOK, "ready")
	})
	if s.options.Reload != nil {
		mux.Handle("/-/reload", http.NewCrossOriginProtection().Handler(http.HandlerFunc(s.serveReload)))
	} else {
		mux.Handle("/-/reload", http.NotFoundHandler())
	}
	if s.options.Handler != nil {
		mux.Handle("/", s.options.Handler)
	}
	if s.options.Landing.Name != "" {
		page, err := s.options.Landing.page()
		if err != nil {
			return nil, fmt.Errorf("draw the landing page: %w", err)
		}
		mux.Handle("GET /{$}", page)
	}
	return mux, nil
}

func (l Landing) page() (http.Handler, error) {
	links := []web.LandingLinks{
		{Address: "/metrics", Text: "Metrics"},
		{Address: "/-/healthy", Text: "Healthy", Description: "answers while the process serves"},
		{Address: "/-/ready", Text: "Ready", Description: "answers 503 and the reason when not"},
	}
	for _, x := range l.Links {
		links = append(links, web.LandingLinks{Address: x.Address, Text: x.Text, Description: x.Description})
	}
	return web.NewLandingPage(web.LandingConfig{Name: l.Name, Description: l.Description, Version: l.Version, Links: links, Profiling: "false"})
}

func (s *Server) ready() error {
	if s.stopping.Load() {
		return errStopping
	}
	if s.options.Ready == nil {
		return nil
	}
	return s.options.Ready()
}

// serveReload answers POST and PUT, as Prometheus does.
func (s *Server) serveReload(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost && r.Method != http.MethodPut {
		w.Header().Set("Allow", "POST, PUT")
		answer(w, http.StatusMethodNotAllowed, fmt.Sprintf("%s is not allowed here: want POST", r.Method))
		return
	}
	if s.options.MayReload != nil {
		if err := s.options.MayReload(r); err != nil {
			answer(w, http.StatusForbidden, err.Error())
			return
		}
	}
	if err := s.Reload(); err != nil {
		answer(w, http.StatusBadRequest, err.Error())
		return
	}
	answer(w, http.StatusOK, "reloaded")
}

// Reload runs Options.Reload and keeps the reload metrics; SIGHUP should come here too. One runs at a time. The error is
// that of Options.Reload, which has then kept the old configuration. Without Options.Reload it is an error.
func (s *Server) Reload() error {
	if s.options.Reload == nil {
		return errors.New("this program has no configuration to reload")
	}
	s.reloading.Lock()
	defer s.reloading.Unlock()
	err := s.options.Reload()
	s.metrics.reloaded(err == nil)
	if err != nil {
		s.logger.Error("configuration refused, the old one stays", "err", err)
		return err
	}
	s.logger.Info("configuration reloaded")
	return nil
}

func answer(w http.ResponseWriter, code int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(code)
	fmt.Fprintln(w, text)
}

package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/alecthomas/kingpin/v2"
	"github.com/alecthomas/units"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	versioncollector "github.com/prometheus/client_golang/prometheus/collectors/version"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/promslog"
	"github.com/prometheus/common/version"

	"github.com/foreshock/foreshock/pkg/httpserver"
	"github.com/foreshock/foreshock/pkg/scorer"
)

// scoreCommand is `foreshock score`.
type scoreCommand struct {
	program
	file, url           string
	listen              []string
	webConfig           string
	replica, shard      string
	concurrency         int
	fits, blocks        units.Base2Bytes
	logLevel, logFormat string
	once                bool
}

func (p program) addScore(app *kingpin.Application) (string, command) {
	s := &scoreCommand{program: p}
	cmd := app.Command("score", p.text("help.score"))
	cmd.Flag("config.file", p.text("help.config.file")).Default("detectors.yml").StringVar(&s.file)
	cmd.Flag("prometheus.url", p.text("help.score.url")).PlaceHolder("URL").StringVar(&s.url)
	cmd.Flag("web.listen-address", p.text("help.web.listen-address")).Default(":9098").StringsVar(&s.listen)
	cmd.Flag("web.config.file", p.text("help.web.config.file")).PlaceHolder("FILE").StringVar(&s.webConfig)
	cmd.Flag("replica", p.text("help.replica")).PlaceHolder("NAME").StringVar(&s.replica)
	cmd.Flag("shard", p.text("help.shard")).Default("0/1").StringVar(&s.shard)
	cmd.Flag("concurrency", p.text("help.concurrency")).Default("4").IntVar(&s.concurrency)
	cmd.Flag("fits.bytes", p.text("help.fits.bytes")).Default("128MB").BytesVar(&s.fits)
	cmd.Flag("blocks.bytes", p.text("help.blocks.bytes")).Default("1GB").BytesVar(&s.blocks)
	cmd.Flag("log.level", p.text("help.log.level")).Default("info").StringVar(&s.logLevel)
	cmd.Flag("log.format", p.text("help.log.format")).Default("logfmt").StringVar(&s.logFormat)
	cmd.Flag("once", p.text("help.once")).BoolVar(&s.once)
	return cmd.FullCommand(), s.run
}

// load reads the file and puts the flag over it.
func (s *scoreCommand) load() (scorer.Config, error) {
	conf, err := scorer.Load(s.file)
	if err != nil {
		return conf, badInput(err)
	}
	if s.url != "" {
		conf.Prometheus.URL = s.url
	}
	return conf, nil
}

func (s *scoreCommand) run(ctx context.Context) error {
	shard, err := scorer.ParseShard(s.shard)
	if err != nil {
		return badInputf("--%w", err)
	}
	if err := oneOf("--log.level", s.logLevel, []string{"debug", "info", "warn", "error"}); err != nil {
		return err
	}
	if err := oneOf("--log.format", s.logFormat, []string{"logfmt", "json"}); err != nil {
		return err
	}
	if s.concurrency < 1 {
		return badInputf("--concurrency: got %d, want at least 1", s.concurrency)
	}
	conf, err := s.load()
	if err != nil {
		return err
	}
	logger, err := s.logger()
	if err != nil {
		return badInput(err)
	}
	reg := prometheus.NewRegistry()
	service, err := scorer.New(conf, scorer.Options{
		Registry: reg, Logger: logger, Replica: s.replica, Shard: shard, Concurrency: s.concurrency,
		FitBytes: int64(s.fits), BlockBytes: int64(s.blocks),
	})
	if err != nil {
		return badInput(err)
	}
	if s.once {
		return s.evaluate(ctx, service, reg)
	}
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), versioncollector.NewCollector("foreshock"))
	reload := func() error {
		conf, err := s.load()
		if err != nil {
			return err
		}
		return service.Apply(conf)
	}
	server, err := httpserver.New(httpserver.Options{
		Listen: s.listen, WebConfigFile: s.webConfig, Registry: reg, Logger: logger, Ready: service.Ready, Reload: reload, Handler: service.Handler(),
		Landing: httpserver.Landing{
			Name: "Foreshock scorer", Description: "Evaluates detector rules and publishes their series.", Version: version.Info(),
			Links: []httpserver.Link{{Address: "/api/v1/rules", Text: "Rules", Description: "which rules are armed, and why others are not"}},
		},
	})
	if err != nil {
		return badInput(err)
	}
	if err := server.Listen(); err != nil {
		return err
	}
	logger.Info("scorer started", "address", server.Addr(), "rules", len(conf.Rules), "shard", shard.String(), "prometheus", redacted(conf.Prometheus.URL))
	return serve(ctx, server, service, logger)
}

// serve runs both until the first ends, and reloads on SIGHUP.
func serve(ctx context.Context, server *httpserver.Server, service *scorer.Scorer, logger *slog.Logger) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-hup:
				_ = server.Reload() // it logs
			}
		}
	})
	var failed error
	wg.Go(func() {
		defer cancel()
		failed = service.Run(ctx)
	})
	err := server.Run(ctx)
	cancel()
	wg.Wait()
	logger.Info("scorer stopped")
	return errors.Join(err, failed)
}

// evaluate is --once.
func (s *scoreCommand) evaluate(ctx context.Context, service *scorer.Scorer, reg *prometheus.Registry) error {
	failed := service.Evaluate(ctx, time.Now())
	families, err := reg.Gather()
	if err != nil {
		return fmt.Errorf("gather what was found: %w", err)
	}
	out := buffered(s.stdout)
	for _, f := range families {
		if _, err := expfmt.MetricFamilyToText(out, f); err != nil {
			return fmt.Errorf("write what was found: %w", err)
		}
	}
	return errors.Join(out.Flush(), failed)
}

func (s *scoreCommand) logger() (*slog.Logger, error) {
	level, format := promslog.NewLevel(), promslog.NewFormat()
	if err := errors.Join(level.Set(s.logLevel), format.Set(s.logFormat)); err != nil {
		return nil, fmt.Errorf("logging: %w", err)
	}
	return promslog.New(&promslog.Config{Level: level, Format: format, Writer: s.stderr}), nil
}

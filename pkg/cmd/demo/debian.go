package main

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
)

// installed is a server of the distribution, as a process.
type installed struct {
	*process
	url string
}

func (i installed) URL() string { return i.url }

// startDebianAlertmanager starts the installed Alertmanager; 0.25 is the oldest that is supported.
func (s *stack) startDebianAlertmanager(ctx context.Context, file string) error {
	address, err := freeAddress()
	if err != nil {
		return err
	}
	am, err := s.launchInstalled(ctx, "alertmanager", "prometheus-alertmanager", address,
		"--config.file="+file, "--storage.path="+filepath.Join(s.dir, "alertmanager"), "--cluster.listen-address=",
		"--web.listen-address="+address, "--web.external-url=http://"+address)
	if err != nil {
		return err
	}
	s.alertmanager, s.alertLog = am, &am.log
	return nil
}

// startDebianPrometheus starts the installed Prometheus on the data and configuration in dir; 2.42 is the oldest that is supported.
func (s *stack) startDebianPrometheus(ctx context.Context, dir string) error {
	address, err := freeAddress()
	if err != nil {
		return err
	}
	p, err := s.launchInstalled(ctx, "prometheus", "prometheus", address,
		"--config.file="+filepath.Join(dir, "prometheus.yml"), "--storage.tsdb.path="+filepath.Join(dir, "data"), "--storage.tsdb.retention.time=30d",
		"--web.listen-address="+address, "--web.external-url=http://"+address)
	if err != nil {
		return err
	}
	s.prometheus = p
	return nil
}

func (s *stack) launchInstalled(ctx context.Context, name, program, address string, args ...string) (installed, error) {
	path, err := exec.LookPath(program)
	if err != nil {
		return installed{}, fmt.Errorf("--stack debian needs %s, which is not installed: apt-get install %s", program, program)
	}
	p, err := s.launch(ctx, name, exec.Command(path, args...), "http://"+address+"/-/ready")
	if err != nil {
		return installed{}, err
	}
	return installed{p, "http://" + address}, nil
}

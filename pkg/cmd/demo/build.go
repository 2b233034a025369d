package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// binaries are the paths of what the demo runs.
type binaries struct {
	exporter, webhook, foreshock string
	plugin                       string
	frontEnd                     string // folder of the built front end, "" without one
	root                         string // the checkout, "" outside of one
}

// programs are what is built: file name and package.
var programs = [][2]string{
	{"foreshock-exporter", "./exporter"}, {"foreshock-webhook", "./webhook"}, {"foreshock", "./pkg/cmd/foreshock"}, {pluginFile(), "./pkg"},
}

// pluginFile is the plugin's binary as Grafana looks for it.
func pluginFile() string { return "gpx_foreshock_" + runtime.GOOS + "_" + runtime.GOARCH }

// findBinaries takes the programs that lie in the given folders and builds the others into dir. It tells what it builds.
func findBinaries(ctx context.Context, o options, dir string, say func(string)) (binaries, error) {
	root, err := checkout()
	if err != nil && (o.binDir == "" || o.distDir == "") {
		return binaries{}, fmt.Errorf("%w; give --bin.dir and --dist.dir to run what is built already", err)
	}
	var paths [4]string
	for i, p := range programs {
		given := o.binDir
		if p[1] == "./pkg" {
			given = o.distDir
		}
		if given != "" {
			paths[i] = filepath.Join(given, p[0])
			if _, err := os.Stat(paths[i]); err != nil {
				return binaries{}, fmt.Errorf("%s is not in %s: run \"go tool mage build\", or leave the flag off and it is built", p[0], given)
			}
			if paths[i], err = filepath.Abs(paths[i]); err != nil {
				return binaries{}, err
			}
			continue
		}
		paths[i] = filepath.Join(dir, p[0])
		say(p[0])
		if err := goBuild(ctx, root, paths[i], p[1]); err != nil {
			return binaries{}, err
		}
	}
	b := binaries{exporter: paths[0], webhook: paths[1], foreshock: paths[2], plugin: paths[3], root: root}
	places := []string{o.distDir}
	if root != "" {
		places = append(places, filepath.Join(root, "dist"))
	}
	for _, d := range places {
		if d == "" {
			continue
		}
		if _, err := os.Stat(filepath.Join(d, "module.js")); err == nil {
			if b.frontEnd, err = filepath.Abs(d); err != nil {
				return binaries{}, err
			}
			break
		}
	}
	return b, nil
}

func goBuild(ctx context.Context, root, out, pkg string) error {
	var errs bytes.Buffer
	cmd := exec.CommandContext(ctx, "go", "build", "-tags", "arrow_json_stdlib", "-o", out, pkg)
	cmd.Dir, cmd.Stderr = root, &errs
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("go build %s: %w: %s", pkg, err, strings.TrimSpace(errs.String()))
	}
	return nil
}

// checkout is the folder with our go.mod, from the working directory upwards.
func checkout() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		text, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if err == nil && strings.HasPrefix(string(text), "module github.com/foreshock/foreshock\n") {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("this is not a checkout of Foreshock")
		}
		dir = parent
	}
}

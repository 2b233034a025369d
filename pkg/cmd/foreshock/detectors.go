package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/alecthomas/kingpin/v2"

	"github.com/foreshock/foreshock/pkg/detect"
	"github.com/foreshock/foreshock/pkg/registry"
)

// detectorsCommand is `foreshock detectors`.
type detectorsCommand struct {
	program
	words  []string // nothing, a name, "joint" or "peers", or one of them and a name
	format string
}

func (p program) addDetectors(app *kingpin.Application) (string, command) {
	d := &detectorsCommand{program: p}
	cmd := app.Command("detectors", p.text("help.detectors"))
	cmd.Arg("name", p.text("help.detectors.name")).StringsVar(&d.words)
	cmd.Flag("format", p.text("help.detectors.format")).Default("table").StringVar(&d.format)
	return cmd.FullCommand(), d.run
}

// described is a detector as JSON, in the form of the plugin's descriptors.
type described struct {
	Name    string           `json:"name"`
	Summary string           `json:"summary"`
	Source  string           `json:"source"`
	Catches string           `json:"catches,omitempty"`
	Params  []registry.Param `json:"params"`
}

func (d *detectorsCommand) run(context.Context) error {
	if err := oneOf("--format", d.format, []string{"table", "json"}); err != nil {
		return err
	}
	list, err := d.list()
	if err != nil {
		return badInput(err)
	}
	if d.format == "json" {
		return d.json(list)
	}
	for i, x := range list {
		if i > 0 {
			fmt.Fprintln(d.stdout)
		}
		d.table(x)
	}
	if len(d.words) == 0 {
		fmt.Fprintf(d.stdout, "\n%s\n", d.text("detectors.policy"))
		d.params(registry.ParamsOf(detect.DefaultPolicy()))
		fmt.Fprintf(d.stdout, "\n%s\n", d.text("detectors.walk"))
		d.params(registry.ParamsOf(detect.DefaultWalk()))
	}
	return nil
}

// list describes the detectors that are asked for.
func (d *detectorsCommand) list() ([]described, error) {
	shape, name := "", ""
	for _, w := range d.words {
		switch {
		case shape == "" && name == "" && (w == "joint" || w == "peers"):
			shape = w
		case name == "":
			name = w
		default:
			return nil, fmt.Errorf("got %q, want one name, after joint or peers for detectors of several series", strings.Join(d.words, " "))
		}
	}
	switch shape {
	case "joint":
		return describedOf(detect.Joints, name, func(j detect.Joint) string {
			var kinds []string
			for _, b := range j.Catches() {
				kinds = append(kinds, b.String())
			}
			return strings.Join(kinds, ", ")
		})
	case "peers":
		return describedOf(detect.PeerDetectors, name, func(detect.Peers) string { return "" })
	}
	return describedOf(detect.Detectors, name, func(x detect.Detector) string { return x.Catches().String() })
}

// describedOf describes one member of a registry, or all.
func describedOf[T any](of *registry.Of[T], name string, catches func(T) string) ([]described, error) {
	names := of.Names()
	if name != "" {
		names = []string{name}
	}
	list := make([]described, len(names))
	for i, n := range names {
		e, err := of.Get(n)
		if err != nil {
			return nil, err
		}
		options := e.New()
		list[i] = described{Name: e.Name, Summary: e.Summary, Source: e.Source, Catches: catches(options), Params: registry.ParamsOf(options)}
	}
	return list, nil
}

func (d *detectorsCommand) json(list []described) error {
	out := json.NewEncoder(d.stdout)
	out.SetIndent("", "  ")
	out.SetEscapeHTML(false)
	if err := out.Encode(list); err != nil {
		return fmt.Errorf("write the detectors: %w", err)
	}
	return nil
}

func (d *detectorsCommand) table(x described) {
	fmt.Fprintf(d.stdout, "%s: %s\n", x.Name, x.Summary)
	if x.Catches != "" {
		fmt.Fprintf(d.stdout, "  %s: %s\n", d.text("detectors.catches"), x.Catches)
	}
	fmt.Fprintf(d.stdout, "  %s: %s\n", d.text("detectors.source"), x.Source)
	d.params(x.Params)
}

func (d *detectorsCommand) params(params []registry.Param) {
	if len(params) == 0 {
		return
	}
	w := tabwriter.NewWriter(d.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "  %s\t%s\t%s\t%s\t%s\n", d.text("detectors.name"), d.text("detectors.type"), d.text("detectors.default"), d.text("detectors.allowed"), d.text("detectors.meaning"))
	for _, p := range params {
		fmt.Fprintf(w, "  %s\t%s\t%s\t%s\t%s\n", p.Name, p.Type, plain(p.Default), allowed(p), p.Help)
	}
	_ = w.Flush()
}

func plain(v any) string {
	switch v := v.(type) {
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64)
	case []string:
		return strings.Join(v, ",")
	}
	return fmt.Sprint(v)
}

// allowed is the range or the choice of a parameter in few characters.
func allowed(p registry.Param) string {
	bound := func(x *float64) string {
		if x == nil {
			return ""
		}
		if p.Type == "duration" {
			return registry.Duration(*x * 1e9).String()
		}
		return strconv.FormatFloat(*x, 'g', -1, 64)
	}
	switch {
	case len(p.Enum) > 0:
		return strings.Join(p.Enum, "|")
	case p.Type == "boolean":
		return "true|false"
	case p.Min == nil && p.Max == nil:
		return ""
	}
	return strings.TrimSpace(bound(p.Min) + ".." + bound(p.Max) + " " + p.Unit)
}

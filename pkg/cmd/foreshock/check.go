package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"time"

	"github.com/alecthomas/kingpin/v2"

	"github.com/foreshock/foreshock/pkg/prom"
	"github.com/foreshock/foreshock/pkg/scorer"
)

// checkCommand is `foreshock check`.
type checkCommand struct {
	program
	files []string
	url   string
	http  httpFlags
}

func (p program) addCheck(app *kingpin.Application) (string, command) {
	c := &checkCommand{program: p}
	cmd := app.Command("check", p.text("help.check"))
	cmd.Arg("file", p.text("help.check.file")).Required().StringsVar(&c.files)
	cmd.Flag("prometheus.url", p.text("help.check.url")).PlaceHolder("URL").StringVar(&c.url)
	c.http.flags(p, cmd)
	return cmd.FullCommand(), c.run
}

// errCheck ends a check that found problems: they are printed by then.
var errCheck = errors.New("problems found")

func (c *checkCommand) run(ctx context.Context) error {
	var client *prom.Client
	if c.url != "" {
		var err error
		if client, err = c.http.client(c.url); err != nil {
			return err
		}
		defer client.Close()
	}
	var worst error
	for _, f := range c.files {
		fmt.Fprintln(c.stdout, c.text("check.checking", "file", f))
		if err := c.file(ctx, client, f); err != nil {
			var wrong *inputError
			if worst == nil || !errors.As(err, &wrong) {
				worst = err
			}
		}
		fmt.Fprintln(c.stdout)
	}
	if worst != nil {
		return &reported{worst}
	}
	return nil
}

func (c *checkCommand) file(ctx context.Context, client *prom.Client, name string) error {
	conf, err := scorer.Load(name)
	var problems scorer.Problems
	switch {
	case errors.As(err, &problems):
		fmt.Fprintf(c.stderr, "  %s\n", c.text("check.failed", "n", strconv.Itoa(len(problems))))
		for _, p := range problems {
			fmt.Fprintln(c.stderr, p)
		}
		return badInput(errCheck)
	case err != nil:
		fmt.Fprintln(c.stderr, err)
		return badInput(err)
	}
	var worst error
	if client != nil {
		for _, r := range conf.Rules {
			if err := c.try(ctx, client, name, conf, r); err != nil {
				worst = err
			}
		}
	}
	if worst == nil {
		fmt.Fprintf(c.stdout, "  %s\n", c.text("check.success", "n", strconv.Itoa(len(conf.Rules))))
	}
	return worst
}

// try asks the server for the newest value of a rule's series, and of its filter.
func (c *checkCommand) try(ctx context.Context, client *prom.Client, file string, conf scorer.Config, r scorer.Rule) error {
	now := time.Now().UnixMilli()
	n := 0
	for _, q := range r.Queries(conf.Prometheus) {
		v, err := client.Instant(ctx, q.Expr, now)
		if err != nil {
			fmt.Fprintln(c.stderr, scorer.Problem{File: file, Line: r.Line, Rule: r.Name, Text: fmt.Sprintf("field %q: %s", q.Field, err)})
			var failed *prom.Error
			if errors.As(err, &failed) && failed.Kind == prom.KindBadQuery {
				return badInput(errCheck)
			}
			return err
		}
		if q.Field != "clean" {
			n += len(v.Samples)
		}
	}
	fmt.Fprintf(c.stdout, "  %s\n", c.text("check.tried", "rule", r.Name, "n", strconv.Itoa(n)))
	return nil
}

// redacted hides the password of an address.
func redacted(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Redacted()
}

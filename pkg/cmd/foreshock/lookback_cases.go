package main

import (
	"context"
	"os"
	"strings"
	"time"

	"github.com/alecthomas/kingpin/v2"

	"github.com/foreshock/foreshock/pkg/casesapi"
	"github.com/foreshock/foreshock/pkg/evaluate"
)

// pastCases is the flags for cases of the webhook that tell what was wrong.
type pastCases struct{ url, tokenFile, selector string }

func (c *pastCases) flags(p program, cmd *kingpin.CmdClause) {
	cmd.Flag("cases.url", p.text("help.cases.url")).PlaceHolder("URL").StringVar(&c.url)
	cmd.Flag("cases.token-file", p.text("help.cases.token-file")).PlaceHolder("FILE").StringVar(&c.tokenFile)
	cmd.Flag("cases", p.text("help.cases")).Default("{}").StringVar(&c.selector)
}

// read asks the webhook for the cases of a time; nil where no address is given.
func (c *pastCases) read(ctx context.Context, p program, from, to int64) ([]evaluate.PastCase, error) {
	if c.url == "" {
		if c.tokenFile != "" || c.selector != "{}" {
			return nil, badInputf("got --cases or --cases.token-file without --cases.url, want the address of the webhook")
		}
		return nil, nil
	}
	selector, err := casesapi.ParseSelector(c.selector)
	if err != nil {
		return nil, badInputf("--cases: %w", err)
	}
	o := casesapi.Options{URL: c.url}
	if c.tokenFile != "" {
		raw, err := os.ReadFile(c.tokenFile)
		if err != nil {
			return nil, badInputf("--cases.token-file: %w", err)
		}
		o.Token = strings.TrimSpace(string(raw))
	}
	client, err := casesapi.New(o)
	if err != nil {
		return nil, badInputf("--cases.url: %w", err)
	}
	end := time.UnixMilli(to)
	past, more, err := client.Past(ctx, selector, time.UnixMilli(from), end)
	if err != nil {
		return nil, err
	}
	if more {
		p.note(p.text("note.cases-cut"))
	}
	out := make([]evaluate.PastCase, len(past))
	for i, one := range past {
		began, ended := one.Span(end)
		out[i] = evaluate.PastCase{Incident: evaluate.Incident{From: began.UnixMilli(), To: ended.UnixMilli()}, Labels: one.SeriesLabels()}
	}
	return out, nil
}

package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/foreshock/foreshock/webhook/config"
	"github.com/foreshock/foreshock/webhook/notify"
	"github.com/foreshock/foreshock/webhook/store"
)

// migration is what the command line says about moving a store.
type migration struct {
	config string
	to     string
	toFile string
}

// migrate copies the store of the configuration into an empty one, and says what it moved.
func migrate(ctx context.Context, m migration, stdout, stderr io.Writer) int {
	fail := func(code int, err error) int {
		for line := range strings.Lines(err.Error()) {
			fmt.Fprintf(stderr, "foreshock-webhook: %s\n", strings.TrimSuffix(line, "\n"))
		}
		return code
	}
	if (m.to == "") == (m.toFile == "") {
		return fail(exitUsage, fmt.Errorf("want one of --to and --to-file"))
	}
	file, err := config.Load(m.config)
	if err != nil {
		return fail(exitUsage, err)
	}
	from, err := file.StoreURL()
	if err != nil {
		return fail(exitUsage, err)
	}
	to := notify.Secret(m.to)
	if m.toFile != "" {
		if to, err = notify.ReadSecret(m.toFile); err != nil {
			return fail(exitUsage, err)
		}
	}
	began := time.Now()
	tables, err := store.Copy(ctx, store.Options{URL: from.Reveal()}, store.Options{URL: to.Reveal()})
	if err != nil {
		return fail(exitError, fmt.Errorf("nothing was moved: %w", err))
	}
	w := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "table\trows\tsum")
	rows := int64(0)
	for _, t := range tables {
		fmt.Fprintf(w, "%s\t%d\t%s\n", t.Name, t.Rows, t.Sum)
		rows += t.Rows
	}
	_ = w.Flush()
	fmt.Fprintf(stdout, "%d rows of %d tables were copied and compared in %s; the old store is as it was. Set store in %s to the new one, and start.\n",
		rows, len(tables), time.Since(began).Round(time.Millisecond), m.config)
	return exitOK
}

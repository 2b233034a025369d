package httpserver

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strings"

	"github.com/prometheus/exporter-toolkit/web"
)

// checkWebConfig reads the web configuration file as the toolkit will. Its error names the file and shows nothing that
// the file holds.
func checkWebConfig(path string) error {
	if err := web.Validate(path); err != nil {
		return fmt.Errorf("web configuration file %q: %w", path, cleanError(err))
	}
	return nil
}

// quoted matches what yaml quotes from a document: `hunter2` may be a password put in the wrong place.
var quoted = regexp.MustCompile("`[^`]*`")

// cleanError is err without anything out of the file; file-system errors stay what they are.
func cleanError(err error) error {
	text := err.Error()
	clean := cleanText(text)
	if clean == text {
		return err
	}
	return errors.New(clean)
}

func cleanText(text string) string {
	if strings.Contains(text, "bcrypt") { // it tells the first letter of what was taken for a hash
		return "basic_auth_users: a password is not a bcrypt hash"
	}
	text = quoted.ReplaceAllString(text, "`<secret>`")
	return strings.Join(strings.Fields(text), " ") // yaml writes several lines
}

// toolkitLogger lets through what the toolkit and net/http say, with error texts cleaned: the file, which holds password
// hashes, is read again for every connection and request, and its parse error is logged (as the cause of a failed TLS
// handshake, too).
func toolkitLogger(l *slog.Logger) *slog.Logger { return slog.New(cleaning{l.Handler()}) }

type cleaning struct{ slog.Handler }

func (c cleaning) Handle(ctx context.Context, r slog.Record) error {
	out := slog.NewRecord(r.Time, r.Level, cleanText(r.Message), r.PC)
	r.Attrs(func(a slog.Attr) bool {
		out.AddAttrs(cleanAttr(a))
		return true
	})
	return c.Handler.Handle(ctx, out)
}

func (c cleaning) WithAttrs(attrs []slog.Attr) slog.Handler {
	clean := make([]slog.Attr, len(attrs))
	for i, a := range attrs {
		clean[i] = cleanAttr(a)
	}
	return cleaning{c.Handler.WithAttrs(clean)}
}

func (c cleaning) WithGroup(name string) slog.Handler { return cleaning{c.Handler.WithGroup(name)} }

func cleanAttr(a slog.Attr) slog.Attr {
	switch a.Key {
	case "address", "http2", "burst", "interval":
		return a
	}
	return slog.String(a.Key, cleanText(a.Value.String()))
}

package notify

import (
	"context"
	"log/slog"

	"github.com/foreshock/foreshock/pkg/message"
	"github.com/foreshock/foreshock/pkg/registry"
	"github.com/foreshock/foreshock/webhook/cases"
)

func init() {
	Channels.Add(registry.Entry[Channel]{
		Name:    "log",
		Summary: "Writes each message as one structured line to the log of the service.",
		Source:  "https://pkg.go.dev/log/slog",
		New:     func() Channel { return &Log{Common: common(), Level: "info"} },
	})
}

// Log writes messages to the service's own log.
type Log struct {
	Common
	Level string `json:"level" yaml:"level" help:"level of the line" enum:"debug,info,warn,error"`
}

// Validate accepts everything that the tags accept.
func (*Log) Validate() error { return nil }

// Open keeps the logger.
func (l *Log) Open(env Env) error { return l.open(env, asIs, asIs) }

// Send writes the line. Values are quoted by the log's handler; they are cleaned here, since logs are read in terminals.
func (l *Log) Send(ctx context.Context, m cases.Message) Outcome {
	n := m.Notice
	var level slog.Level
	if err := level.UnmarshalText([]byte(l.Level)); err != nil {
		return Permanent("level: " + err.Error())
	}
	names := make([]string, 0, len(n.Alerts))
	for _, a := range n.Alerts {
		names = append(names, message.Plain(a.Labels.String()))
	}
	l.env.Logger.LogAttrs(ctx, level, l.subject(n),
		slog.String("what", string(n.What)), slog.String("case", n.Case.ID), slog.String("grade", n.Case.Grade.String()),
		slog.String("title", message.Plain(n.Case.Title)), slog.Int("firing", n.Case.Firing), slog.Int("total", n.Case.Total),
		slog.Any("alerts", names), slog.Int("more", n.More), slog.String("channel", m.Channel),
		slog.String("key", m.Key), slog.Int("attempt", m.Attempt), slog.String("link", l.link(n.Case.ID)))
	o := Sent("logged")
	o.Receipt.Reply = "logged"
	return o
}

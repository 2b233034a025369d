package main

import (
	"bufio"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/alecthomas/kingpin/v2"

	"github.com/foreshock/foreshock/pkg/logs"
	"github.com/foreshock/foreshock/pkg/registry"
)

// logsParseCommand is `foreshock logs parse`.
type logsParseCommand struct {
	program
	file, format   string
	masks, protect []string
	params         []string
	stream, quiet  bool
}

// parseFormats are what foreshock logs parse writes.
var parseFormats = []string{"lines", "templates", "json"}

// logsGroup returns the command that holds those for logs.
func (p program) logsGroup(app *kingpin.Application) *kingpin.CmdClause {
	if c := app.GetCommand("logs"); c != nil {
		return c
	}
	return app.Command("logs", p.text("help.logs"))
}

func (p program) addLogsParse(app *kingpin.Application) (string, command) {
	l := &logsParseCommand{program: p}
	cmd := p.logsGroup(app).Command("parse", p.text("help.logs.parse"))
	cmd.Arg("file", p.text("help.logs.file")).StringVar(&l.file)
	cmd.Flag("param", p.text("help.logs.param")).Short('p').PlaceHolder("KEY=VALUE").StringsVar(&l.params)
	cmd.Flag("mask", p.text("help.logs.mask")).PlaceHolder("PATTERN").StringsVar(&l.masks)
	cmd.Flag("protect", p.text("help.logs.protect")).PlaceHolder("WORD").StringsVar(&l.protect)
	cmd.Flag("format", p.text("help.logs.format")).Default("lines").StringVar(&l.format)
	cmd.Flag("stream", p.text("help.logs.stream")).BoolVar(&l.stream)
	cmd.Flag("quiet", p.text("help.quiet")).Short('q').BoolVar(&l.quiet)
	return cmd.FullCommand(), l.run
}

func (l *logsParseCommand) run(ctx context.Context) error {
	if err := oneOf("--format", l.format, parseFormats); err != nil {
		return err
	}
	if l.stream && l.format != "lines" {
		return badInputf("--format: got %q with --stream, want lines: templates are known at the end", l.format)
	}
	if l.file == "" {
		return badInputf("got no input, want a file, or - for standard input")
	}
	o, err := l.options()
	if err != nil {
		return err
	}
	m, err := logs.New(o)
	if err != nil {
		return badInput(err)
	}
	in, err := l.open()
	if err != nil {
		return err
	}
	defer in.Close()
	out := buffered(l.stdout)
	if err := l.parse(ctx, m, in, out); err != nil {
		return err
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("write the templates: %w", err)
	}
	if s := m.Stats(); !l.quiet {
		l.note(l.text("logs.total", "lines", strconv.FormatUint(s.Lines, 10), "templates", strconv.Itoa(s.Templates), "cut", strconv.FormatUint(s.Cut, 10), "forgotten", strconv.FormatUint(s.Forgotten, 10)))
	}
	return nil
}

// options are the defaults with room for more templates, as a file has an end, and what the flags say.
func (l *logsParseCommand) options() (logs.Options, error) {
	o := logs.DefaultOptions()
	o.MaxTemplates, o.MaxSignatures = 100_000, 500_000
	params, err := pairs("--param", l.params)
	if err != nil {
		return o, err
	}
	if err := registry.DecodeInto(&o, registry.FromStrings(params)); err != nil {
		return o, badInput(err)
	}
	o.Masks = append(o.Masks, l.masks...)
	o.Protected = append(o.Protected, l.protect...)
	if err := o.Validate(); err != nil {
		return o, badInput(err)
	}
	return o, nil
}

func (l *logsParseCommand) open() (io.ReadCloser, error) {
	if l.file == standardInput {
		return io.NopCloser(l.stdin), nil
	}
	f, err := os.Open(l.file)
	if err != nil {
		return nil, badInput(err)
	}
	return unpacked(f, l.file)
}

// parse reads all lines and writes what the format says. Without --stream a line is told by the template that it has once all lines are known.
func (l *logsParseCommand) parse(ctx context.Context, m *logs.Miner, in io.Reader, out *bufio.Writer) error {
	var ids []logs.ID
	early := map[logs.ID]string{} // texts of what may be forgotten
	at := time.Now()
	err := eachLine(ctx, in, func(line []byte) error {
		match := m.Add(line, at)
		if match.New {
			early[match.ID] = m.Text(match.ID)
		}
		switch {
		case l.stream:
			writeTemplate(out, match.ID, m.Text(match.ID))
			if len(early) > 100_000 {
				clear(early)
			}
			return out.Flush()
		case l.format == "lines":
			ids = append(ids, match.ID)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if l.format != "lines" {
		return l.table(m, out)
	}
	for _, id := range ids {
		text := m.Text(id)
		if text == "" {
			text = early[id]
		}
		writeTemplate(out, m.Resolve(id), text)
	}
	return nil
}

func writeTemplate(out *bufio.Writer, id logs.ID, text string) {
	var digits [16]byte
	hex := strconv.AppendUint(digits[:0], uint64(id), 16)
	for range 16 - len(hex) {
		_ = out.WriteByte('0')
	}
	_, _ = out.Write(hex)
	_ = out.WriteByte('\t')
	_, _ = out.WriteString(text)
	_ = out.WriteByte('\n') // the error of a buffered writer stays until Flush
}

// table writes a row per template, those with the most lines first.
func (l *logsParseCommand) table(m *logs.Miner, out *bufio.Writer) error {
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	for _, t := range m.Templates() {
		if l.format == "templates" {
			fmt.Fprintf(out, "%s\t%d\t%s\n", t.ID, t.Count, t.Text)
			continue
		}
		kinds := make([]string, len(t.Slots))
		for i, s := range t.Slots {
			kinds[i] = s.Kind.String()
		}
		row := struct {
			ID      string   `json:"template_id"`
			Text    string   `json:"template"`
			Count   uint64   `json:"count"`
			Rarity  float64  `json:"rarity_bits"`
			Slots   []string `json:"slots"`
			Evolved int      `json:"texts"`
			Example string   `json:"example"`
		}{t.ID.String(), t.Text, t.Count, t.Rarity, kinds, len(t.Steps), t.Example}
		if err := enc.Encode(row); err != nil {
			return fmt.Errorf("write the templates: %w", err)
		}
	}
	return nil
}

// eachLine calls do with every line, without its end. What of a line goes beyond a megabyte is skipped.
func eachLine(ctx context.Context, in io.Reader, do func([]byte) error) error {
	r := bufio.NewReaderSize(in, maxLine)
	for n := 0; ; n++ {
		if n&1023 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		line, err := r.ReadSlice('\n')
		full := errors.Is(err, bufio.ErrBufferFull)
		if err != nil && !full && !errors.Is(err, io.EOF) {
			return badInputf("read the log: %w", err)
		}
		if len(line) == 0 {
			return nil
		}
		if line[len(line)-1] == '\n' {
			line = line[:len(line)-1]
		}
		if e := do(line); e != nil {
			return e
		}
		for full {
			_, err = r.ReadSlice('\n')
			full = errors.Is(err, bufio.ErrBufferFull)
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
	}
}

// unpacked reads a file, through gzip if its name ends in .gz.
func unpacked(f *os.File, name string) (io.ReadCloser, error) {
	if !strings.HasSuffix(name, ".gz") {
		return f, nil
	}
	z, err := gzip.NewReader(f)
	if err != nil {
		f.Close()
		return nil, badInputf("%s: not a gzip file: %v", name, err)
	}
	return struct {
		io.Reader
		io.Closer
	}{z, f}, nil
}

package main

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/alecthomas/kingpin/v2"

	"github.com/foreshock/foreshock/pkg/logs"
	"github.com/foreshock/foreshock/pkg/registry"
)

// logsScoreCommand is `foreshock logs score`.
type logsScoreCommand struct {
	program
	train, test, abnormal string
	model, session        string
	params                []string
	given                 map[string]string // params
	splits                int
	ratio                 float64
	format                string
}

// scoreFormats are the forms of the table.
var scoreFormats = []string{"text", "markdown", "json"}

func (p program) addLogsScore(app *kingpin.Application) (string, command) {
	l := &logsScoreCommand{program: p}
	cmd := p.logsGroup(app).Command("score", p.text("help.logs.score"))
	cmd.Flag("train", p.text("help.logs.train")).PlaceHolder("FILE").StringVar(&l.train)
	cmd.Flag("test", p.text("help.logs.test")).PlaceHolder("FILE").StringVar(&l.test)
	cmd.Flag("abnormal", p.text("help.logs.abnormal")).PlaceHolder("FILE").StringVar(&l.abnormal)
	cmd.Flag("detector", p.text("help.logs.detector")).Short('d').Default("auto").StringVar(&l.model)
	cmd.Flag("param", p.text("help.logs.score.param")).Short('p').PlaceHolder("KEY=VALUE").StringsVar(&l.params)
	cmd.Flag("session", p.text("help.logs.session")).PlaceHolder("PATTERN").StringVar(&l.session)
	cmd.Flag("splits", p.text("help.logs.splits")).Default("20").IntVar(&l.splits)
	cmd.Flag("ratio", p.text("help.logs.ratio")).Default("0").Float64Var(&l.ratio)
	cmd.Flag("format", p.text("help.logs.score.format")).Default("text").StringVar(&l.format)
	return cmd.FullCommand(), l.run
}

func (l *logsScoreCommand) run(ctx context.Context) error {
	if err := l.check(); err != nil {
		return err
	}
	in, err := newSessions(l.session)
	if err != nil {
		return err
	}
	train, err := in.read(ctx, l.train)
	if err != nil {
		return err
	}
	var test, abnormal []session
	if l.test != "" {
		if test, err = in.read(ctx, l.test); err != nil {
			return err
		}
	}
	if l.abnormal == "" {
		return l.verdicts(in, train, test)
	}
	if abnormal, err = in.read(ctx, l.abnormal); err != nil {
		return err
	}
	return l.measure(ctx, in, train, test, abnormal)
}

func (l *logsScoreCommand) check() error {
	switch {
	case l.train == "":
		return badInputf("got no --train, want a file of normal sessions")
	case l.test == "" && l.abnormal == "":
		return badInputf("got neither --test nor --abnormal, want sessions to judge (--test), or known anomalies to be measured on (--abnormal)")
	case l.splits < 1 || l.splits > 1000:
		return badInputf("--splits: got %d, want 1 to 1000", l.splits)
	case !(l.ratio >= 0) || math.IsInf(l.ratio, 0):
		return badInputf("--ratio: got %v, want a number of normal sessions for each abnormal one, or 0", l.ratio)
	}
	if err := oneOf("--format", l.format, scoreFormats); err != nil {
		return err
	}
	var err error
	if l.given, err = pairs("--param", l.params); err != nil {
		return err
	}
	if l.model == "all" && l.abnormal != "" {
		if len(l.given) > 0 {
			return badInputf("--param: got %q with -d all, want one detector: the others do not have it", l.params[0])
		}
		return nil
	}
	_, err = logs.Sequences.New(l.model, registry.FromStrings(l.given))
	if err != nil {
		return badInput(err)
	}
	return nil
}

// verdicts writes a row for each session of the test file.
func (l *logsScoreCommand) verdicts(in *sessionReader, train, test []session) error {
	m, err := l.fit(l.model, in.events(train))
	if err != nil {
		return err
	}
	out := buffered(l.stdout)
	w := csv.NewWriter(out)
	_ = w.Write([]string{"session", "score", "anomalous", "step", "event"}) // the error stays until Error
	for i, events := range in.events(test) {
		v := m.Score(events)
		event := ""
		if v.Step >= 0 && v.Step < len(events) {
			event = in.name(events[v.Step])
		}
		anomalous := "0"
		if v.Anomalous() {
			anomalous = "1"
		}
		_ = w.Write([]string{test[i].id, strconv.FormatFloat(v.Score, 'g', 6, 64), anomalous, strconv.Itoa(v.Step), event})
	}
	w.Flush()
	if err := w.Error(); err != nil {
		return fmt.Errorf("write the verdicts: %w", err)
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("write the verdicts: %w", err)
	}
	return nil
}

func (l *logsScoreCommand) fit(name string, train [][]logs.ID) (logs.SequenceModel, error) {
	var decode registry.Decode
	if name == l.model {
		decode = registry.FromStrings(l.given)
	}
	d, err := logs.Sequences.New(name, decode)
	if err != nil {
		return nil, badInput(err)
	}
	m, err := d.Fit(train)
	if err != nil {
		return nil, badInputf("%s: %w", l.train, err)
	}
	return m, nil
}

// scored is a row of the table.
type scored struct {
	Detector string  `json:"detector"`
	F1       float64 `json:"f1"`
	Worst    float64 `json:"worst_f1"`
	Recall   float64 `json:"recall"`
	False    float64 `json:"false_positives"`
	Rate     float64 `json:"false_positive_rate"`
}

// measure writes the table of detectors. Without a test file the normal sessions are split at random into halves, to learn from and to judge.
func (l *logsScoreCommand) measure(ctx context.Context, in *sessionReader, train, test, abnormal []session) error {
	names := []string{l.model}
	if l.model == "all" {
		names = logs.Sequences.Names()
	}
	normal, held, bad := in.events(train), in.events(test), in.events(abnormal)
	rounds := l.splits
	if len(held) > 0 {
		rounds = 1
	}
	rows := map[string]*scored{flagAll: {Worst: 1}}
	for _, n := range names {
		rows[n] = &scored{Worst: 1}
	}
	for round := range rounds {
		if err := ctx.Err(); err != nil {
			return err
		}
		learn, judge := normal, held
		if len(held) == 0 {
			rng := rand.New(rand.NewPCG(uint64(round), 0))
			rng.Shuffle(len(normal), func(i, j int) { normal[i], normal[j] = normal[j], normal[i] })
			learn, judge = normal[:len(normal)/2], normal[len(normal)/2:]
		}
		if len(judge) == 0 || len(bad) == 0 {
			return badInputf("got %d normal and %d abnormal sessions to judge, want at least one of each", len(judge), len(bad))
		}
		weight := 1.0
		if l.ratio > 0 {
			weight = l.ratio * float64(len(bad)) / float64(len(judge))
		}
		rows[flagAll].add(len(bad), len(judge), len(bad), len(judge), weight, rounds)
		for _, n := range names {
			m, err := l.fit(n, learn)
			if err != nil {
				return err
			}
			rows[n].add(flagged(m, bad), flagged(m, judge), len(bad), len(judge), weight, rounds)
		}
	}
	return l.table(append([]string{flagAll}, names...), rows)
}

// flagAll is the floor: a detector that says yes to everything.
const flagAll = "flag everything"

func (s *scored) add(tp, fp, bad, judged int, weight float64, rounds int) {
	f1 := 0.0
	if tp > 0 {
		f1 = 2 * float64(tp) / (float64(tp) + weight*float64(fp) + float64(bad))
	}
	n := float64(rounds)
	s.F1 += f1 / n
	s.Worst = min(s.Worst, f1)
	s.Recall += float64(tp) / float64(bad) / n
	s.False += float64(fp) / n
	s.Rate += float64(fp) / float64(judged) / n
}

// flagged counts the anomalies; equal sessions are judged once.
func flagged(m logs.SequenceModel, all [][]logs.ID) int {
	seen := map[string]bool{}
	n := 0
	var key []byte
	for _, s := range all {
		key = key[:0]
		for _, e := range s {
			key = append(strconv.AppendUint(key, uint64(e), 36), ' ')
		}
		bad, ok := seen[string(key)]
		if !ok {
			bad = m.Score(s).Anomalous()
			seen[string(key)] = bad
		}
		if bad {
			n++
		}
	}
	return n
}

func (l *logsScoreCommand) table(names []string, rows map[string]*scored) error {
	out := buffered(l.stdout)
	line := "%-16s %6s %9s %7s %16s %20s\n"
	if l.format == "markdown" {
		line = "| %s | %s | %s | %s | %s | %s |\n"
	}
	if l.format != "json" {
		fmt.Fprintf(out, line, "detector", "F1", "worst F1", "recall", "false positives", "false positive rate")
	}
	if l.format == "markdown" {
		fmt.Fprintln(out, "|---|---|---|---|---|---|")
	}
	enc := json.NewEncoder(out)
	for _, n := range names {
		r := rows[n]
		r.Detector = n
		if l.format == "json" {
			if err := enc.Encode(r); err != nil {
				return fmt.Errorf("write the table: %w", err)
			}
			continue
		}
		three := func(x float64) string { return strconv.FormatFloat(x, 'f', 3, 64) }
		fmt.Fprintf(out, line, n, three(r.F1), three(r.Worst), three(r.Recall), strconv.FormatFloat(r.False, 'f', 2, 64), strconv.FormatFloat(r.Rate, 'f', 5, 64))
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("write the table: %w", err)
	}
	return nil
}

// session is one of a file.
type session struct {
	id     string
	events []logs.ID
}

// sessionReader reads sessions: a line each, or raw log lines grouped by a key.
type sessionReader struct {
	key   *regexp.Regexp
	miner *logs.Miner
	names map[logs.ID]string
}

func newSessions(pattern string) (*sessionReader, error) {
	r := &sessionReader{names: map[logs.ID]string{}}
	if pattern == "" {
		return r, nil
	}
	var err error
	if r.key, err = regexp.Compile(pattern); err != nil {
		return nil, badInputf("--session: got %q, want a regular expression (RE2): %w", pattern, err)
	}
	o := logs.DefaultOptions()
	o.MaxTemplates, o.MaxSignatures = 100_000, 500_000
	r.miner, err = logs.New(o)
	return r, err
}

func (r *sessionReader) read(ctx context.Context, name string) ([]session, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, badInput(err)
	}
	in, err := unpacked(f, name)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	var all []session
	at := map[string]int{}
	n := 0
	err = eachLine(ctx, in, func(line []byte) error {
		n++
		if r.key != nil {
			r.group(&all, at, line)
			return nil
		}
		text := strings.TrimSpace(string(line))
		if text == "" {
			return nil
		}
		s := session{id: strconv.Itoa(len(all) + 1)}
		i := strings.LastIndexByte(text, ',')
		if i >= 0 {
			s.id, text = text[:i], text[i+1:]
		}
		events := strings.Fields(text)
		if i < 0 && !numbers(events) || strings.ContainsAny(s.id, " \t") {
			return badInputf("%s: line %d: got %.40q, want id,event event … (the id may be missing where all events are numbers) or, with --session, log lines that hold its key",
				name, n, line)
		}
		for _, w := range events {
			s.events = append(s.events, r.event(w))
		}
		all = append(all, s)
		return nil
	})
	if err != nil {
		return nil, err
	}
	if len(all) == 0 {
		return nil, badInputf("%s: got %d lines without a session, want id,event event … or, with --session, log lines that hold its key", name, n)
	}
	return all, nil
}

// numbers tells a session of numbered events from a line of a log.
func numbers(events []string) bool {
	return !slices.ContainsFunc(events, func(e string) bool { _, err := strconv.ParseUint(e, 10, 64); return err != nil })
}

// event returns the number of an event's name: the number that it is, or a hash.
func (r *sessionReader) event(name string) logs.ID {
	id, err := strconv.ParseUint(name, 10, 64)
	if err != nil {
		id = fnvOf(name)
	}
	r.names[logs.ID(id)] = name
	return logs.ID(id)
}

func fnvOf(name string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(name)) // never fails
	return h.Sum64()
}

func (r *sessionReader) group(all *[]session, at map[string]int, line []byte) {
	id := logs.SessionKey(r.key, line)
	if id == "" {
		return
	}
	i, ok := at[id]
	if !ok {
		i = len(*all)
		at[id] = i
		*all = append(*all, session{id: id})
	}
	(*all)[i].events = append((*all)[i].events, r.miner.Add(line, time.Unix(0, 0)).ID)
}

// events are those of the sessions, by the ids that their templates have in the end.
func (r *sessionReader) events(all []session) [][]logs.ID {
	out := make([][]logs.ID, len(all))
	for i, s := range all {
		out[i] = s.events
		if r.miner != nil {
			for k, e := range s.events {
				s.events[k] = r.miner.Resolve(e)
			}
		}
	}
	return out
}

func (r *sessionReader) name(e logs.ID) string {
	if r.miner != nil {
		return r.miner.Text(e)
	}
	return r.names[e]
}

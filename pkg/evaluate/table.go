package evaluate

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// WriteJSON writes the rows as one JSON array. Numbers that are none are null in no field: a set without labels is not evaluated.
func WriteJSON(w io.Writer, rows []Row) error {
	e := json.NewEncoder(w)
	e.SetIndent("", " ")
	if err := e.Encode(rows); err != nil {
		return fmt.Errorf("write the table: %w", err)
	}
	return nil
}

// WriteMarkdown writes VUS-PR of every detector on every set, then one table per set with all figures.
func WriteMarkdown(w io.Writer, rows []Row) error {
	t := tables(rows)
	var b strings.Builder
	for k, one := range t {
		if k > 0 {
			b.WriteByte('\n')
		}
		fmt.Fprintf(&b, "%s\n\n", one.title)
		for i, cells := range one.cells {
			fmt.Fprintf(&b, "| %s |\n", strings.Join(cells, " | "))
			if i == 0 {
				b.WriteString(strings.Repeat("|---", len(cells)) + "|\n")
			}
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// WriteText writes the same as aligned columns.
func WriteText(w io.Writer, rows []Row) error {
	for k, one := range tables(rows) {
		if k > 0 {
			fmt.Fprintln(w)
		}
		fmt.Fprintln(w, one.title)
		tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		for _, cells := range one.cells {
			fmt.Fprintln(tw, strings.ReplaceAll(strings.Join(cells, "\t"), "*", ""))
		}
		if err := tw.Flush(); err != nil {
			return fmt.Errorf("write the table: %w", err)
		}
	}
	return nil
}

type grid struct {
	title string
	cells [][]string
}

func tables(rows []Row) []grid {
	var sets, names, single, joint []string
	by := map[[2]string]Row{}
	for _, r := range rows {
		if !slices.Contains(sets, r.Set) {
			sets = append(sets, r.Set)
			if r.Channels > 1 {
				joint = append(joint, r.Set)
			} else {
				single = append(single, r.Set)
			}
		}
		if !slices.Contains(names, r.Detector) {
			names = append(names, r.Detector)
		}
		by[[2]string{r.Set, r.Detector}] = r
	}
	var out []grid
	if len(single) > 0 {
		out = append(out, overview("VUS-PR", single, names, by))
	}
	if len(joint) > 0 {
		out = append(out, overview("VUS-PR, several series as one vector", joint, names, by))
	}
	for _, s := range sets {
		out = append(out, detail(s, names, by))
	}
	return out
}

// overview is VUS-PR by detector and set; the best of each column is bold.
func overview(title string, sets, names []string, by map[[2]string]Row) grid {
	g := grid{title: title}
	head := []string{"detector"}
	best := make([]float64, len(sets))
	for k, s := range sets {
		files := 0
		for _, n := range names {
			if r, ok := by[[2]string{s, n}]; ok && !r.Published {
				files, best[k] = max(files, len(r.Each)), max(best[k], r.VUSPR)
			}
		}
		head = append(head, fmt.Sprintf("%s (%d)", s, files))
	}
	g.cells = append(g.cells, append(head, "mean"))
	for _, n := range names {
		if published(n, sets, by) {
			continue
		}
		line := []string{n}
		sum, have := 0.0, 0.0
		for k, s := range sets {
			r, ok := by[[2]string{s, n}]
			if !ok {
				line = append(line, "–")
				continue
			}
			sum, have = sum+r.VUSPR, have+1
			text := figure(r.VUSPR)
			if r.VUSPR == best[k] {
				text = "**" + text + "**"
			}
			line = append(line, text)
		}
		if have > 0 {
			g.cells = append(g.cells, append(line, figure(sum/have)))
		}
	}
	return g
}

// published reports whether that row of the table is somebody else's.
func published(name string, sets []string, by map[[2]string]Row) bool {
	for _, s := range sets {
		if r, ok := by[[2]string{s, name}]; ok && !r.Published {
			return false
		}
	}
	return true
}

// detail is all figures of one set.
func detail(set string, names []string, by map[[2]string]Row) grid {
	g := grid{}
	head := []string{"detector", "VUS-PR", "VUS-ROC", "AUC-PR", "best F1", "event precision", "event recall", "delay", "false/week", "µs/sample"}
	nab := []string{"NAB", "NAB low FP", "NAB low FN", "alarms/week", "NAB left out", "NAB at 1", "NAB ≤ 2/week"}
	for _, n := range names {
		r, ok := by[[2]string{set, n}]
		if !ok {
			continue
		}
		if g.cells == nil {
			g.title = fmt.Sprintf("%s: %d series, %d with labels, %d samples, %d events", set, r.Files, len(r.Each), r.Samples, r.Events)
			if r.NAB != nil {
				head = append(head, nab...)
			}
			g.cells = append(g.cells, head)
		}
		name := n
		if r.Refused > 0 {
			name += fmt.Sprintf(" (too short: %d)", r.Refused)
		}
		if len(r.Failed) > 0 {
			name += fmt.Sprintf(" (failed: %d)", len(r.Failed))
		}
		line := []string{
			name, figure(r.VUSPR), figure(r.VUSROC), figure(r.AUCPR), figure(r.F1), share(r.EventPrecision), share(r.EventRecall), delay(r.DelaySeconds),
			falseRate(r.Streaming), cost(r),
		}
		if r.NAB != nil {
			for _, x := range []*float64{&r.NAB.Standard, &r.NAB.LowFP, &r.NAB.LowFN, &r.NAB.Rate, &r.NAB.LeaveOut, r.NAB.Fixed, &r.NAB.AtTwo} {
				if x == nil {
					line = append(line, "–")
					continue
				}
				line = append(line, strconv.FormatFloat(*x, 'f', 1, 64))
			}
		}
		g.cells = append(g.cells, line)
	}
	return g
}

func figure(x float64) string {
	if math.IsNaN(x) {
		return "–"
	}
	return strings.Replace(strconv.FormatFloat(x, 'f', 3, 64), "0.", ".", 1)
}

func share(x *float64) string {
	if x == nil {
		return "–"
	}
	return strconv.FormatFloat(*x, 'f', 2, 64)
}

func delay(seconds float64) string {
	text := (time.Duration(seconds) * time.Second).String()
	if cut, ok := strings.CutSuffix(text, "m0s"); ok {
		text = cut + "m"
	}
	if cut, ok := strings.CutSuffix(text, "h0m"); ok {
		text = cut + "h"
	}
	return text
}

func falseRate(s Streaming) string {
	if s.Weeks == 0 {
		return "–"
	}
	f := func(x float64) string { return strconv.FormatFloat(x, 'f', 2, 64) }
	return fmt.Sprintf("%s [%s, %s]", f(s.FalsePerWeek), f(s.FalsePerWeekRange[0]), f(s.FalsePerWeekRange[1]))
}

func cost(r Row) string {
	if r.Published {
		return "–"
	}
	return strconv.FormatFloat(r.MicrosPerSample, 'f', 2, 64)
}

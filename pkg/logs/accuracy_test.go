package logs

import (
	"compress/gzip"
	"encoding/csv"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// systems are the log files of loghub-2k that are staged.
var systems = []string{"Android", "Apache", "BGL", "HDFS", "Hadoop", "Linux", "OpenStack", "Proxifier"}

type labelled struct {
	name      string
	lines     []string
	event     []string
	templates map[string]string
}

// sharedData is the folder of the labelled sets, which are no part of the repository.
func sharedData(tb testing.TB) string {
	tb.Helper()
	for _, dir := range []string{os.Getenv("FORESHOCK_DATA"), "../../../shared/data", "/work/shared/data"} {
		if dir == "" {
			continue
		}
		if _, err := os.Stat(filepath.Join(dir, "loghub2k")); err == nil {
			return dir
		}
	}
	tb.Skip("no labelled logs here: FORESHOCK_DATA names their folder")
	return ""
}

func loghub(tb testing.TB) []labelled {
	tb.Helper()
	dir := sharedData(tb)
	var all []labelled
	for _, name := range systems {
		f, err := os.Open(filepath.Join(dir, "loghub2k", name+"_2k.log_structured_corrected.csv.gz"))
		if err != nil {
			tb.Fatal(err)
		}
		z, err := gzip.NewReader(f)
		if err != nil {
			tb.Fatal(err)
		}
		rows, err := csv.NewReader(z).ReadAll()
		if err != nil {
			tb.Fatal(err)
		}
		f.Close()
		l := labelled{name: name, templates: map[string]string{}}
		col := map[string]int{}
		for i, h := range rows[0] {
			col[h] = i
		}
		for _, r := range rows[1:] {
			l.lines = append(l.lines, strings.ReplaceAll(r[col["Content"]], "\n", " "))
			l.event = append(l.event, r[col["EventId"]])
			l.templates[r[col["EventId"]]] = r[col["EventTemplate"]]
		}
		all = append(all, l)
	}
	return all
}

var (
	wild = regexp.MustCompile(`<[A-Za-z_:0-9]+>|<\*>`)
	runs = regexp.MustCompile(`<\*>(?:[\s:.,/_\-]*<\*>)+`)
)

func canonical(t string) string {
	t = wild.ReplaceAllString(t, "<*>")
	for {
		u := runs.ReplaceAllString(t, "<*>")
		if u == t {
			return strings.Join(strings.Fields(t), " ")
		}
		t = u
	}
}

type accuracy struct{ GA, FGA, FTA float64 }

// measure is the reference scorer's arithmetic.
func measure(l labelled, pred []string, text map[string]string, wrong func(kind, a, b string)) accuracy {
	truth, found := map[string][]int{}, map[string][]int{}
	for i := range l.lines {
		truth[l.event[i]] = append(truth[l.event[i]], i)
		found[pred[i]] = append(found[pred[i]], i)
	}
	var a accuracy
	for e, ls := range truth {
		p := found[pred[ls[0]]]
		same := len(p) == len(ls)
		for i := range ls {
			same = same && p[i] == ls[i]
		}
		if !same {
			ids := map[string]int{}
			for _, i := range ls {
				ids[pred[i]]++
			}
			var s []string
			for id, n := range ids {
				if len(s) < 12 {
					s = append(s, strings.Join([]string{text[id], " #", itoa(n), "/", itoa(len(found[id]))}, ""))
				}
			}
			if wrong != nil {
				wrong("GROUP", l.templates[e]+" #"+itoa(len(ls)), "\n      "+strings.Join(s, "\n      "))
			}
			continue
		}
		a.GA += float64(len(ls))
		a.FGA++
		if canonical(text[pred[ls[0]]]) == canonical(l.templates[e]) {
			a.FTA++
		} else if wrong != nil {
			wrong("TEXT", l.templates[e], "\n      "+text[pred[ls[0]]])
		}
	}
	n := float64(len(truth) + len(found))
	return accuracy{a.GA / float64(len(l.lines)), 2 * a.FGA / n, 2 * a.FTA / n}
}

func itoa(n int) string {
	if n < 10 {
		return string(rune('0' + n))
	}
	return itoa(n/10) + string(rune('0'+n%10))
}

// mine returns the template of every line: as it was when the line came, and as it is once all lines are known.
func mine(tb testing.TB, lines []string) (m *Miner, streaming, whole []string, text map[string]string) {
	tb.Helper()
	m = newMiner(tb, DefaultOptions())
	text = map[string]string{}
	ids := make([]ID, len(lines))
	for i, s := range lines {
		ids[i] = m.Add([]byte(s), start).ID
		streaming = append(streaming, ids[i].String())
		text[ids[i].String()] = m.Text(ids[i])
	}
	for _, id := range ids {
		id = m.Resolve(id)
		whole = append(whole, id.String())
		text[id.String()] = m.Text(id)
	}
	return m, streaming, whole, text
}

// The figures of docs/accuracy.md hold: one setting for all systems, no system far off.
func TestAccuracy(t *testing.T) {
	t.Parallel()
	show := os.Getenv("FORESHOCK_LOGS_SHOW") // a system whose differences are printed
	var sum, early accuracy
	all := loghub(t)
	for _, l := range all {
		_, streaming, whole, text := mine(t, l.lines)
		a := measure(l, whole, text, func(kind, want, got string) {
			if show == l.name {
				t.Log(kind, want, got)
			}
		})
		e := measure(l, streaming, text, nil)
		t.Logf("%-10s GA %.3f FGA %.3f FTA %.3f, streaming GA %.3f FGA %.3f FTA %.3f", l.name, a.GA, a.FGA, a.FTA, e.GA, e.FGA, e.FTA)
		n := float64(len(all))
		sum = accuracy{sum.GA + a.GA/n, sum.FGA + a.FGA/n, sum.FTA + a.FTA/n}
		early = accuracy{early.GA + e.GA/n, early.FGA + e.FGA/n, early.FTA + e.FTA/n}
	}
	t.Logf("%-10s GA %.3f FGA %.3f FTA %.3f, streaming GA %.3f FGA %.3f FTA %.3f", "mean", sum.GA, sum.FGA, sum.FTA, early.GA, early.FGA, early.FTA)
	if sum.GA < 0.95 || sum.FGA < 0.96 || sum.FTA < 0.88 {
		t.Errorf("%+v: below what docs/accuracy.md says", sum)
	}
	if early.GA < 0.90 || early.FGA < 0.86 || early.FTA < 0.62 {
		t.Errorf("streaming %+v: below the promise", early)
	}
}

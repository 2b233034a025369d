package detect

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/foreshock/foreshock/pkg/message"
	"github.com/foreshock/foreshock/pkg/series"
)

// page holds a page of a member to what every page has.
func page(t *testing.T, name string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "algorithms", name+".md"))
	if err != nil {
		t.Errorf("%s has no page: %v", name, err)
		return
	}
	for _, want := range []string{"# " + name + "\n", "## What it does", "## What it catches", "## What it does not catch", "## Parameters", "## Cost", "## Sources"} {
		if !bytes.Contains(text, []byte(want)) {
			t.Errorf("docs/algorithms/%s.md lacks %q", name, strings.TrimSpace(want))
		}
	}
}

// golden holds got to testdata/<name>.csv.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", name+".csv")
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Errorf("%s has no proof: %v (go test ./pkg/detect -run Proofs -update)", name, err)
		return
	}
	compare(t, name, got, want)
}

// Every registered joint detector has a page, and a proof: its verdicts on a day with a broken correlation at 6:00, everything doubled at 12:00, and slow answers at 18:00.
func TestJointProofs(t *testing.T) {
	t.Parallel()
	v := application()
	day := 10*24*60 - int(fixtureStart%86_400_000/60_000)
	for k, in := range incidents {
		v = altered(v, day+(k+1)*360, day+(k+1)*360+15, in.change)
	}
	for _, name := range Joints.Names() {
		e, _ := Joints.Get(name)
		if e.Summary == "" || e.Source == "" {
			t.Errorf("%s has no summary or no source", name)
		}
		page(t, "joint_"+name)
		j := JudgeJoint{Name: name, Detector: e.New(), Walk: DefaultWalk(), Policy: DefaultPolicy()}
		found, err := j.Vector(context.Background(), v, series.Series{}, v.Grid.At(day), v.Grid.At(day+24*60-1))
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		fmt.Fprintf(&b, "minute,%s,score,%s,break,anomalous,state\n", strings.Join(v.Names, ","), strings.Join(v.Names, ","))
		for i := 0; i < len(found.Score); i += 10 {
			fmt.Fprint(&b, i)
			for _, x := range found.Vector.Values {
				fmt.Fprintf(&b, ",%.6g", x[i])
			}
			fmt.Fprintf(&b, ",%.6g", found.Score[i])
			for _, x := range found.Contributions {
				fmt.Fprintf(&b, ",%.4g", x[i])
			}
			fmt.Fprintf(&b, ",%s,%t,%s\n", found.Break[i], found.Anomalous[i], found.State[i])
		}
		for k, e := range found.Episodes {
			for _, lang := range message.Languages() {
				fmt.Fprintln(&b, strings.ReplaceAll(found.Details[k].Explain(e, lang, nil, v.Grid.Step), ",", ";"))
			}
		}
		golden(t, "joint_"+name, b.Bytes())
	}
}

// Every registered peer detector has a page, and a proof: its verdicts on a day on which one member runs off at 6:00 and all do at 12:00.
func TestPeersProofs(t *testing.T) {
	t.Parallel()
	f := fleet()
	day := 10*24*60 - int(fixtureStart%86_400_000/60_000)
	for k := range f.Members {
		for i := range 30 {
			f.Members[k].Values[day+720+i] += 200
			if k == 2 {
				f.Members[k].Values[day+360+i] += 60
			}
		}
	}
	for _, name := range PeerDetectors.Names() {
		e, _ := PeerDetectors.Get(name)
		if e.Summary == "" || e.Source == "" {
			t.Errorf("%s has no summary or no source", name)
		}
		page(t, "peers_"+name)
		j := JudgePeers{Name: name, Detector: e.New(), Walk: DefaultWalk(), Policy: DefaultPolicy()}
		found, err := j.Fleet(context.Background(), f, f.Grid.At(day), f.Grid.At(day+24*60-1))
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		fmt.Fprintln(&b, "minute,member,value,expected,score,anomalous,state")
		for i := 0; i < 24*60; i += 10 {
			for k, v := range found {
				fmt.Fprintf(&b, "%d,%s,%.6g,%.6g,%.6g,%t,%s\n", i, f.Members[k].Labels.Get("instance"), v.Series.Values[i], v.Expected[i], v.Score[i], v.Anomalous[i], v.State[i])
			}
		}
		golden(t, "peers_"+name, b.Bytes())
	}
}

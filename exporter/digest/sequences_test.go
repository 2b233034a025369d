package digest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/foreshock/foreshock/exporter/follow"
	"github.com/foreshock/foreshock/pkg/logs"
)

const orders = "  sequences: {key: 'request=(\\w+)', end: closed, idle: 1m, train: 50}\n"

// order feeds the lines of one order.
func order(p *Pipeline, i int, path ...string) {
	for _, step := range path {
		text := fmt.Sprintf("request=r%d order %s after %d ms token=secret%d", i, step, i%100, i)
		p.Take(follow.Record{Text: []byte(text), Lines: 1, Bytes: int64(len(text)) + 1})
	}
}

var usual = []string{"accepted", "paid", "packed", "closed"}

func TestSequences(t *testing.T) {
	t.Parallel()
	p, _ := pipe(t, orders)
	for i := range 120 {
		order(p, i, usual...)
		if i%40 == 7 { // a restart, in the middle of a session
			order(p, 1000+i, usual[:2]...)
			b, err := p.Save()
			if err != nil {
				t.Fatal(err)
			}
			p, _ = pipe(t, orders)
			if err := p.Load(b); err != nil {
				t.Fatal(err)
			}
			order(p, 1000+i, usual[2:]...)
		}
	}
	f := publish(t, p).Sequences
	if f.Unjudged != 50 || f.Normal != 73 || f.Abnormal != 0 || f.Open != 0 {
		t.Errorf("%d unjudged, %d normal, %d abnormal, %d open", f.Unjudged, f.Normal, f.Abnormal, f.Open)
	}
	order(p, 500, "accepted", "packed", "rejected", "closed")
	order(p, 501, "accepted", "lost")
	if f = publish(t, p).Sequences; f.Abnormal != 1 || f.Open != 1 {
		t.Errorf("%d abnormal, %d open", f.Abnormal, f.Open)
	}
	if !p.Tick(noon.Add(2 * time.Minute)) {
		t.Error("an idle session is not over")
	}
	f = publish(t, p).Sequences
	if f.Abnormal != 2 || f.Open != 0 || len(f.Recent) != 2 {
		t.Fatalf("%d abnormal, %d open, %d recent", f.Abnormal, f.Open, len(f.Recent))
	}
	last := f.Recent[0]
	if last.Key != "r501" || last.Why != logs.ClosedByIdle || last.At != 1 || len(last.Lines) != 2 || strings.Contains(last.Lines[1], "secret501") {
		t.Errorf("%+v", last)
	}
	// begin → accepted → paid → packed → closed → end, each as often as there were ordinary sessions
	var counts []uint64
	for _, s := range f.Flow {
		counts = append(counts, s.Count)
	}
	if diff := cmp.Diff([]uint64{123, 123, 123, 123, 123}, counts); diff != "" {
		t.Errorf("flow: %+v", f.Flow)
	}
	if len(f.Paths.Nodes) != 6 || len(f.Paths.Edges) != 5 {
		t.Errorf("%d nodes, %d edges", len(f.Paths.Nodes), len(f.Paths.Edges))
	}
}

func TestSequencesAreBounded(t *testing.T) {
	t.Parallel()
	p, _ := pipe(t, strings.Replace(orders, "train: 50", "train: 50, max_open: 10, max_length: 5", 1))
	for i := range 300 {
		order(p, i, "accepted")
	}
	f := publish(t, p).Sequences
	if f.Open != 10 || f.Normal+f.Unjudged+f.Abnormal != 290 {
		t.Errorf("%d open, %d over", f.Open, f.Normal+f.Unjudged+f.Abnormal)
	}
	order(p, 1, strings.Fields(strings.Repeat("paid ", 6))...)
	if got := publish(t, p).Sequences; got.Normal+got.Unjudged+got.Abnormal != 292 {
		t.Errorf("%d over", got.Normal+got.Unjudged+got.Abnormal)
	}
}

func TestSequencesNeedTemplates(t *testing.T) {
	t.Parallel()
	c, err := Decode("logs.yml", []byte("sources:\n- name: app\n  files: [/x]\n  templates: {enabled: false}\n"+orders))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := NewPipeline(c.Sources[0], &Problems{}); err == nil || !strings.Contains(err.Error(), `"sequences" need "templates"`) {
		t.Error(err)
	}
}

package plugin

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/foreshock/foreshock/pkg/loki/lokitest"
	"github.com/foreshock/foreshock/pkg/prom/promtest"
)

// TestLogsOverGRPC asks the real plugin binary as Grafana does: templates from Prometheus, paths from Loki.
func TestLogsOverGRPC(t *testing.T) {
	t.Parallel()
	now := time.Now().Truncate(5 * time.Minute)
	server := promtest.Start(t)
	server.Write(t, logSeries(now)...)
	lines := lokitest.Start(t, lokitest.Options{Tenant: "t1"}, shopLines(now)...)
	d := start(t, server.URL, `{"lokiUrl":"`+lines.URL+`","lokiTenant":"t1"}`)
	fromSeries := query(now.Add(-2*time.Hour), now, map[string]any{"kind": "logs", "output": "templates"})
	fromLines := query(now.Add(-2*time.Hour), now, map[string]any{"kind": "logs", "output": "flow", "logql": `{app="shop"}`, "session": `request=(\S+)`})
	fromLines.RefID = "B"
	resp, err := d.query(context.Background(), nil, fromSeries, fromLines)
	if err != nil {
		t.Fatal(err)
	}
	a, b := resp.Responses["A"], resp.Responses["B"]
	if a.Error != nil || len(a.Frames) != 3 || a.Frames[0].Name != "order <*> accepted" {
		t.Errorf("templates: %v %d frames", a.Error, len(a.Frames))
	}
	if b.Error != nil || len(b.Frames) != 2 || b.Frames[0].Name != "nodes" || b.Frames[1].Meta.PreferredVisualization != "nodeGraph" {
		t.Fatalf("paths: %v %d frames", b.Error, len(b.Frames))
	}
	titles := ""
	for i := range b.Frames[0].Rows() {
		titles += field(t, b.Frames[0], "title").At(i).(string) + "\n"
	}
	if !strings.Contains(titles, "order accepted from <*>") {
		t.Error(titles)
	}
}

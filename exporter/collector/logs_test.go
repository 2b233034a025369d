package collector

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"
)

// TestLogsHang: a source that does not come back from its first look holds up the first scrape for a while, and no other.
func TestLogsHang(t *testing.T) {
	t.Parallel()
	config := filepath.Join(t.TempDir(), "logs.yml")
	if err := os.WriteFile(config, []byte("state: ''\nsources: [{name: a, files: [/nowhere/a.log]}, {name: b, files: [/nowhere/b.log]}]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		c := &logLines{Config: config}
		h := ThisHost(slog.New(slog.DiscardHandler))
		h.Now = time.Now
		if err := c.Open(h); err != nil {
			t.Fatal(err)
		}
		for i, want := range []time.Duration{firstRound, 0, 0} { // nobody runs the sources: they never are ready
			time.Sleep(time.Hour)
			began := time.Now()
			got, err := sent(t, c)
			if err != nil {
				t.Fatal(err)
			}
			if took := time.Since(began); took != want || len(only(got, "foreshock_log_lines_total")) != 2 {
				t.Errorf("scrape %d took %s, want %s: %v", i, took, want, got)
			}
		}
	})
}

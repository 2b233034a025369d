package app

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// A calendar is imported from an address and from a file; trouble with it keeps what was read, is counted, and shows no address.
func TestCalendars(t *testing.T) {
	t.Parallel()
	now := time.Now().UTC()
	event := func(who string) string {
		return fmt.Sprintf("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VEVENT\r\nUID:1\r\nSUMMARY:%s\r\nDTSTART:%s\r\nDTEND:%s\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n",
			who, now.Add(-time.Hour).Format("20060102T150405Z"), now.Add(time.Hour).Format("20060102T150405Z"))
	}
	var status atomic.Int32
	var endless atomic.Bool
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if code := status.Load(); code != 0 {
			w.WriteHeader(int(code))
			return
		}
		_, _ = w.Write([]byte(event("Ann Lee")))
		for line := strings.Repeat("X-FILL:x\r\n", 1000); endless.Load(); {
			if _, err := w.Write([]byte(line)); err != nil {
				return
			}
		}
	}))
	t.Cleanup(server.Close)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "team.ics"), []byte(event("bob")), 0o600); err != nil {
		t.Fatal(err)
	}
	r := newReceiver(t)
	config := hookConfig(r) + fmt.Sprintf(`
people: {ann: {name: Ann Lee, channels: [hook]}, bob: {channels: [hook]}}
schedules:
  web: {layers: [{name: imported, calendar: web}]}
  file: {layers: [{name: imported, calendar: file}]}
calendars: {web: {url: %q}, file: {file: team.ics}}
`, server.URL+"/s3cr3t.ics")
	h := open(t, dir, config, nil)
	await := func(what string, ok func() bool) {
		t.Helper()
		for deadline := time.Now().Add(20 * time.Second); !ok(); time.Sleep(10 * time.Millisecond) { // it is read beside: there is nothing to await
			if time.Now().After(deadline) {
				t.Fatal("not within 20 s: " + what)
			}
		}
	}
	on := func(schedule, person string) func() bool {
		return func() bool {
			_, text := h.get("/api/v1/oncall?schedule=" + schedule)
			return strings.Contains(text, `"person":"`+person+`"`)
		}
	}
	await("Ann from the address", on("web", "ann"))
	await("Bob from the file", on("file", "bob"))
	for why, trouble := range map[string]func(){
		"answered 500": func() { status.Store(500); endless.Store(false) },
		"longer than":  func() { status.Store(0); endless.Store(true) },
	} {
		trouble()
		if code, text := h.post("/-/reload", ""); code != 200 {
			t.Fatal(code, text)
		}
		await(why, func() bool { return strings.Contains(h.log.String(), why) })
		await("the trouble counted", func() bool {
			_, text := h.get("/metrics")
			return strings.Contains(text, "foreshock_webhook_calendars_failing 1")
		})
		if !on("web", "ann")() {
			t.Error("what was read before is gone")
		}
	}
	if log := h.log.String(); strings.Contains(log, "s3cr3t") {
		t.Errorf("the log: %s", log)
	}
}

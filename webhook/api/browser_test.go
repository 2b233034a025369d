package api

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/foreshock/foreshock/webhook/cases"
)

// browser speaks Chromium's DevTools protocol over a pipe: messages of JSON, each ended by a zero byte.
type browser struct {
	t       *testing.T
	out     *os.File
	in      *bufio.Reader
	id      int
	session string
}

// call sends one command and returns its result; what happens meanwhile is skipped.
func (b *browser) call(method string, params map[string]any) map[string]any {
	b.t.Helper()
	b.id++
	msg := map[string]any{"id": b.id, "method": method, "params": params}
	if b.session != "" {
		msg["sessionId"] = b.session
	}
	text, err := json.Marshal(msg)
	if err != nil {
		b.t.Fatal(err)
	}
	if _, err := b.out.Write(append(text, 0)); err != nil {
		b.t.Fatal(err)
	}
	got := b.await(func(m reply) bool { return m.ID == b.id })
	if got.Error.Message != "" {
		b.t.Fatalf("%s: %s", method, got.Error.Message)
	}
	return got.Result
}

// reply is an answer (ID) or an event (Method).
type reply struct {
	ID     int
	Method string
	Result map[string]any
	Error  struct{ Message string }
}

func (b *browser) await(is func(reply) bool) reply {
	b.t.Helper()
	for {
		text, err := b.in.ReadBytes(0)
		if err != nil {
			b.t.Fatalf("the browser ended: %v", err)
		}
		var m reply
		if err := json.Unmarshal(bytes.TrimSuffix(text, []byte{0}), &m); err != nil {
			b.t.Fatal(err)
		}
		if is(m) {
			return m
		}
	}
}

func (b *browser) loaded() { b.await(func(m reply) bool { return m.Method == "Page.loadEventFired" }) }

// chromium starts a browser in which every name is this machine.
func chromium(t *testing.T) *browser {
	t.Helper()
	bin, err := exec.LookPath("chromium")
	if err != nil {
		const missing = "chromium is not installed (Debian: apt-get install chromium)"
		if os.Getenv("FORESHOCK_TEST_OPTIONAL") == "1" {
			t.Skip(missing)
		}
		t.Fatal(missing)
	}
	theirs, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	in, theirOut, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "foreshock-chromium")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), bin, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--no-proxy-server",
		"--disable-background-networking", "--disable-component-update", "--disable-sync", "--remote-debugging-pipe",
		"--user-data-dir="+dir, "--host-resolver-rules=MAP * 127.0.0.1", "about:blank")
	cmd.ExtraFiles = []*os.File{theirs, theirOut} // 3 and 4
	cmd.Env = append(os.Environ(), "HOME="+dir)
	cmd.WaitDelay = 10 * time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_, _ = theirs.Close(), theirOut.Close()
	b := &browser{t: t, out: out, in: bufio.NewReader(in)}
	t.Cleanup(func() {
		b.session = ""
		_, _ = fmt.Fprintf(out, `{"id":-1,"method":"Browser.close"}%c`, 0)
		_ = cmd.Wait()
		_, _ = out.Close(), in.Close()
		_ = os.RemoveAll(dir) // a last child of it may still write there, so that not all goes
	})
	page := b.call("Target.createTarget", map[string]any{"url": "about:blank"})
	b.session = b.call("Target.attachToTarget", map[string]any{"targetId": page["targetId"], "flatten": true})["sessionId"].(string)
	b.call("Page.enable", map[string]any{})
	return b
}

// The buttons work over plain HTTP under a name that is not localhost, where browsers say least about who asks; and a page of another
// site still cannot press them.
func TestButtonsInBrowser(t *testing.T) {
	t.Parallel()
	b := start(t, settings())
	b.stories["C1"] = hostile()
	u, err := url.Parse(b.url)
	if err != nil {
		t.Fatal(err)
	}
	chrome := chromium(t)
	chrome.call("Page.navigate", map[string]any{"url": "http://foreshock.example:" + u.Port() + "/cases/C1"})
	chrome.loaded()
	chrome.call("Runtime.evaluate", map[string]any{"expression": `document.querySelector('[formaction$="/acknowledge"], form[action$="/acknowledge"] button').click()`})
	chrome.loaded()
	b.mu.Lock()
	state := b.stories["C1"].Case.State
	b.mu.Unlock()
	if state != cases.Triage {
		text := chrome.call("Runtime.evaluate", map[string]any{"expression": "document.body.innerText"})
		t.Fatalf("after the button the case is %s; the page says %v", state, text)
	}

	chrome.call("Page.navigate", map[string]any{"url": "about:blank"})
	chrome.loaded()
	chrome.call("Runtime.evaluate", map[string]any{"expression": fmt.Sprintf(
		`document.body.innerHTML = '<form method="post" action="http://foreshock.example:%s/cases/C1/release"></form>'; document.forms[0].submit()`, u.Port())})
	chrome.loaded()
	b.mu.Lock()
	defer b.mu.Unlock()
	if state := b.stories["C1"].Case.State; state != cases.Triage {
		t.Errorf("another site made the case %s", state)
	}
}

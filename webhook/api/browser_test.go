package api

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/foreshock/foreshock/webhook/cases"
	"github.com/foreshock/foreshock/webhook/policy"
)

// browser speaks Chromium's DevTools protocol over a pipe: messages of JSON, each ended by a zero byte.
type browser struct {
	t       *testing.T
	out     *os.File
	in      *bufio.Reader
	id      int
	session string
	// problems are errors that pages caused in the browser: scripts that fail, things that the policy forbids.
	problems []string
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
	Params struct {
		Entry            struct{ Level, Text, URL string }
		ExceptionDetails struct{ Text string }
	}
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
		switch {
		case m.Method == "Log.entryAdded" && m.Params.Entry.Level == "error":
			b.problems = append(b.problems, m.Params.Entry.Text+" "+m.Params.Entry.URL)
		case m.Method == "Runtime.exceptionThrown":
			b.problems = append(b.problems, m.Params.ExceptionDetails.Text)
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
	for _, domain := range []string{"Page.enable", "Log.enable", "Runtime.enable"} {
		b.call(domain, map[string]any{})
	}
	return b
}

// open goes to an address and waits until it is drawn.
func (b *browser) open(address string) {
	b.t.Helper()
	b.call("Page.navigate", map[string]any{"url": address})
	b.loaded()
}

// press runs a script that leads to another page, and waits for that.
func (b *browser) press(script string) {
	b.t.Helper()
	b.run(script)
	b.loaded()
}

// run runs a script in the page and returns its value.
func (b *browser) run(script string) any {
	b.t.Helper()
	got := b.call("Runtime.evaluate", map[string]any{"expression": script, "returnByValue": true})
	if wrong, ok := got["exceptionDetails"]; ok {
		b.t.Fatalf("%s: %v", script, wrong)
	}
	value, _ := got["result"].(map[string]any)
	return value["value"]
}

// key presses one key.
func (b *browser) key(key string) {
	b.t.Helper()
	for _, kind := range []string{"keyDown", "keyUp"} {
		b.call("Input.dispatchKeyEvent", map[string]any{"type": kind, "key": key, "text": map[string]string{"keyDown": key}[kind]})
	}
}

// picture keeps a screenshot for whoever wants to look: FORESHOCK_PICTURES names the folder.
func (b *browser) picture(name string, width, height int, scheme string) {
	b.t.Helper()
	dir := os.Getenv("FORESHOCK_PICTURES")
	if dir == "" {
		return
	}
	b.call("Emulation.setDeviceMetricsOverride", map[string]any{"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600})
	b.call("Emulation.setEmulatedMedia", map[string]any{"features": []map[string]string{{"name": "prefers-color-scheme", "value": scheme}}})
	data, err := base64.StdEncoding.DecodeString(b.call("Page.captureScreenshot", map[string]any{})["data"].(string))
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, name+".png"), data, 0o600)
	}
	if err != nil {
		b.t.Fatal(err)
	}
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

// What people do on the pages, in a real browser: acknowledge, assign, split a merge, mute, switch the language, act on several cases with
// the keyboard; and nothing that our own policy forbids happens on any page.
func TestPagesInBrowser(t *testing.T) {
	t.Parallel()
	s := settings()
	s.Channels = []string{"ops"}
	s.Rules.People = map[string]policy.Person{"eve": {Name: "Eve"}, "ann": {Name: "Ann"}}
	s.Rules.Schedules = map[string]policy.Schedule{"primary": {}}
	b := start(t, s)
	story := hostile()
	story.Case.Title, story.Case.GradeReason = "Checkout answers no request", `severity="critical"`
	story.Alerts, _ = b.noise.Members(t.Context(), "C1", 2)
	b.stories["C1"] = story
	chrome := chromium(t)
	state := func(id string) cases.Case {
		b.mu.Lock()
		defer b.mu.Unlock()
		return b.stories[id].Case
	}
	chrome.open(b.url + "/cases/C1")
	chrome.picture("case", 1280, 1400, "light")
	chrome.press(`document.querySelector('[name=by]').value = 'ann'; document.querySelector('[name=note]').value = 'mine'; document.querySelector('[formaction$="/acknowledge"]').click()`)
	if c := state("C1"); c.State != cases.Triage || c.AckedBy != "ann" {
		t.Errorf("acknowledged: %s by %q", c.State, c.AckedBy)
	}
	chrome.press(`document.querySelector('[name=to]').value = 'eve'; document.querySelector('[formaction$="/assign"]').click()`)
	if c := state("C1"); c.Owner != "eve" {
		t.Errorf("assigned to %q", c.Owner)
	}
	chrome.press(`document.querySelector('.top .langs a[lang="zh-Hans"]').click()`)
	if lang, text := chrome.run(`document.documentElement.lang`), chrome.run(`document.body.innerText`).(string); lang != "zh-Hans" || !strings.Contains(text, "时间线") {
		t.Errorf("the language is %v", lang)
	}
	chrome.picture("case-phone-dark-zh", 420, 1600, "dark")
	chrome.press(`document.querySelector('.top .langs a[lang="en"]').click()`)
	chrome.press(`document.querySelector('button[form=split]').click()`)
	if len(b.noise.changes) != 1 || len(b.noise.changes[0].Cases) != 2 {
		t.Errorf("split: %d changes", len(b.noise.changes))
	}
	chrome.problems = nil // the case that the split made is not in this store: 404

	chrome.open(b.url + "/mutes")
	chrome.press(`document.getElementById('name').value = 'deploy'; document.getElementById('owner').value = 'ann'; document.getElementById('match').value = 'service="checkout"'; document.querySelector('main form[action$="mutes"] button').click()`)
	if len(b.noise.orders) != 1 || b.noise.orders[0].Owner != "ann" || chrome.run(`document.querySelectorAll('.warning').length`) != 1.0 {
		t.Errorf("muted: %+v; warnings on the page: %v", b.noise.orders, chrome.run(`document.querySelectorAll('.warning').length`))
	}
	chrome.picture("mutes", 1280, 1000, "dark")

	second := story
	second.Case.ID, second.Case.State = "C2", cases.New
	b.mu.Lock()
	b.stories["C2"] = second
	first := b.stories["C1"]
	first.Case.State = cases.New
	b.stories["C1"] = first
	b.mu.Unlock()
	chrome.open(b.url + "/cases")
	for _, key := range []string{"j", "x", "j", "x"} {
		chrome.key(key)
	}
	if n := chrome.run(`document.querySelectorAll('.case input:checked').length`); n != 2.0 {
		t.Errorf("%v cases are selected by keys, want 2", n)
	}
	chrome.picture("cases", 1280, 800, "light")
	chrome.key("a")
	chrome.loaded()
	if one, two := state("C1"), state("C2"); one.State != cases.Triage || two.State != cases.Triage {
		t.Errorf("after the key a they are %s and %s", one.State, two.State)
	}
	if text := chrome.run(`document.querySelector('[role=status]').innerText`); !strings.Contains(text.(string), "2") {
		t.Errorf("the page says %v", text)
	}
	chrome.call("Emulation.setDeviceMetricsOverride", map[string]any{"width": 400, "height": 900, "deviceScaleFactor": 2, "mobile": true}) // a phone
	for _, path := range []string{"/", "/?range=7d", "/cases", "/cases/C1", "/oncall", "/mutes", "/ledger", "/deliveries"} {
		chrome.open(b.url + path)
		if wide := chrome.run(`document.documentElement.scrollWidth > document.documentElement.clientWidth`); wide != false {
			t.Errorf("%s is wider than the window", path)
		}
		chrome.picture("page"+strings.NewReplacer("/", "-", "?", "-").Replace(path), 420, 1200, "light")
	}
	if len(chrome.problems) > 0 {
		t.Errorf("the browser complains: %v", chrome.problems)
	}
}

package main

import (
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestForms: the ways to say a flag, and what is said about one that is said badly.
func TestForms(t *testing.T) {
	type values struct {
		Text   string
		On     bool
		Number int
		Wait   time.Duration
		Many   []string
	}
	start := values{Text: "a", On: true, Number: 3, Wait: time.Second, Many: []string{":1"}}
	with := func(change func(*values)) values {
		v := start
		change(&v)
		return v
	}
	for args, want := range map[string]struct {
		values values
		err    string
	}{
		"":                          {values: start},
		"--text=b":                  {values: with(func(v *values) { v.Text = "b" })},
		"--text b":                  {values: with(func(v *values) { v.Text = "b" })},
		"--text=":                   {values: with(func(v *values) { v.Text = "" })},
		"--text=b=c":                {values: with(func(v *values) { v.Text = "b=c" })},
		"--no-on --text -":          {values: with(func(v *values) { v.On, v.Text = false, "-" })},
		"--on":                      {values: start},
		"--on=false":                {values: with(func(v *values) { v.On = false })},
		"--number -5 --wait 1m30s":  {values: with(func(v *values) { v.Number, v.Wait = -5, 90*time.Second })},
		"--many=:2 --many :3":       {values: with(func(v *values) { v.Many = []string{":2", ":3"} })},
		"--many=:2 --no-on --many=": {values: with(func(v *values) { v.Many, v.On = []string{":2", ""}, false })},
		"--text=b --text=c":         {err: "--text: given twice"},
		"--on --no-on":              {err: "--on: given twice"},
		"--text":                    {err: "--text: want a value, as in --text=a"},
		"--text --on":               {err: "--text: want a value, as in --text=a"},
		"--on=maybe":                {err: `--on: got "maybe", want true or false`},
		"--no-on=true":              {err: `--no-on: got "true", want no value`},
		"--no-text":                 {err: "unknown long flag '--no-text'"},
		"--number=1.5":              {err: `--number: got "1.5", want a whole number`},
		"--wait=9":                  {err: `--wait: got "9", want a duration like 500ms or 5s`},
		"text":                      {err: `unexpected "text"`},
		"-t":                        {err: `unexpected "-t"`},
		"--":                        {err: `unexpected "--"`},
	} {
		var got values
		s := newFlagSet("")
		s.text(&got.Text, "text", "a", "")
		s.boolean(&got.On, "on", true, "")
		s.number(&got.Number, "number", 3, "").env = "FORESHOCK_TEST_NUMBER"
		s.duration(&got.Wait, "wait", time.Second, "")
		s.texts(&got.Many, "many", ":1", "")
		_, err := s.parse(strings.Fields(args))
		switch {
		case want.err == "" && err == nil:
			if diff := cmp.Diff(want.values, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", args, diff)
			}
		case err == nil || err.Error() != want.err:
			t.Errorf("%s: got %v, want %s", args, err, want.err)
		}
	}
}

// TestEnvironment: a variable is used when no flag is given, and named when it is wrong.
func TestEnvironment(t *testing.T) {
	t.Setenv("GOMAXPROCS", "2")
	for args, want := range map[string]int{"": 2, "--runtime.gomaxprocs=3": 3} {
		if o, _, err := parse(strings.Fields(args)); err != nil || o.maxProcs != want {
			t.Errorf("%q: %v, %v", args, o, err)
		}
	}
	t.Setenv("GOMAXPROCS", "all")
	if _, _, err := parse(nil); err == nil || err.Error() != `GOMAXPROCS: got "all", want a whole number` {
		t.Error(err)
	}
}

// TestDependencies: what would make the program larger on each host by a tenth does not come back unseen. The two packages of templates call methods by
// names that are not known before, so that the linker may leave out none; common/version has text/template in a function that is not called.
func TestDependencies(t *testing.T) {
	t.Parallel()
	out, err := exec.Command("go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	for p := range strings.FieldsSeq(string(out)) {
		switch p {
		case "html/template", "golang.org/x/net/trace", "github.com/alecthomas/kingpin/v2", "github.com/prometheus/common/config", "google.golang.org/grpc":
			t.Errorf("the exporter is linked with %s", p)
		}
	}
}

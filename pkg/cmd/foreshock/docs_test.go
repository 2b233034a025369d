package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/alecthomas/kingpin/v2"
)

// The page has every flag of every command with its default.
func TestDocumentedFlags(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", "cli.md"))
	if err != nil {
		t.Fatal(err)
	}
	page := string(raw)
	app, commands := program{lang: "en", getenv: func(string) string { return "" }}.application()
	for name := range commands {
		_, section, ok := strings.Cut(page, "\n## "+name+"\n")
		if !ok {
			t.Errorf("the page has no heading for %s", name)
			continue
		}
		section, _, _ = strings.Cut(section, "\n## ")
		for _, f := range clause(app, name).Model().Flags {
			if f.Hidden {
				continue
			}
			line := ""
			for l := range strings.Lines(section) {
				if strings.Contains(l, "`--"+f.Name+"`") {
					line = l
					break
				}
			}
			if line == "" {
				t.Errorf("%s: the page lacks --%s", name, f.Name)
				continue
			}
			for _, d := range f.Default {
				if strings.HasPrefix(line, "| ") && !strings.Contains(line, "`"+d+"`") {
					t.Errorf("%s: the page does not give the default %q of --%s", name, d, f.Name)
				}
			}
		}
	}
}

// No text of the catalogue is missing or left over.
func TestTexts(t *testing.T) {
	t.Parallel()
	for _, lang := range []string{"en", "zh-Hans"} {
		got := foreshock(t, "", "--lang", lang, "detect", "--help").out + foreshock(t, "", "--lang", lang, "score", "--help").out + foreshock(t, "", "--lang", lang, "check", "--help").out + foreshock(t, "", "--lang", lang, "detectors", "--help").out + foreshock(t, "", "--lang", lang, "evaluate", "--help").out + foreshock(t, "", "--lang", lang, "replay", "--help").out + foreshock(t, "", "--lang", lang, "selftest", "--help").out + foreshock(t, "", "--lang", lang, "estimate", "--help").out + foreshock(t, "", "--lang", lang, "logs", "parse", "--help").out + foreshock(t, "", "--lang", lang, "logs", "score", "--help").out
		if strings.Contains(got, "cli.help") {
			t.Errorf("%s: a text is missing:\n%s", lang, got)
		}
	}
}

// clause finds a command by its full name: "logs parse" is one of those below logs.
func clause(app *kingpin.Application, name string) *kingpin.CmdClause {
	words := strings.Fields(name)
	c := app.GetCommand(words[0])
	for _, w := range words[1:] {
		c = c.GetCommand(w)
	}
	return c
}

package digest

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestMistakes(t *testing.T) {
	t.Parallel()
	const source = "sources:\n- name: app\n  files: [/a]\n"
	for text, want := range map[string]string{
		"":                                `logs.yml: the file is empty, want a list "sources"`,
		"sources: [":                      "logs.yml: not YAML: line 1: did not find expected node content",
		"poll: 1s\n":                      `logs.yml:1: want at least one entry in "sources"`,
		"polls: 1s\n" + source:            `logs.yml:1: unknown field "polls", want one of commit, cpu_share, poll, sample_above, sources, state`,
		"poll: 5\n" + source:              `logs.yml:1: parameter "poll": got 5, want a duration like 90s, 5m, 12h or 7d`,
		"cpu_share: 0\n" + source:         `logs.yml:1: parameter "cpu_share": got 0, want 0.001 to 64`,
		source + source[9:]:               `logs.yml:1: sources: the name "app" stands there twice, want names that differ`,
		source + "  form: x\n":            `logs.yml:4: sources[0] (app): unknown field "form", want one of exclude, fields, files, format, from, identifiers, include, journal, max_files, max_line, multiline, name, numbers, parse, rules, sequences, skip_files, templates, units`,
		source + "  format: xml\n":        `logs.yml:2: sources[0] (app): parameter "format": got "xml", want one of auto, plain, docker, cri`,
		source + "  include: ['(']\n":     "logs.yml:2: sources[0] (app): parameter \"include\": got \"(\", want a regular expression: error parsing regexp: missing closing ): `(`",
		source + "  journal: [/x]\n":      `logs.yml:2: sources[0] (app): parameters "files" and "journal": want one of the two`,
		source + "  rules: [{name: a}]\n": `logs.yml:4: sources[0] (app).rules[0] (a): rule "a": want "words", a "pattern" or "levels"`,
		source + "  rules: [{name: a, levels: [bad]}]\n":               `logs.yml:4: sources[0] (app).rules[0] (a): parameter "levels": got "bad", want some of fatal, error, warn, info, debug, trace, unknown`,
		source + "  parse: {format: regexp}\n":                         `logs.yml:4: sources[0] (app).parse: parameter "pattern": got "" with format regexp, want one with format regexp only`,
		source + "  sequences: {key: 'x'}\n":                           `logs.yml:4: sources[0] (app).sequences: parameter "key": got "x", want a regular expression with one group, as in request=(\S+)`,
		source + "  multiline: {mode: auto, mode: off}\n":              `logs.yml:4: sources[0] (app).multiline: the field "mode" stands there twice`,
		source + "  multiline: yes\n":                                  `logs.yml:4: sources[0] (app).multiline: got "yes", want fields`,
		source + "  numbers: [{name: a}]\n":                            `logs.yml:4: sources[0] (app).numbers[0] (a): parameters "template" and "field": want one of the two`,
		source + "  numbers: [{name: a, field: b, buckets: [2, 1]}]\n": `logs.yml:4: sources[0] (app).numbers[0] (a): parameter "buckets": got 1, want numbers, ascending`,
		source + "  templates: {max: 3}\n":                             `logs.yml:4: sources[0] (app).templates: parameter "max": got 3, want 16 to 100000`,
		"sources:\n- name: a b\n  files: [/a]\n":                       `logs.yml:2: sources[0] (a b): parameter "name": got "a b", want a name of letters, digits, ".", "_" and "-", at most 100`,
		"sources:\n- name: a\n  files: [a.log]\n":                      `logs.yml:2: sources[0] (a): parameters "files" and "journal": got "a.log", want a path that begins with /`,
		"sources:\n- name: a\n  files: ['/[']\n":                       `logs.yml:2: sources[0] (a): parameter "files": got "/[", want a path, or a pattern with * ? and [a-z]`,
		"polls: 1\nsources:\n- {name: a, files: [/a], forms: 1}\n":     "two lines",
	} {
		_, err := Decode("logs.yml", []byte(text))
		switch {
		case err == nil:
			t.Errorf("%q is accepted", text)
		case want == "two lines":
			if n := strings.Count(err.Error(), "\n"); n != 1 {
				t.Errorf("%q: %v", text, err)
			}
		case err.Error() != want:
			t.Errorf("%q:\n got %v\nwant %s", text, err, want)
		}
	}
}

func TestDecode(t *testing.T) {
	t.Parallel()
	c, err := Decode("logs.yml", []byte(`
cpu_share: 0.5
sources:
- name: app
  files: &files [/var/log/app.log]
  multiline: {mode: "off", start: '^\d', wait: 1s}
- name: other
  files: *files
`))
	if err != nil {
		t.Fatal(err)
	}
	if c.CPUShare != 0.5 || c.Poll.Std() != time.Second || len(c.Sources) != 2 {
		t.Errorf("%+v", c.Global)
	}
	app, other := c.Sources[0], c.Sources[1]
	if app.Multiline.join.Auto || app.Multiline.join.Start == nil || app.Multiline.join.Wait != time.Second || !other.Multiline.join.Auto {
		t.Errorf("%+v", app.Multiline.join)
	}
	if diff := cmp.Diff(app.Files, other.Files); diff != "" || other.Templates.options.MaxTemplates != 4096 {
		t.Error(diff)
	}
}

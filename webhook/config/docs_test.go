package config

import (
	"fmt"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/foreshock/foreshock/webhook/notify"
)

// leaves lists the paths of a configuration with their defaults, as documented. Lists of rules and maps are one path each.
func leaves(v reflect.Value, path string) map[string]string {
	out := map[string]string{}
	for _, f := range fieldsOf(v.Type()) {
		fv, at := v.FieldByIndex(f.index), join(path, f.name)
		if fv.Kind() == reflect.Struct {
			for p, d := range leaves(fv, at) {
				out[p] = d
			}
			continue
		}
		out[at] = fmt.Sprint(fv.Interface())
	}
	return out
}

var row = regexp.MustCompile("(?m)^\\| `([a-zA-Z0-9_.]+)` \\| (.*?) \\| ")

// rows reads the tables of fields and defaults of a part of the manual.
func rows(text string) map[string]string {
	out := map[string]string{}
	for _, m := range row.FindAllStringSubmatch(text, -1) {
		out[m[1]] = strings.Trim(m[2], "`")
	}
	return out
}

// The manual names every field with its default, and no other.
func TestManualIsComplete(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("../../docs/webhook.md")
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(string(raw), "## Configuration")
	text, _, _ = strings.Cut(text, "## HTTP API")
	file, channels, ok := strings.Cut(text, "### Channels")
	if !ok {
		t.Fatal("docs/webhook.md has no section Channels within Configuration")
	}
	words := map[string]string{"": "none", "map[]": "none", "[]": "none"}
	compare(t, "the configuration", leaves(reflect.ValueOf(Default()), ""), rows(file), words)
	for _, name := range notify.Channels.Names() {
		_, part, ok := strings.Cut(channels, "**"+name+"**")
		if !ok {
			t.Errorf("docs/webhook.md does not describe the channel %s", name)
			continue
		}
		if next := regexp.MustCompile(`\n\*\*[a-z]+\*\*`).FindStringIndex(part); next != nil {
			part = part[:next[0]]
		}
		part, _, _ = strings.Cut(part, "Headers:")
		params, err := notify.Channels.Params(name)
		if err != nil {
			t.Fatal(err)
		}
		want := map[string]string{}
		for _, p := range params {
			if !slices.Contains([]string{"lang", "title", "text", "per_minute"}, p.Name) { // described once for all
				want[p.Name] = fmt.Sprint(p.Default)
			}
		}
		compare(t, name, want, rows(part), words)
	}
}

func compare(t *testing.T, what string, want, got map[string]string, words map[string]string) {
	t.Helper()
	var paths []string
	for p := range want {
		paths = append(paths, p)
	}
	slices.Sort(paths)
	for _, p := range paths {
		def, documented := want[p], got[p]
		switch {
		case documented == "":
			t.Errorf("%s: docs/webhook.md does not describe %s", what, p)
		case p == "routes" || p == "grades" || p == "store.sqlite": // whose default is made, not written
		case words[def] != "" && documented == words[def]:
		case strings.NewReplacer(`"`, "", ", ", " ").Replace(documented) != def:
			t.Errorf("%s: docs/webhook.md says that %s is %s by default; it is %s", what, p, documented, def)
		}
		delete(got, p)
	}
	for p := range got {
		t.Errorf("%s: docs/webhook.md describes %s, which does not exist", what, p)
	}
}

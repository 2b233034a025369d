// Package message is the one catalogue of user-facing text written in Go: notifications, pages, reasons, command lines.
//
// The idea: a text is a key with one sentence per language and named places, so that no sentence is glued together from
// pieces and a translator sees whole sentences. Each area has its own file catalogue_<area>.json beside this one:
//
//	{"reason.above": {"en": "{value} is above {upper}", "zh-Hans": "{value} 高于上限 {upper}"}}
//
//	message.Text("zh-Hans", "reason.above", "value", "812", "upper", "260")
//
// Values are put in as they are: whoever writes to HTML, Slack or a shell escapes for it. There are no plurals and no number
// formats: texts are worded so that none is needed ("alerts: 3"), and callers pass numbers as text.
package message

import (
	"embed"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// The languages of the catalogue, as BCP 47 tags.
const (
	English = "en"
	Chinese = "zh-Hans"
)

//go:embed catalogue_*.json
var files embed.FS

// Catalogue maps a key to its text in each language.
type Catalogue map[string]map[string]string

var load = sync.OnceValue(func() Catalogue {
	c, err := read()
	if err != nil {
		panic(err) // The files are part of the program; the test of this package reads them.
	}
	return c
})

// read joins the embedded files. A file that is not valid and a key that stands in two files are errors.
func read() (Catalogue, error) {
	entries, err := files.ReadDir(".")
	if err != nil {
		return nil, fmt.Errorf("message: %w", err)
	}
	all := Catalogue{}
	for _, e := range entries {
		raw, err := files.ReadFile(e.Name())
		if err != nil {
			return nil, fmt.Errorf("message: %w", err)
		}
		var one Catalogue
		if err := json.Unmarshal(raw, &one); err != nil {
			return nil, fmt.Errorf("message: %s: %w", e.Name(), err)
		}
		for k, texts := range one {
			if _, dup := all[k]; dup {
				return nil, fmt.Errorf("message: %s: key %q stands in another file too", e.Name(), k)
			}
			all[k] = texts
		}
	}
	return all, nil
}

// Languages returns the languages that every key has, English first.
func Languages() []string { return []string{English, Chinese} }

// Has reports whether the catalogue has the key.
func Has(key string) bool { _, ok := load()[key]; return ok }

// Text returns the text of the key in the language, its places filled from the arguments, which are names and values in turn. An unknown
// language is English; an unknown key is returned itself, so that a mistake is seen and nothing is lost; a place without an argument
// stays as it is written. Values are not scanned for places.
func Text(lang, key string, args ...any) string {
	texts, ok := load()[key]
	if !ok {
		return key
	}
	text, ok := texts[lang]
	if !ok {
		text = texts[English]
	}
	if len(args) == 0 {
		return text
	}
	pairs := make([]string, 0, len(args))
	for i := 0; i+1 < len(args); i += 2 {
		pairs = append(pairs, "{"+fmt.Sprint(args[i])+"}", fmt.Sprint(args[i+1]))
	}
	return strings.NewReplacer(pairs...).Replace(text)
}

// Match returns the language of the catalogue that fits best what was asked for: a language tag ("zh-CN") or an HTTP Accept-Language
// header ("zh-CN,zh;q=0.9,en;q=0.8"). Any Chinese is Simplified Chinese, since there is no other; nothing known is English.
func Match(accept string) string {
	type wish struct {
		lang string
		q    float64
	}
	var wishes []wish
	for part := range strings.SplitSeq(accept, ",") {
		tag, params, _ := strings.Cut(strings.TrimSpace(part), ";")
		q := 1.0
		if v, ok := strings.CutPrefix(strings.TrimSpace(params), "q="); ok {
			f, err := strconv.ParseFloat(v, 64)
			if err != nil {
				continue
			}
			q = f
		}
		primary, _, _ := strings.Cut(strings.ToLower(strings.TrimSpace(tag)), "-")
		switch {
		case !(q > 0):
		case primary == "zh":
			wishes = append(wishes, wish{Chinese, q})
		case primary == "en":
			wishes = append(wishes, wish{English, q})
		}
	}
	if len(wishes) == 0 {
		return English
	}
	slices.SortStableFunc(wishes, func(a, b wish) int {
		switch {
		case a.q > b.q:
			return -1
		case a.q < b.q:
			return 1
		}
		return 0
	})
	return wishes[0].lang
}

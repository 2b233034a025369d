package message

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var place = regexp.MustCompile(`\{[^{}]*\}`)

func places(text string) []string {
	found := place.FindAllString(text, -1)
	slices.Sort(found)
	return slices.Compact(found)
}

// faults lists what is wrong with a catalogue.
func faults(c Catalogue) []string {
	var out []string
	for key, texts := range c {
		want := places(texts[English])
		for _, lang := range Languages() {
			switch text := texts[lang]; {
			case strings.TrimSpace(text) == "":
				out = append(out, key+": no text in "+lang)
			case !slices.Equal(places(text), want):
				out = append(out, key+": "+lang+" has the places "+strings.Join(places(text), " ")+", en has "+strings.Join(want, " "))
			}
		}
		for lang := range texts {
			if !slices.Contains(Languages(), lang) {
				out = append(out, key+": unknown language "+lang)
			}
		}
	}
	slices.Sort(out)
	return out
}

func TestCatalogueIsComplete(t *testing.T) {
	t.Parallel()
	c, err := read()
	if err != nil {
		t.Fatal(err)
	}
	if len(c) == 0 {
		t.Fatal("the catalogue is empty")
	}
	for _, f := range faults(c) {
		t.Error(f)
	}
}

func TestFaultsAreFound(t *testing.T) {
	t.Parallel()
	got := faults(Catalogue{
		"good":  {"en": "a {x}", "zh-Hans": "{x} 甲"},
		"half":  {"en": "a"},
		"place": {"en": "a {x}", "zh-Hans": "甲 {y}"},
		"third": {"en": "a", "zh-Hans": "甲", "de": "a"},
	})
	want := []string{"half: no text in zh-Hans", "place: zh-Hans has the places {y}, en has {x}", "third: unknown language de"}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestText(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, lang, key string
		args            []any
		want            string
	}{
		{"filled", "en", "webhook.message.more", []any{"count", 3}, "… and 3 more alerts in this case"},
		{"chinese", "zh-Hans", "webhook.message.more", []any{"count", 3}, "… 本事件还有 3 条告警"},
		{"unknown language", "fr", "webhook.message.more", []any{"count", 3}, "… and 3 more alerts in this case"},
		{"unknown key", "en", "no.such.key", nil, "no.such.key"},
		{"argument missing", "en", "webhook.message.more", nil, "… and {count} more alerts in this case"},
		{"value looks like a place", "en", "webhook.message.more", []any{"count", "{x}", "x", "no"}, "… and {x} more alerts in this case"},
		{"odd arguments", "en", "webhook.message.more", []any{"count", 3, "x"}, "… and 3 more alerts in this case"},
	} {
		if got := Text(tt.lang, tt.key, tt.args...); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
	if !Has("webhook.message.more") || Has("no.such.key") {
		t.Error("Has does not tell which keys there are")
	}
}

func TestMatch(t *testing.T) {
	t.Parallel()
	for accept, want := range map[string]string{
		"":                                "en",
		"zh":                              "zh-Hans",
		"zh-CN,zh;q=0.9,en;q=0.8":         "zh-Hans",
		"en-GB,en;q=0.9,zh-CN;q=0.8":      "en",
		"fr,de;q=0.9":                     "en",
		"en;q=0.1, zh-Hans;q=0.2":         "zh-Hans",
		"zh;q=0, en;q=0.5":                "en",
		"zh;q=wrong,en":                   "en",
		";;;,,q=":                         "en",
		"zh-TW":                           "zh-Hans",
		strings.Repeat("x,", 5000) + "zh": "zh-Hans",
	} {
		if got := Match(accept); got != want {
			t.Errorf("Match(%.40q) = %q, want %q", accept, got, want)
		}
	}
}

package main

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestSelftestOfAFile(t *testing.T) {
	t.Parallel()
	file := weeksFile(t, 20)
	for _, lang := range []string{"en", "zh-Hans"} {
		got := foreshock(t, "", "--lang", lang, "selftest", file, "--last", "5d", "--label", "label")
		if got.code != 0 || strings.Contains(got.out, "cli.") || strings.Contains(got.out, "selftest.") {
			t.Errorf("%d %s\n%s", got.code, got.errors, got.out)
		}
		many := foreshock(t, "", "--lang", lang, "selftest", file, file, "--last", "5d", "--quick")
		if many.code != 0 || strings.Contains(many.out, "cli.") || strings.Contains(many.out, "selftest.") {
			t.Errorf("%d %s\n%s", many.code, many.errors, many.out)
		}
	}
	got := foreshock(t, "", "selftest", file, "--last", "5d", "--format", "json")
	var one struct {
		Outcome string
		Kinds   []struct {
			Kind  string
			Sizes []struct {
				Size          any
				Places, Found int
			}
		}
	}
	if err := json.Unmarshal([]byte(got.out), &one); err != nil {
		t.Fatalf("%v in %s", err, got.out)
	}
	if one.Outcome != "passed" || len(one.Kinds) != 6 || one.Kinds[0].Kind != "spike" {
		t.Errorf("%s", got.out)
	}
}

// A rule that would only make noise exits with 1 and says why.
func TestSelftestFails(t *testing.T) {
	t.Parallel()
	got := foreshock(t, "", "selftest", weeksFile(t, 20), "--last", "10d", "-d", "mean", "-p", "width=28", "--policy", "min_rel=0")
	if got.code != 1 || !strings.Contains(got.out, "failed") || got.errors != "" {
		t.Errorf("%+v", got)
	}
}

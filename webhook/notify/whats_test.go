package notify

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/foreshock/foreshock/pkg/message"
	"github.com/foreshock/foreshock/webhook/cases"
)

// occasions are all constants of type cases.What, read from the source: a new one needs its texts.
func occasions(t *testing.T) []cases.What {
	t.Helper()
	files, err := filepath.Glob("../cases/*.go")
	if err != nil {
		t.Fatal(err)
	}
	var out []cases.What
	for _, file := range files {
		tree, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(tree, func(n ast.Node) bool {
			v, ok := n.(*ast.ValueSpec)
			if !ok {
				return true
			}
			if kind, ok := v.Type.(*ast.Ident); !ok || kind.Name != "What" {
				return true
			}
			for _, value := range v.Values {
				if l, ok := value.(*ast.BasicLit); ok {
					text, err := strconv.Unquote(l.Value)
					if err != nil {
						t.Fatal(err)
					}
					out = append(out, cases.What(text))
				}
			}
			return true
		})
	}
	if len(out) < 3 {
		t.Fatalf("only %v were found", out)
	}
	return out
}

// Every occasion has its texts in both languages, and every channel can tell it.
func TestEveryOccasion(t *testing.T) {
	t.Parallel()
	for _, what := range occasions(t) {
		for _, key := range []string{"webhook.subject.", "webhook.what."} {
			if !message.Has(key + string(what)) {
				t.Errorf("no text %s%s", key, what)
			}
		}
		for _, lang := range message.Languages() {
			c := Common{Lang: lang}
			m := sample(func(m *cases.Message) { m.Notice.What, m.Notice.For = what, []string{"<!channel> ann"} })
			l := c.letter(m)
			if strings.Contains(l.Subject, "webhook.") || strings.Contains(strings.Join(l.Facts, " "), "webhook.") || strings.Contains(l.Subject, "{") {
				t.Errorf("%s in %s: %q %q", what, lang, l.Subject, l.Facts)
			}
		}
		s, got := fakePagerDuty(t, pdKey)
		if o := openPagerDuty(t, s.URL, pdKey).Send(t.Context(), sample(func(m *cases.Message) { m.Notice.What = what })); o.Status != StatusSent || len(*got) != 1 {
			t.Errorf("PagerDuty, %s: %+v", what, o)
		}
	}
}

func TestEmailDigest(t *testing.T) {
	t.Parallel()
	f := newFakeSMTP(t, true, false)
	c := f.open(t, nil)
	if o := c.Send(t.Context(), digestOf(300, "<b>")); o.Status != StatusSent {
		t.Fatalf("got %+v", o)
	}
	head, parts := mailParts(t, f.mails[0])
	for kind, want := range map[string]string{"text/plain": "case 39", "text/html": "/cases/01JD0000000000000000000039\">"} {
		if !strings.Contains(parts[kind], want) || !strings.Contains(parts[kind], "+260") {
			t.Errorf("%s has no %s, or does not count the others", kind, want)
		}
	}
	if strings.Contains(parts["text/html"], "<b>") || !strings.Contains(head.Get("Subject"), "300") {
		t.Errorf("got %s", head.Get("Subject"))
	}
}

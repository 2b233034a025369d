package logs

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/foreshock/foreshock/pkg/registry"
)

// The page has every option with its default.
func TestDocumentedOptions(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("../../docs/logs.md")
	if err != nil {
		t.Fatal(err)
	}
	o := DefaultOptions()
	for _, p := range registry.ParamsOf(&o) {
		row := fmt.Sprintf("| `%s` | `%v` |", p.Name, p.Default)
		if p.Type == "strings" {
			row = fmt.Sprintf("| `%s` | |", p.Name)
		}
		if !strings.Contains(string(raw), row) {
			t.Errorf("docs/logs.md lacks %q", row)
		}
	}
	for _, name := range Sequences.Names() {
		if !strings.Contains(string(raw), "| `"+name+"` |") {
			t.Errorf("docs/logs.md lacks the detector %q", name)
		}
	}
}

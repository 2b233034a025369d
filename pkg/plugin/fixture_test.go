package plugin

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/foreshock/foreshock/pkg/message"
)

// The forms of the front end are tested with these files, so that they have to be what the resource answers. -update writes them anew.
func TestFixturesOfTheForms(t *testing.T) {
	t.Parallel()
	for lang, name := range map[string]string{message.English: "descriptors.json", message.Chinese: "descriptors.zh-Hans.json"} {
		var got bytes.Buffer
		encoder := json.NewEncoder(&got)
		encoder.SetEscapeHTML(false)
		encoder.SetIndent("", "  ")
		d := describe(lang, "UTC")
		d.Detectors = slices.DeleteFunc(d.Detectors, func(d DetectorDescriptor) bool { return strings.HasPrefix(d.Name, "test_") })
		if err := encoder.Encode(d); err != nil {
			t.Fatal(err)
		}
		file := filepath.Join("testdata", name)
		if *update {
			if err := os.WriteFile(file, got.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatalf("%v (run the test with -update to write it)", err)
		}
		if diff := cmp.Diff(string(want), got.String()); diff != "" {
			t.Errorf("%s is not what the resource answers (-want +got); run with -update if this is meant:\n%s", name, diff)
		}
	}
}

package notify

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

func TestSecretIsNeverSeen(t *testing.T) {
	t.Parallel()
	const bare = "xoxb-do-not-show"
	s := Secret(bare)
	box := struct {
		Token Secret            `json:"token" yaml:"token"`
		List  []Secret          `json:"list" yaml:"list"`
		Map   map[string]Secret `json:"map" yaml:"map"`
		Ptr   *Secret           `json:"ptr" yaml:"ptr"`
	}{s, []Secret{s}, map[string]Secret{"k": s}, &s}
	var out []string
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%T", "% x", "%10s", "%U"} {
		out = append(out, fmt.Sprintf(verb, s), fmt.Sprintf(verb, box), fmt.Sprintf(verb, []Secret{s}))
	}
	out = append(out, fmt.Sprint(s), fmt.Sprintln(box), s.String(), fmt.Errorf("with %w and %v", os.ErrNotExist, s).Error())
	j, err := json.Marshal(box)
	if err != nil {
		t.Fatal(err)
	}
	y, err := yaml.Marshal(box)
	if err != nil {
		t.Fatal(err)
	}
	out = append(out, string(j), string(y))
	for _, h := range []func(*bytes.Buffer) slog.Handler{
		func(b *bytes.Buffer) slog.Handler { return slog.NewTextHandler(b, nil) },
		func(b *bytes.Buffer) slog.Handler { return slog.NewJSONHandler(b, nil) },
	} {
		var b bytes.Buffer
		slog.New(h(&b)).Info("x", "secret", s, "box", box, "any", any(s))
		out = append(out, b.String())
	}
	for _, text := range out {
		if strings.Contains(text, bare) || strings.Contains(strings.ToLower(text), fmt.Sprintf("%x", bare)) {
			t.Errorf("the secret is seen in %q", text)
		}
	}
	if want := `{"token":"\u003csecret\u003e","list":["\u003csecret\u003e"],"map":{"k":"\u003csecret\u003e"},"ptr":"\u003csecret\u003e"}`; string(j) != want {
		t.Errorf("JSON is %s, want %s", j, want)
	}
	if got := fmt.Sprintf("%v|%s", s, Secret("")); got != "<secret>|" {
		t.Errorf("got %q", got)
	}
	if s.Reveal() != bare {
		t.Error("Reveal does not reveal")
	}
}

func TestSecretIsReadFromFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	good, empty, long := write("good", " s3cret\n"), write("empty", "\n"), write("long", strings.Repeat("x", maxSecretFile+1))
	for _, tt := range []struct {
		direct Secret
		file   string
		want   string
		err    string
	}{
		{"direct ", "", "direct", ""},
		{"", good, "s3cret", ""},
		{"", "", "", ""},
		{"both", good, "", `parameters "token" and "token_file" are both set: want one of them`},
		{"", empty, "", `parameter "token_file": file ` + empty + " is empty: want the secret"},
		{"", long, "", `parameter "token_file": file ` + long + " is longer than 65536 bytes: want the secret alone"},
		{"", filepath.Join(dir, "none"), "", `parameter "token_file": open ` + filepath.Join(dir, "none") + ": no such file or directory"},
	} {
		got, err := resolve("token", tt.direct, tt.file)
		text := ""
		if err != nil {
			text = err.Error()
		}
		if got.Reveal() != tt.want || text != tt.err {
			t.Errorf("got %q and %q, want %q and %q", got.Reveal(), text, tt.want, tt.err)
		}
	}
}

package notify

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
)

// Secret is a string that must not be seen: a token, a password, an address that is itself a key. Every way to print, log or marshal it
// writes "<secret>" (nothing when it is empty, so that a missing one is seen). Reveal is the one way to read it.
type Secret string

// hidden is what stands for every secret.
const hidden = "<secret>"

// Reveal returns the secret itself, for the one place that must send it.
func (s Secret) Reveal() string { return string(s) }

// String returns "<secret>", or "" for an empty one.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return hidden
}

// Format serves every verb of fmt, so that none of them falls back to the bare string.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// MarshalText serves JSON, and text encodings in general.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// MarshalYAML serves YAML.
func (s Secret) MarshalYAML() (any, error) { return s.String(), nil }

// LogValue serves log/slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// maxSecretFile bounds what is read from a file of a secret: the longest known are PEM keys of some kilobytes.
const maxSecretFile = 64 << 10

// resolve returns the secret that was written directly or stands in the file, without surrounding white space. Both given is an error,
// neither gives "". Names are those of the two parameters, for the error.
func resolve(name string, direct Secret, file string) (Secret, error) {
	switch {
	case file == "":
		return Secret(strings.TrimSpace(direct.Reveal())), nil
	case direct != "":
		return "", fmt.Errorf("parameters %q and %q are both set: want one of them", name, name+"_file")
	}
	s, err := ReadSecret(file)
	if err != nil {
		return "", fmt.Errorf("parameter %q: %w", name+"_file", err)
	}
	return s, nil
}

// ReadSecret returns what stands in the file, without surrounding white space. An empty file is an error.
func ReadSecret(file string) (Secret, error) {
	f, err := os.Open(file)
	if err != nil {
		return "", err
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, maxSecretFile+1))
	if err != nil {
		return "", err
	}
	s := strings.TrimSpace(string(raw))
	switch {
	case len(raw) > maxSecretFile:
		return "", fmt.Errorf("file %s is longer than %d bytes: want the secret alone", file, maxSecretFile)
	case s == "":
		return "", fmt.Errorf("file %s is empty: want the secret", file)
	}
	return Secret(s), nil
}

// errNoSecret is the reason given for a channel without credentials.
func errNoSecret(name string) error {
	return fmt.Errorf("parameter %q is missing: want it, or %q with the path of a file that holds it", name, name+"_file")
}

// scrub takes secrets out of a text that came from outside, such as a reply that echoes the request. Texts shorter than four bytes are
// left alone: they would match by chance.
func scrub(text string, secrets ...string) string {
	for _, s := range secrets {
		if len(s) >= 4 {
			text = strings.ReplaceAll(text, s, hidden)
		}
	}
	return text
}

var errBadURL = errors.New("want an address like https://host/path")

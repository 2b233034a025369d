package follow

import (
	"bytes"
	"encoding/json"
	"errors"
	"path/filepath"
	"regexp"
	"strings"
)

// Format says how a file wraps its messages.
type Format string

// The formats.
const (
	Plain  Format = "plain"  // a line is a line
	Docker Format = "docker" // JSON lines of Docker's json-file driver: {"log":"…\n","stream":"stdout","time":"…"}
	CRI    Format = "cri"    // Kubernetes: time, stream, P (more follows) or F, message
	Auto   Format = "auto"   // by the path: /var/log/pods and /var/log/containers are cri, /var/lib/docker/containers docker, all else plain
)

// unwrapped is one line without its wrapping.
type unwrapped struct {
	text    []byte
	stream  string // "" when the format has none
	partial bool   // the next line goes on with this message
}

var errFormat = errors.New("not in the format")

// unwrap takes a line out of its wrapping. On an error the text is the line as it is.
func (f Format) unwrap(line []byte) (unwrapped, error) {
	switch f {
	case Docker:
		return unwrapDocker(line)
	case CRI:
		return unwrapCRI(line)
	}
	return unwrapped{text: line}, nil
}

// unwrapDocker: Docker splits messages at 16 KiB; a part that goes on has no end of line.
func unwrapDocker(line []byte) (unwrapped, error) {
	var d struct {
		Log    *string `json:"log"`
		Stream string  `json:"stream"`
	}
	if err := json.Unmarshal(line, &d); err != nil || d.Log == nil {
		return unwrapped{text: line}, errFormat
	}
	text, whole := strings.CutSuffix(*d.Log, "\n")
	return unwrapped{text: []byte(strings.TrimSuffix(text, "\r")), stream: stream(d.Stream), partial: !whole}, nil
}

func unwrapCRI(line []byte) (unwrapped, error) {
	_, rest, ok1 := bytes.Cut(line, []byte(" "))
	out, rest, ok2 := bytes.Cut(rest, []byte(" "))
	tags, text, _ := bytes.Cut(rest, []byte(" "))
	tag, _, _ := bytes.Cut(tags, []byte(":"))
	partial := string(tag) == "P"
	if !ok1 || !ok2 || !(partial || string(tag) == "F") || (string(out) != "stdout" && string(out) != "stderr") {
		return unwrapped{text: line}, errFormat
	}
	return unwrapped{text: text, stream: stream(string(out)), partial: partial}, nil
}

// stream returns a shared string for the few that there are.
func stream(name string) string {
	switch name {
	case "stdout":
		return "stdout"
	case "stderr":
		return "stderr"
	}
	return ""
}

var (
	podLog       = regexp.MustCompile(`/pods/([^/_]+)_([^/_]+)_([^/]+)/([^/]+)/[^/]+$`)
	containerLog = regexp.MustCompile(`/containers/([^/_]+)_([^/_]+)_([^/]+)-([0-9a-f]{64})\.log$`)
	dockerLog    = regexp.MustCompile(`/containers/([0-9a-f]{64})/[0-9a-f]{64}-json\.log`)
)

// resolve chooses the format by the path of a file.
func (f Format) resolve(path string) Format {
	if f != Auto {
		return f
	}
	switch {
	case dockerLog.MatchString(path):
		return Docker
	case podLog.MatchString(path), containerLog.MatchString(path):
		return CRI
	}
	return Plain
}

// fieldsOf returns what the path of a file tells: its name, and for a container's log namespace, pod and container.
func fieldsOf(path string) []Field {
	out := []Field{{"file", filepath.Base(path)}}
	if m := podLog.FindStringSubmatch(path); m != nil {
		return append(out, Field{"namespace", m[1]}, Field{"pod", m[2]}, Field{"container", m[4]})
	}
	if m := containerLog.FindStringSubmatch(path); m != nil {
		return append(out, Field{"namespace", m[2]}, Field{"pod", m[1]}, Field{"container", m[3]})
	}
	if m := dockerLog.FindStringSubmatch(path); m != nil {
		return append(out, Field{"container", m[1][:12]})
	}
	return out
}

package store

import (
	"encoding/json"
	"time"

	"github.com/foreshock/foreshock/webhook/alert"
	"github.com/foreshock/foreshock/webhook/cases"
)

// What every alert of every delivery is stored with is written by hand: by reflection it takes four times as long, which is a tenth of what a large delivery
// costs. The result is what structure makes, byte for byte; whatever is rare goes there.

// lastJSON is the alert as JSON text.
func lastJSON(a alert.Alert) (string, error) {
	if a.SilenceURL != "" || a.DashboardURL != "" || a.PanelURL != "" || a.ImageURL != "" || a.ValueString != "" || len(a.Values) > 0 || len(a.Cut) > 0 ||
		odd(a.StartsAt) || odd(a.EndsAt) || a.Labels == nil {
		return structure(a)
	}
	b := make([]byte, 0, 512)
	b = appendText(append(b, `{"status":`...), string(a.Status))
	b = appendLabels(append(b, `,"labels":`...), a.Labels)
	if len(a.Annotations) > 0 {
		b = appendLabels(append(b, `,"annotations":`...), a.Annotations)
	}
	b = appendTime(append(b, `,"startsAt":`...), a.StartsAt)
	if !a.EndsAt.IsZero() {
		b = appendTime(append(b, `,"endsAt":`...), a.EndsAt)
	}
	b = appendField(b, `,"generatorURL":`, a.GeneratorURL)
	b = appendText(append(b, `,"fingerprint":`...), a.Fingerprint)
	return string(append(b, '}')), nil
}

// noiseJSON is what noise reduction keeps with an alert as JSON text.
func noiseJSON(n cases.AlertNoise) (string, error) {
	if odd(n.Joined.At) || odd(n.FlappingSince) || n.Owed != nil || len(n.Spans) > 2 {
		return structure(n)
	}
	b := make([]byte, 0, 256)
	b = appendText(append(b, `{"grade":`...), n.Grade.String())
	b = appendField(b, `,"gradeReason":`, string(n.GradeReason))
	if j := n.Joined; j != (cases.Membership{}) {
		b = append(b, `,"joined":{`...)
		start := len(b)
		b = appendField(b, `,"how":`, j.How)
		b = appendField(b, `,"evidence":`, j.Evidence)
		b = appendField(b, `,"with":`, j.With)
		if !j.At.IsZero() {
			b = appendTime(append(b, `,"at":`...), j.At)
		}
		b = appendField(b, `,"from":`, j.From)
		b = append(b[:start], b[start+1:]...) // the first comma
		b = append(b, '}')
	}
	for i, s := range n.Spans {
		if odd(s.From) || odd(s.To) {
			return structure(n)
		}
		if i == 0 {
			b = append(b, `,"spans":[`...)
		} else {
			b = append(b, ',')
		}
		b = appendTime(append(b, `{"from":`...), s.From)
		if !s.To.IsZero() {
			b = appendTime(append(b, `,"to":`...), s.To)
		}
		b = append(b, '}')
	}
	if len(n.Spans) > 0 {
		b = append(b, ']')
	}
	if !n.FlappingSince.IsZero() {
		b = appendTime(append(b, `,"flappingSince":`...), n.FlappingSince)
	}
	if n.Held {
		b = append(b, `,"held":true`...)
	}
	return string(append(b, '}')), nil
}

// odd reports whether a time is none that is written in the ordinary way.
func odd(t time.Time) bool { return t.Location() != time.UTC || t.Year() < 0 || t.Year() > 9999 }

func appendTime(b []byte, t time.Time) []byte {
	return append(t.AppendFormat(append(b, '"'), time.RFC3339Nano), '"')
}

// appendField adds a name with its comma and a text, unless that is empty.
func appendField(b []byte, name, value string) []byte {
	if value == "" {
		return b
	}
	return appendText(append(b, name...), value)
}

func appendLabels(b []byte, l alert.Labels) []byte {
	b = append(b, '{')
	for i, n := range l.Names() {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(appendText(b, n), ':')
		b = appendText(b, l[n])
	}
	return append(b, '}')
}

// appendText adds a text in quotation marks.
func appendText(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c >= 0x7f || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			quoted, _ := json.Marshal(s) // a text always has a form
			return append(b, quoted...)
		}
	}
	return append(append(append(b, '"'), s...), '"')
}

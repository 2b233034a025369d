// Package policy holds the pure decisions of the alert flow: how urgent an
// alert is, which channels hear of it, and when something is tried again.
//
// The idea: a decision is a function of values. Nothing here reads a clock,
// a file or a network; rules are data that a person wrote, checked once by
// Validate, and every answer carries its reason.
//
//	rules := policy.DefaultRules("log")
//	grade, why := rules.Grade(labels)              // P1, `severity="error"`
//	channels, route := rules.Channels(grade, labels) // [log], "default"
//
// It does not send, store or schedule anything.
package policy

import "fmt"

// Grade is the urgency of a case: P0 wakes somebody, P3 is for the record. The
// zero value is P0, so that a forgotten grade is loud and never silent.
type Grade uint8

// The grades, most urgent first.
const (
	P0 Grade = iota
	P1
	P2
	P3
)

// Grades lists all grades, most urgent first.
func Grades() []Grade { return []Grade{P0, P1, P2, P3} }

// String is "P0" … "P3".
func (g Grade) String() string { return fmt.Sprintf("P%d", uint8(g)) }

// MarshalText writes the grade as String does.
func (g Grade) MarshalText() ([]byte, error) { return []byte(g.String()), nil }

// UnmarshalText reads "P0" … "P3" (also in lower case).
func (g *Grade) UnmarshalText(text []byte) error {
	for _, known := range Grades() {
		if s := string(text); s == known.String() || s == fmt.Sprintf("p%d", uint8(known)) {
			*g = known
			return nil
		}
	}
	return fmt.Errorf("grade %q: want one of P0, P1, P2, P3", text)
}

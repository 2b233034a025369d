package policy

import (
	"fmt"
	"strconv"
	"strings"
)

// BySeverity maps a severity label as people write it: critical → P0, error or
// high → P1, warning → P2, info → P3, and usual synonyms of these, in any case.
// An unknown or missing severity is P2: seen by somebody, waking nobody.
func BySeverity(severity string) (Grade, Reason) {
	var g Grade
	switch strings.ToLower(strings.TrimSpace(severity)) {
	case "critical", "crit", "page", "emergency", "fatal", "p0":
		g = P0
	case "error", "err", "high", "major", "p1":
		g = P1
	case "warning", "warn", "medium", "minor", "p2":
		g = P2
	case "info", "information", "informational", "low", "none", "debug", "p3":
		g = P3
	case "":
		return P2, "no severity label"
	default:
		return P2, Reason("unknown severity=" + strconv.Quote(clip(severity, 40)))
	}
	return g, Reason("severity=" + strconv.Quote(severity))
}

func ruleReason(i int, ms []Matcher) Reason {
	parts := make([]string, len(ms))
	for k, m := range ms {
		parts[k] = m.String()
	}
	return Reason(fmt.Sprintf("rule %d: %s", i+1, strings.Join(parts, ", ")))
}

// clip shortens s to at most n runes.
func clip(s string, n int) string {
	r := []rune(s)
	if len(r) <= n {
		return s
	}
	return string(r[:n]) + "…"
}

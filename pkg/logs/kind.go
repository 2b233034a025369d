package logs

import (
	"regexp"
	"slices"
)

// Kind is the type of a variable part.
type Kind uint8

// The kinds.
const (
	KindNumber Kind = iota + 1
	KindHex
	KindAddress
	KindDuration
	KindTime
	KindPath
	KindURL
	KindID
	KindBool
	KindQuoted
	KindUnit
	KindWord
	KindText
	KindCustom
)

var kindNames = [...]string{"", "number", "hex", "address", "duration", "time", "path", "url", "id", "bool", "quoted", "unit", "word", "text", "custom"}

func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return ""
}

type span struct {
	start, end int
	kind       Kind
}

type customMask struct{ re *regexp.Regexp }

// findSpans returns where the masks apply, in order, without overlap: of two that begin together the earlier mask wins.
func findSpans(dst []span, masks []customMask, line []byte) []span {
	if len(masks) == 0 {
		return dst
	}
	for _, m := range masks {
		for _, at := range m.re.FindAllIndex(line, -1) {
			if at[1] > at[0] {
				dst = append(dst, span{at[0], at[1], KindCustom})
			}
		}
	}
	slices.SortStableFunc(dst, func(a, b span) int { return a.start - b.start })
	kept, end := dst[:0], 0
	for _, s := range dst {
		if s.start >= end {
			kept = append(kept, s)
			end = s.end
		}
	}
	return kept
}

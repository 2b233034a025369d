package policy

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/foreshock/foreshock/webhook/alert"
)

// Matcher tests one label, in Alertmanager's syntax: name="v", name!="v",
// name=~"re", name!~"re"; quotes may be left off. A missing label is the empty
// value. Regular expressions are anchored at both ends. A Matcher is made by
// ParseMatcher or by decoding; it is comparable by String only.
type Matcher struct {
	name, op, value string
	re              *regexp.Regexp
}

// ParseMatcher reads one matcher. The error names the text and what is allowed.
func ParseMatcher(text string) (Matcher, error) {
	at := strings.IndexAny(text, "=!")
	bad := func(why string) (Matcher, error) {
		return Matcher{}, fmt.Errorf(`matcher %q: %s; want name="value", name!="value", name=~"regexp" or name!~"regexp"`, text, why)
	}
	if at < 0 {
		return bad("no operator")
	}
	m := Matcher{name: strings.TrimSpace(text[:at])}
	rest := text[at:]
	for _, op := range []string{"=~", "!~", "!=", "="} {
		if strings.HasPrefix(rest, op) {
			m.op, rest = op, strings.TrimSpace(rest[len(op):])
			break
		}
	}
	if m.op == "" {
		return bad("unknown operator")
	}
	if m.name == "" || strings.ContainsAny(m.name, " \t\n\"'{}") {
		return bad("no label name")
	}
	m.value = rest
	if strings.HasPrefix(rest, `"`) {
		v, err := strconv.Unquote(rest)
		if err != nil {
			return bad("the quotes do not close")
		}
		m.value = v
	}
	if m.op == "=~" || m.op == "!~" {
		re, err := regexp.Compile("^(?s:" + m.value + ")$")
		if err != nil {
			return bad("the regular expression does not compile")
		}
		m.re = re
	}
	return m, nil
}

// Equal matches the label of exactly this value.
func Equal(name, value string) Matcher { return Matcher{name: name, op: "=", value: value} }

// Name is the label that is tested.
func (m Matcher) Name() string { return m.name }

// Matches reports whether the labels pass.
func (m Matcher) Matches(l alert.Labels) bool {
	v := l[m.name]
	switch m.op {
	case "=":
		return v == m.value
	case "!=":
		return v != m.value
	case "=~":
		return m.re.MatchString(v)
	case "!~":
		return !m.re.MatchString(v)
	}
	return false // the zero Matcher matches nothing
}

// String is the matcher in its canonical, quoted form.
func (m Matcher) String() string { return m.name + m.op + strconv.Quote(m.value) }

// MarshalText writes what String says.
func (m Matcher) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// UnmarshalText reads what ParseMatcher reads.
func (m *Matcher) UnmarshalText(text []byte) error {
	p, err := ParseMatcher(string(text))
	if err != nil {
		return err
	}
	*m = p
	return nil
}

// MatchAll reports whether every matcher passes; none is a pass.
func MatchAll(ms []Matcher, l alert.Labels) bool {
	for _, m := range ms {
		if !m.Matches(l) {
			return false
		}
	}
	return true
}

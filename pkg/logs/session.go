package logs

import "regexp"

// SessionKey returns the key that the pattern finds in a line: its first group, or the whole where there is none; empty for no match.
func SessionKey(pattern *regexp.Regexp, line []byte) string {
	at := pattern.FindSubmatchIndex(line)
	switch {
	case at == nil:
		return ""
	case len(at) >= 4 && at[2] >= 0:
		return string(line[at[2]:at[3]])
	}
	return string(line[at[0]:at[1]])
}

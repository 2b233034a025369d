package logs

import "bytes"

// opposites are words that tell outcomes and states apart: lines that differ in one of them are never one template.
var opposites = func() map[string]bool {
	m := map[string]bool{}
	for _, w := range bytes.Fields([]byte(`
		start started starting starts stop stopped stopping stops begin began begins end ended ends finish finished
		up down on off in out open opened opening opens close closed closing closes
		success successful successfully succeed succeeded succeeds fail failed fails failing failure failures error errors ok okay
		accept accepted accepts accepting reject rejected rejects refused refuse deny denied denies allow allowed allows permitted grant granted
		enable enabled enabling disable disabled disabling active inactive activate activated deactivate deactivated
		connect connected connecting connection disconnect disconnected disconnecting
		login logout logon logoff logged add added adds adding remove removed removes removing delete deleted deletes deleting
		create created creates creating destroy destroyed attach attached detach detached
		register registered unregister unregistered deregister deregistered mount mounted unmount unmounted umount
		load loaded loading unload unloaded lock locked unlock unlocked acquire acquired release released acquiring releasing
		read write reading writing send sent sending receive received receiving
		valid invalid known unknown found missing match matched mismatch enough
		online offline available unavailable healthy unhealthy alive dead running
		increase increased decrease decreased rise fell first last before after
		complete completed incomplete pass passed primary secondary leader follower master slave
		pause paused resume resumed suspend suspended wake sleep show hide shown hidden
		yes no not with without supported unsupported resolved unresolved
		full empty push pop get put post head patch upload download expand collapse left right
		none all new old min max`)) {
		m[string(w)] = true
	}
	return m
}()

// Protected reports whether the word tells outcomes or states apart: as a whole, in a part by underscore or hyphen, or by its last inner capital (onExpandingStarted). Of a
// dotted name the last label counts, of an inner class the inner one.
func Protected(w []byte) bool {
	n := len(w)
	if n >= 2 && n <= 3 && (w[n-1] == '+' || w[n-1] == '-') { // a direction: x+, Z-
		return true
	}
	for i := n - 1; i >= 0; i-- {
		if (w[i] == '.' || w[i] == '$') && i < n-1 {
			w = w[i+1:]
			break
		}
	}
	start, inner, small := 0, 0, false
	for i := 0; i <= len(w); i++ {
		if i == len(w) || w[i] == '_' || w[i] == '-' || w[i] == '.' {
			if opposite(w[start:i]) || inner > start && opposite(w[inner:i]) {
				return true
			}
			start, inner, small = i+1, i+1, false
			continue
		}
		upper := w[i] >= 'A' && w[i] <= 'Z'
		if upper && small {
			inner = i
		}
		small = !upper
	}
	return false
}

func opposite(w []byte) bool {
	var buf [16]byte
	if len(w) < 2 || len(w) > len(buf) {
		return false
	}
	for i, c := range w {
		if c >= 'A' && c <= 'Z' {
			c |= 0x20
		}
		buf[i] = c
	}
	return opposites[string(buf[:len(w)])]
}

func isDay(w []byte) bool {
	switch string(w) {
	case "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun":
		return true
	}
	return false
}

func isMonth(w []byte) bool {
	switch string(w) {
	case "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec":
		return true
	}
	return false
}

// isUnit recognises what measures the number before it.
func isUnit(w []byte) bool {
	switch string(w) {
	case "B", "KB", "MB", "GB", "TB", "kB", "KiB", "MiB", "GiB", "TiB", "bytes", "byte", "ns", "us", "ms", "s", "sec", "secs", "seconds", "second", "min", "minutes", "minute", "hours", "hour", "days", "day",
		"Hz", "kHz", "MHz", "GHz":
		return true
	}
	return false
}

func isNumber(w []byte) bool {
	for _, c := range w {
		if classes[c] != cDigit {
			return false
		}
	}
	return len(w) > 0
}

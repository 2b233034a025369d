package logs

import "bytes"

// chunk masks a word that holds a digit or a byte that parts words, from i to j, and returns where it ended.
func (l *lexer) chunk(i, j, digits, limit int) int {
	if l.secret() {
		end := max(l.secretEnd(i), j)
		l.hole(i, end, KindText)
		return end
	}
	if isJWT(l.line[i:j]) {
		l.hole(i, j, KindText)
		return j
	}
	if end := l.path(i, j, limit); end > 0 {
		l.hole(i, end, KindPath)
		return end
	}
	if j < limit && l.line[j] == ':' {
		if end := l.place(i, j, limit); end > 0 {
			return end
		}
	}
	end := j
	for end > i+1 && (l.line[end-1] == '.' || l.line[end-1] == '-') { // the full stop of a sentence, the dots of a table
		end--
	}
	w := l.line[i:end]
	if protocol(w) {
		l.hole(i, end, KindText)
		l.key = append(l.key, l.line[end:j]...)
		return j
	}
	if digits > 0 {
		if k := number(w); k != 0 {
			l.hole(i, end, k)
			if end == j {
				return l.quantity(j, limit, w[0] == '<')
			}
			l.key = append(l.key, l.line[end:j]...)
			return j
		}
		if coded(w) || version(w) {
			l.hole(i, end, KindID)
			l.key = append(l.key, l.line[end:j]...)
			return j
		}
		if k, stop := l.address(i, end, limit); k != 0 {
			l.hole(i, stop, k)
			if stop > j {
				return stop
			}
			l.key = append(l.key, l.line[stop:j]...)
			return j
		}
	} else if k, stop := l.host(i, end, limit); k != 0 {
		l.hole(i, stop, k)
		if stop > j {
			return stop
		}
		l.key = append(l.key, l.line[stop:j]...)
		return j
	}
	if digits == 0 && len(l.key) > 0 && l.key[len(l.key)-1] == '=' && className(w) && w[0] != '<' && !l.protected(w) {
		l.hole(i, end, KindWord)
		l.key = append(l.key, l.line[end:j]...)
		return j
	}
	if w[0] != '<' && (digits == 0 && l.value(j, limit) || className(w) && (j >= limit || l.line[j] != '=')) && !l.protected(w) {
		l.weak(i, end, KindWord)
		l.key = append(l.key, l.line[end:j]...)
		return j
	}
	l.subs(i, j)
	return j
}

// subs masks the parts of a word, one by one.
func (l *lexer) subs(i, j int) {
	a := i
	for a < j {
		b, digits, letters := a, 0, 0
		for b < j {
			k := classes[l.line[b]]
			if k == cSub {
				break
			}
			if k == cDigit {
				digits++
			} else {
				letters++
			}
			b++
		}
		if b > a && b < j && l.line[b] == '-' && l.line[b-1] == '_' { // a signed number behind an underscore
			for b++; b < j && classes[l.line[b]] == cDigit; b++ {
				digits++
			}
		}
		switch {
		case b == a:
			l.key = append(l.key, l.line[a])
			a++
			continue
		case digits == 0:
			if b-a <= 5 && l.known(a, b) {
				break
			}
			l.key = append(l.key, l.line[a:b]...)
		case letters == 0:
			l.hole(a, b, KindNumber)
		case weakly(l.line[a:b], digits) && !(b+1 < j && l.line[b] == '.' && classes[l.line[b+1]] == cDigit): // v2.1 is a version
			l.weak(a, b, KindWord)
		default:
			l.hole(a, b, KindID)
		}
		a = b
	}
}

// weakly reports whether a word with digits may well be a name: it begins with a letter and has few digits.
func weakly(w []byte, digits int) bool {
	return digits <= 3 && classes[w[0]] == cWord && w[0] != '_' && !(len(w) > 2 && w[0] == '0' && w[1]|0x20 == 'x')
}

func hasDigit(w []byte) bool {
	for _, c := range w {
		if classes[c] == cDigit {
			return true
		}
	}
	return false
}

// number returns the kind of a whole word that is a number, maybe with a sign, a fraction, an exponent or a unit, or hexadecimal, or an identifier of hexadecimal groups; 0 for none.
func number(w []byte) Kind {
	s := w
	if len(s) > 1 && (s[0] == '-' || s[0] == '+' || s[0] == '<' || s[0] == '~') {
		s = s[1:]
	}
	if len(s) > 1 && (s[len(s)-1] == '>') {
		s = s[:len(s)-1]
	}
	if s[0] == '.' && len(s) > 1 {
		s = s[1:]
	}
	if classes[s[0]] == cDigit {
		if len(s) > 2 && s[0] == '0' && s[1]|0x20 == 'x' && allHex(s[2:]) {
			return KindHex
		}
		i := 0
		for i < len(s) && (classes[s[i]] == cDigit || s[i] == '.') {
			i++
		}
		if i == len(s) {
			dots := 0
			for _, c := range s {
				if c == '.' {
					dots++
				}
			}
			if dots == 3 {
				return KindAddress
			}
			return KindNumber
		}
		if k := unit(s[i:]); k != 0 {
			return k
		}
	}
	if isUUID(s) {
		return KindID
	}
	if len(s) >= 8 && allHex(s) {
		return KindHex
	}
	return 0
}

// unit returns the kind of what stands behind a number.
func unit(u []byte) Kind {
	switch string(u) {
	case "ns", "us", "ms", "s", "m", "h", "d", "sec", "min":
		return KindDuration
	case "%", "B", "k", "K", "M", "G", "T", "kB", "KB", "MB", "GB", "TB", "KiB", "MiB", "GiB", "Hz", "kHz", "MHz", "GHz", "b":
		return KindNumber
	}
	if u[0]|0x20 == 'e' && len(u) > 1 {
		v := u[1:]
		if len(v) > 1 && (v[0] == '-' || v[0] == '+') {
			v = v[1:]
		}
		for _, c := range v {
			if classes[c] != cDigit {
				return 0
			}
		}
		return KindNumber
	}
	return 0
}

func isHex(c byte) bool { return c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'f' }

func allHex(w []byte) bool {
	for _, c := range w {
		if !isHex(c) {
			return false
		}
	}
	return len(w) > 0
}

func isUUID(w []byte) bool {
	if len(w) != 36 || w[8] != '-' || w[13] != '-' || w[18] != '-' || w[23] != '-' {
		return false
	}
	for i, c := range w {
		if c != '-' && !isHex(c) || c == '-' && i != 8 && i != 13 && i != 18 && i != 23 {
			return false
		}
	}
	return true
}

// place masks a URL whose scheme is the word from i to j, a Windows path, and groups of hexadecimal digits parted by colons; it returns where that ends, 0 for none.
func (l *lexer) place(i, j, limit int) int {
	w := l.line[i:j]
	if j+2 < limit && l.line[j+1] == '/' && l.line[j+2] == '/' && len(w) <= 8 {
		k := l.until(j, limit)
		if u := l.line[i:k]; hasDigit(u) || bytes.ContainsAny(u, "@=") { // a password, a query
			l.hole(i, k, KindURL)
		} else {
			l.weak(i, k, KindURL)
		}
		return k
	}
	if len(w) == 1 && j+1 < limit && l.line[j+1] == '\\' {
		k := l.until(j, limit)
		l.hole(i, k, KindPath)
		return k
	}
	if port := l.port(j, limit); port > j+2 && hostlike(w) && wellKnown(l.line[j+1:port]) {
		l.hole(i, port, KindAddress)
		return port
	}
	if len(w) <= 4 && allHex(w) {
		groups, k := 1, j
		for k+1 < limit && l.line[k] == ':' {
			m := k + 1
			for m < limit && isHex(l.line[m]) {
				m++
			}
			if m-k > 5 || m == k+1 && groups > 1 && l.line[k-1] == ':' {
				break
			}
			groups, k = groups+1, m
		}
		if groups >= 5 && (k >= limit || classes[l.line[k]] >= cDelim) {
			l.hole(i, k, KindAddress)
			return k
		}
	}
	return 0
}

// wellKnown recognises the ports of the web, with which even a bare word is a host.
func wellKnown(port []byte) bool {
	switch string(port) {
	case "80", "443", "8080", "8443":
		return true
	}
	return false
}

// until returns where what began ends: at a space, a quote, a closing bracket, a comma that a space follows.
func (l *lexer) until(k, limit int) int {
	for k < limit {
		switch c := l.line[k]; {
		case classes[c] == cSpace, c == '"', c == '\'', c == ')', c == ']', c == '}', c == '>', c == '|', c == ';':
			return k
		case c == ',' && (k+1 >= limit || classes[l.line[k+1]] == cSpace):
			return k
		}
		k++
	}
	return k
}

// path returns where a path ends that begins at i: a slash and names, names with two slashes, a dot and a slash. 0 for none.
func (l *lexer) path(i, j, limit int) int {
	w := l.line[i:j]
	slashes := 0
	for _, c := range w {
		if c == '/' {
			slashes++
		}
	}
	switch {
	case slashes == 0, len(w) == slashes:
		return 0
	case w[0] == '/' && w[1] != '/':
	case (w[0] == '.' || w[0] == '~') && slashes > 0 && (w[1] == '/' || w[1] == '.' && w[2] == '/'):
	case slashes >= 2 && w[0] != '/':
	default:
		return 0
	}
	for _, c := range w {
		if c == '?' {
			return l.until(j, limit)
		}
	}
	if j+1 < limit && l.line[j] == '!' && l.line[j+1] == '/' {
		return l.until(j, limit)
	}
	for j > i+1 && l.line[j-1] == '.' {
		j--
	}
	return j
}

// protocol recognises HTTP/1.1, which belongs to the request before it.
func protocol(w []byte) bool {
	return len(w) >= 6 && len(w) <= 8 && string(w[:5]) == "HTTP/" && classes[w[5]] == cDigit
}

// quantity goes past what repeats a number for people: the unit behind "less than", and "bytes (2.74 KB)".
func (l *lexer) quantity(j, limit int, less bool) int {
	rest := l.line[j:limit]
	if less {
		for _, u := range []string{" sec", " ms", " s", " min"} {
			if len(rest) >= len(u) && string(rest[:len(u)]) == u && (len(rest) == len(u) || classes[rest[len(u)]] >= cDelim) {
				return j + len(u)
			}
		}
		return j
	}
	const bytes = " bytes"
	if len(rest) < len(bytes)+2 || string(rest[:len(bytes)]) != bytes || rest[len(bytes)] != ' ' || rest[len(bytes)+1] != '(' {
		return j
	}
	k := len(bytes) + 2
	for k < len(rest) && (classes[rest[k]] == cDigit || rest[k] == '.' || rest[k] == ' ') {
		k++
	}
	if k+2 < len(rest) && rest[k+1] == 'B' && rest[k+2] == ')' && classes[rest[k-1]] != cWord {
		l.key = append(l.key, ' ')
		l.weak(j+1, j+len(bytes), KindUnit)
		return j + k + 3
	}
	return j
}

// className recognises a dotted name of three labels or more.
func className(w []byte) bool {
	dots := 0
	for i, c := range w {
		switch {
		case c == '.':
			if i == 0 || w[i-1] == '.' || i == len(w)-1 {
				return false
			}
			dots++
		case c == '/' || c == '-' || classes[c] == cDigit && (i == 0 || w[i-1] == '.'):
			return false
		}
	}
	return dots >= 2
}

// version recognises what begins with a number and a dot and goes on with parts, as the versions of packages do: 5.36.0-7+deb12u3.
func version(w []byte) bool {
	if classes[w[0]] != cDigit {
		return false
	}
	dot := false
	for _, c := range w {
		switch c {
		case '.':
			dot = true
		case '+', '-', '~':
			if !dot {
				return false
			}
		default:
			if classes[c] == cSub {
				return false
			}
		}
	}
	return dot
}

// coded recognises an identifier of several groups, most of them with digits and none a word: R00-M0-N4-C:J17.
func coded(w []byte) bool {
	groups, with, run, digits := 0, 0, 0, 0
	for i := 0; i <= len(w); i++ {
		if i == len(w) || w[i] == '-' {
			if run == 0 || digits == 0 && run > 2 {
				return false
			}
			groups++
			if digits > 0 {
				with++
			}
			run, digits = 0, 0
			continue
		}
		switch classes[w[i]] {
		case cSub:
			return false
		case cDigit:
			digits++
		}
		run++
	}
	return groups >= 3 && with*2 > groups
}

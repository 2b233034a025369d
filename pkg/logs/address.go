package logs

// address recognises name/address:port as Java writes it, address:port and host7:port.
func (l *lexer) address(i, j, limit int) (Kind, int) {
	w := l.line[i:j]
	if dots := ipv4(w); dots {
		return KindAddress, l.port(j, limit)
	}
	for k := len(w) - 1; k > 0; k-- {
		if w[k] == '/' {
			if ipv4(w[k+1:]) {
				return KindAddress, l.port(j, limit)
			}
			break
		}
	}
	if stop := l.port(j, limit); stop > j+2 && classes[w[0]] == cWord && hostlike(w) {
		return KindAddress, stop
	}
	if domain(w) {
		return KindAddress, l.port(j, limit)
	}
	return 0, 0
}

// host recognises a name with a domain, and a dotted name with a port.
func (l *lexer) host(i, j, limit int) (Kind, int) {
	w := l.line[i:j]
	stop := l.port(j, limit)
	if domain(w) || stop > j+2 && hostlike(w) && hasDot(w) {
		return KindAddress, stop
	}
	return 0, 0
}

func hasDot(w []byte) bool {
	for _, c := range w {
		if c == '.' {
			return true
		}
	}
	return false
}

// port returns where ":digits" behind j ends, j if there is none.
func (l *lexer) port(j, limit int) int {
	if j+1 >= limit || l.line[j] != ':' {
		return j
	}
	k := j + 1
	for k < limit && classes[l.line[k]] == cDigit {
		k++
	}
	if k == j+1 || k-j > 6 || k < limit && classes[l.line[k]] < cDelim && l.line[k] != '.' && l.line[k] != '-' {
		return j
	}
	return k
}

func hostlike(w []byte) bool {
	for _, c := range w {
		if c != '.' && c != '-' && !(c >= 'a' && c <= 'z') && classes[c] != cDigit {
			return false
		}
	}
	return true
}

func ipv4(w []byte) bool {
	dots, run := 0, 0
	for _, c := range w {
		switch {
		case classes[c] == cDigit:
			if run++; run > 3 {
				return false
			}
		case c == '.':
			if run == 0 {
				return false
			}
			dots, run = dots+1, 0
		default:
			return false
		}
	}
	return dots == 3 && run > 0
}

// domain reports a host name by its last label: the generic ones with two labels, others (countries) from three on.
func domain(w []byte) bool {
	dots, last := 0, -1
	for i, c := range w {
		switch {
		case c == '.':
			if i == last+1 {
				return false
			}
			dots, last = dots+1, i
		case c == '-' || classes[c] == cDigit || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z':
		default:
			return false
		}
	}
	if dots == 0 || last == len(w)-1 {
		return false
	}
	switch tld := string(w[last+1:]); tld {
	case "com", "net", "org", "edu", "gov", "mil", "int", "info", "local", "localdomain", "internal":
		return true
	default:
		return dots >= 2 && len(tld) == 2 && tld[0] >= 'a' && tld[0] <= 'z' && tld[1] >= 'a' && tld[1] <= 'z'
	}
}

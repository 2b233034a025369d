package stage

import (
	"fmt"
	"hash/fnv"
	"math/bits"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/foreshock/foreshock/webhook/alert"
)

// maxWords bounds the words of an alert that are compared: the first ones say
// what it is about.
const maxWords = 60

// words are what an alert says, in small letters, with everything that names one
// of many (numbers, addresses, hashes) masked: its name, its labels but for those
// that name a host, its summary and description.
func words(a alert.Alert, hosts []string) []string {
	out := split(nil, a.Name())
	for _, n := range a.Labels.Names() {
		if n == "alertname" || slices.Contains(hosts, n) || slices.Contains(perInstance, n) {
			continue
		}
		out = append(out, n+"="+strings.Join(split(nil, a.Labels[n]), "-"))
	}
	for _, n := range []string{"summary", "description", "message"} {
		out = split(out, a.Annotations[n])
	}
	if len(out) > maxWords {
		out = out[:maxWords]
	}
	return out
}

// perInstance are labels that name one of many copies of the same.
var perInstance = []string{"instance", "pod", "pod_name", "container_id", "replica", "host", "hostname", "node", "endpoint", "uid"}

// split adds the masked words of a text.
func split(to []string, text string) []string {
	for _, w := range strings.FieldsFunc(text, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }) {
		if m := mask(strings.ToLower(w)); m != "#" || len(to) == 0 || to[len(to)-1] != "#" {
			to = append(to, m)
		}
	}
	return to
}

// mask replaces what names one of many: a word of hexadecimal digits with a
// decimal one among them, and the digits within other words.
func mask(w string) string {
	if !strings.ContainsAny(w, "0123456789") {
		return w
	}
	if strings.Trim(w, "0123456789abcdef") == "" || len(w) > 24 {
		return "#"
	}
	var b strings.Builder
	was := false
	for _, r := range w {
		is := r >= '0' && r <= '9'
		switch {
		case is && !was:
			b.WriteByte('#')
		case !is:
			b.WriteRune(r)
		}
		was = is
	}
	return b.String()
}

// simhash is a 64-bit fingerprint of words and pairs of words that differs in few
// bits between texts that differ in few words.
//
// Source: M. Charikar, Similarity Estimation Techniques from Rounding Algorithms,
// STOC 2002; G. Manku, A. Jain, A. Das Sarma, Detecting Near-Duplicates for Web
// Crawling, WWW 2007 (64 bits, distance 3, tables by blocks of bits).
func simhash(all []string) uint64 {
	var votes [64]int
	vote := func(parts ...string) {
		h := fnv.New64a()
		for _, p := range parts {
			_, _ = h.Write([]byte(p))
			_, _ = h.Write([]byte{0})
		}
		v := mix(h.Sum64())
		for i := range votes {
			if v&(1<<i) != 0 {
				votes[i]++
			} else {
				votes[i]--
			}
		}
	}
	for i, w := range all {
		vote(w)
		if i > 0 {
			vote(all[i-1], w)
		}
	}
	var out uint64
	for i, n := range votes {
		if n > 0 {
			out |= 1 << i
		}
	}
	return out
}

// mix spreads the bits of a hash: FNV leaves the high ones of short texts alike.
// (The finaliser of MurmurHash3, A. Appleby.)
func mix(h uint64) uint64 {
	h ^= h >> 33
	h *= 0xff51afd7ed558ccd
	h ^= h >> 33
	h *= 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}

// blocks are the four quarters of a hash: of two that differ in at most three
// bits one is the same.
func blocks(cluster string, h uint64) []string {
	out := make([]string, 4)
	for i := range out {
		out[i] = fmt.Sprintf("%s|%d:%04x", cluster, i, uint16(h>>(16*i)))
	}
	return out
}

func distance(a, b uint64) int { return bits.OnesCount64(a ^ b) }

// likeness is 1 less the share of words that must be added, removed or replaced
// to make one text of the other (Levenshtein's distance, on words).
func likeness(a, b []string) float64 {
	n := max(len(a), len(b))
	if n == 0 || slices.Equal(a, b) {
		return 1
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i, wa := range a {
		diagonal := row[0]
		row[0] = i + 1
		for j, wb := range b {
			next := diagonal
			if wa != wb {
				next = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], next
		}
	}
	return 1 - float64(row[len(b)])/float64(n)
}

// described is the Detail of a link by text: the hash and the words.
func described(h uint64, all []string) string {
	return strconv.FormatUint(h, 16) + " " + strings.Join(all, " ")
}

func readDescribed(detail string) (h uint64, all []string, ok bool) {
	first, rest, _ := strings.Cut(detail, " ")
	h, err := strconv.ParseUint(first, 16, 64)
	return h, strings.Fields(rest), err == nil
}

package evaluate

import "math/bits"

// shuffled orders names as Python's random.Random(seed).shuffle orders a list of that length: the reference scorer takes the first N files of such an order, and a
// table with a limit must hold the same files.
func shuffled(names []string, seed uint32) {
	g := newTwister(seed)
	for i := len(names) - 1; i > 0; i-- {
		j := g.below(uint32(i + 1))
		names[i], names[j] = names[j], names[i]
	}
}

// twister is the generator MT19937, seeded by an array of one word as Python does.
// Source: Matsumoto and Nishimura, Mersenne Twister: A 623-dimensionally equidistributed uniform pseudorandom number generator, ACM TOMACS 8(1), 1998,
// doi:10.1145/272991.272995; initialisation of 2002.
type twister struct {
	state [624]uint32
	at    int
}

func newTwister(seed uint32) *twister {
	const n = 624
	g := &twister{at: n}
	s := &g.state
	s[0] = 19650218
	for i := 1; i < n; i++ {
		s[i] = 1812433253*(s[i-1]^s[i-1]>>30) + uint32(i)
	}
	i := 1
	next := func() {
		if i++; i == n {
			s[0] = s[n-1]
			i = 1
		}
	}
	for range n {
		s[i] = (s[i] ^ (s[i-1]^s[i-1]>>30)*1664525) + seed
		next()
	}
	for range n - 1 {
		s[i] = (s[i] ^ (s[i-1]^s[i-1]>>30)*1566083941) - uint32(i)
		next()
	}
	s[0] = 1 << 31
	return g
}

func (g *twister) next() uint32 {
	const n, m = 624, 397
	s := &g.state
	if g.at == n {
		for i := range n {
			y := s[i]&(1<<31) | s[(i+1)%n]&(1<<31-1)
			s[i] = s[(i+m)%n] ^ y>>1 ^ (y&1)*0x9908b0df
		}
		g.at = 0
	}
	y := s[g.at]
	g.at++
	y ^= y >> 11
	y ^= y << 7 & 0x9d2c5680
	y ^= y << 15 & 0xefc60000
	return y ^ y>>18
}

// below returns a number in [0, n).
func (g *twister) below(n uint32) uint32 {
	shift := 32 - bits.Len32(n)
	for {
		if x := g.next() >> shift; x < n {
			return x
		}
	}
}

package logs

import "time"

// Move tells that a template became another one, or part of it.
type Move struct {
	From, To ID
	At       time.Time
}

// maxMoves is how many moves are remembered.
const maxMoves = 4096

// moves are the ids that templates had.
type moves struct {
	list []Move
	to   map[ID]ID
}

func (v *moves) add(from, to ID, at int64) {
	if from == to {
		return
	}
	delete(v.to, to)
	v.to[from] = to
	v.list = append(v.list, Move{from, to, time.Unix(0, at).UTC()})
	if len(v.list) > maxMoves {
		for _, m := range v.list[:maxMoves/4] {
			if v.to[m.From] == m.To {
				delete(v.to, m.From)
			}
		}
		v.list = append(v.list[:0], v.list[maxMoves/4:]...)
	}
}

func (v *moves) resolve(id ID) ID {
	for range maxMoves {
		to, ok := v.to[id]
		if !ok {
			return id
		}
		id = to
	}
	return id
}

// Moves returns what became of the templates that became part of others, the oldest first; the last few thousand are remembered.
func (m *Miner) Moves() []Move { return append([]Move(nil), m.moves.list...) }

// Resolve returns the id under which a template goes on, the same one if it did not move.
func (m *Miner) Resolve(id ID) ID { return m.moves.resolve(id) }

package logs

import (
	"fmt"
	"time"

	"github.com/foreshock/foreshock/pkg/wire"
)

// sessionsLayout names the form of the state.
const sessionsLayout = "foreshock open sessions 1"

// Marshal returns the open sessions, with secrets in their lines masked.
func (s *Sessions) Marshal() []byte {
	w := wire.Writer{}.Text(sessionsLayout).Ints(int64(s.order.Len()))
	for e := s.order.Front(); e != nil; e = e.Next() {
		v := e.Value.(*Session)
		w = w.Text(v.Key).Ints(v.First.UnixNano(), v.Last.UnixNano(), int64(len(v.Events)))
		for i, id := range v.Events {
			w = w.Ints(int64(id)).Text(Redact([]byte(v.Lines[i])))
		}
	}
	return w
}

// Restore puts back what Marshal returned; sessions beyond the options' bounds are left out. On an error there are no open sessions.
func (s *Sessions) Restore(state []byte) error {
	fresh, err := NewSessions(s.o)
	if err != nil {
		return err
	}
	*s = *fresh
	r := wire.NewReader(state)
	if r.Text() != sessionsLayout {
		return fmt.Errorf("open log sessions: state of another version: %w", wire.ErrCorrupt)
	}
	for n := r.Int(); n > 0 && n <= int64(len(state)); n-- {
		v := &Session{Key: r.Text(), First: time.Unix(0, r.Int()).UTC(), Last: time.Unix(0, r.Int()).UTC()}
		events := r.Int()
		if events < 1 || events > int64(len(state)) {
			r.Fail()
			break
		}
		bytes := 0
		for range events {
			v.Events, v.Lines = append(v.Events, ID(r.Int())), append(v.Lines, r.Text())
			bytes += len(v.Lines[len(v.Lines)-1])
		}
		if len(fresh.open) >= s.o.MaxSessions || len(v.Events) >= s.o.MaxEvents || fresh.open[v.Key] != nil {
			continue
		}
		fresh.open[v.Key] = fresh.order.PushBack(v)
		fresh.bytes += bytes
	}
	if err := r.Close(); err != nil {
		return fmt.Errorf("open log sessions: %w", err)
	}
	*s = *fresh
	return nil
}

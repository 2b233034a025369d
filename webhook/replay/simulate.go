package replay

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/foreshock/foreshock/webhook/alert"
	"github.com/foreshock/foreshock/webhook/policy"
)

// Patience is within which time a problem of its own must have been named in a
// message: the wait of a digest after the first message, and a hold.
const Patience = 15 * time.Minute

// Comparison is what a stream led to with Alertmanager alone and with the whole
// flow behind it.
type Comparison struct {
	Seed      uint64 `json:"seed"`
	Incidents int    `json:"incidents"`
	Alerts    int    `json:"alerts"`  // different ones
	Changes   int    `json:"changes"` // beginnings and ends
	// Peer is the messages of Alertmanager alone with DefaultGrouping, Ours those
	// of the flow, both to one channel.
	Peer      int     `json:"alertmanager"`
	Ours      int     `json:"foreshock"`
	Reduction float64 `json:"reduction"` // 1 - Ours/Peer
	// Independent counts the problems of their own, Hidden those that no message
	// named within Patience; Mixed those whose message was about another one's case.
	Independent int      `json:"independent"`
	Hidden      []string `json:"hidden"`
	Mixed       int      `json:"mixed"`
	// Untold counts all incidents that no message named within Patience.
	Untold int            `json:"untold"`
	Cases  int            `json:"cases"`
	Kinds  map[string]int `json:"kinds"` // our messages by what they say
}

// Simulate runs a stream through both. dir is for the store.
func Simulate(ctx context.Context, seed uint64, rules policy.Rules, dir string) (Comparison, error) {
	s := Generate(seed)
	end := s.End.Add(time.Hour)
	c := Comparison{Seed: seed, Incidents: len(s.Incidents), Alerts: len(s.of), Changes: len(s.changes), Kinds: map[string]int{}, Hidden: []string{}}
	c.Peer = len(DefaultGrouping().Notifications(s.changes, end))
	w, err := New(ctx, Options{Rules: rules, Graph: s.Graph, Dir: dir})
	if err != nil {
		return c, err
	}
	defer w.Close()
	for _, n := range Ungrouped().Notifications(s.changes, end) {
		m := alert.Message{Source: alert.Alertmanager, Receiver: "foreshock", GroupKey: n.Group, Alerts: n.Alerts}
		if err := w.Deliver(ctx, alert.Delivery{Cluster: "sim", Received: n.At, Message: m}); err != nil {
			return c, err
		}
	}
	if err := w.Until(ctx, end); err != nil {
		return c, err
	}
	c.Ours = len(w.Messages)
	if c.Peer > 0 {
		c.Reduction = 1 - float64(c.Ours)/float64(c.Peer)
	}
	c.judge(s, w)
	return c, nil
}

// judge finds out which incidents were named in time, and where.
func (c *Comparison) judge(s Stream, w *World) {
	named := map[int]time.Time{}
	about := map[string]map[int]bool{} // incidents by case, of messages
	in := map[int]string{}             // case by incident, of the first message
	for _, m := range w.Messages {
		c.Kinds[string(m.Notice.What)]++
		for _, a := range m.Notice.Alerts {
			id := s.of[a.Fingerprint]
			if _, ok := named[id]; !ok {
				named[id], in[id] = m.At, m.Notice.Case.ID
			}
			if about[m.Notice.Case.ID] == nil {
				about[m.Notice.Case.ID] = map[int]bool{}
			}
			about[m.Notice.Case.ID][id] = true
		}
	}
	c.Cases = len(about)
	for _, one := range s.Incidents {
		at, ok := named[one.ID]
		late := !ok || at.Sub(one.Start) > Patience
		if late {
			c.Untold++
		}
		if one.Kind != KindIndependent {
			continue
		}
		c.Independent++
		if late {
			c.Hidden = append(c.Hidden, fmt.Sprintf("%d (%s)", one.ID, one.changes[0].a.Name()))
		}
		if ok && len(about[in[one.ID]]) > 1 {
			c.Mixed++
		}
	}
	slices.Sort(c.Hidden)
}

package stage

import (
	"time"

	"github.com/foreshock/foreshock/webhook/alert"
	"github.com/foreshock/foreshock/webhook/policy"
)

// Store is what the whole chain reads.
type Store interface {
	Reader
	ReviewStore
}

// Parts are what the chain and its reviews are made of.
type Parts struct {
	Store     Store
	Rules     func() policy.Rules
	Authority Authority                         // nil: see Dedup
	Graph     func() Graph                      // nil: no service graph
	Silences  func(cluster string) policy.Mutes // nil: none are known
	Restarts  func(l alert.Labels) (int, bool)  // nil: see Flap
	Metrics   *Metrics                          // nil: nothing is counted
	NewID     func() string                     // nil: ULIDs
	Now       func() time.Time                  // of reviews; nil: time.Now
	Ask       Ask                               // of reviews; nil: queries are unknown
}

// Chain is the order of the stages. Order is a decision: what an alert is comes
// before what it belongs to; how urgent it is before whether it goes to the case
// of a storm, where P0 never goes; and only what would be told can be muted.
func (p Parts) Chain() Chain {
	return Chain{
		Normalise{},
		Dedup{Store: p.Store, Authority: p.Authority, Metrics: p.Metrics},
		Watch{Rules: p.Rules},
		Grade{Rules: p.Rules},
		Flap{Rules: p.Rules, Restarts: p.Restarts},
		Similar{Rules: p.Rules, Store: p.Store},
		Correlate{Rules: p.Rules, Store: p.Store, Graph: p.Graph},
		Regrade{Rules: p.Rules, Graph: p.Graph},
		Storm{Rules: p.Rules, Store: p.Store},
		Mute{Rules: p.Rules, Store: p.Store, Silences: p.Silences},
		Plan{Rules: p.Rules, NewID: p.NewID},
	}
}

// Reviewer is what looks at cases again.
func (p Parts) Reviewer() Reviewer {
	return Reviewer{
		Store: p.Store, Rules: p.Rules, Silences: p.Silences, Graph: p.Graph, Restarts: p.Restarts, Ask: p.Ask, NewID: p.NewID, Now: p.Now,
	}
}

package cases

import (
	"time"

	"github.com/foreshock/foreshock/webhook/alert"
	"github.com/foreshock/foreshock/webhook/policy"
)

// Query selects cases. Zero fields do not restrict.
type Query struct {
	States  []State
	Grades  []policy.Grade
	Cluster string
	Text    string // in title or labels, regardless of case
	Since   time.Time
	Until   time.Time // on UpdatedAt: Since ≤ t < Until
	Before  string    // only cases sorted after this ID: the last one of the page before
	Limit   int       // 0 = 100, at most 1000
}

// OpenStates selects what wants attention.
func OpenStates() []State { return []State{New, Triage, InProgress, Pending} }

// Story is a case with all that belongs to it, for one page.
type Story struct {
	Case     Case
	Alerts   []Alert   // members, firing first, then by identity; at most 1000
	Events   []Event   // oldest first; at most the 1000 newest
	Actions  []Action  // oldest first; at most the 1000 newest
	Attempts []Attempt // of those actions, by action and number
}

// DeliveryInfo is one line of the list of deliveries.
type DeliveryInfo struct {
	ID       string       `json:"id"`
	Cluster  string       `json:"cluster"`
	Source   alert.Source `json:"source"`
	Sender   string       `json:"sender"`
	Receiver string       `json:"receiver"`
	GroupKey string       `json:"groupKey"`
	Received time.Time    `json:"received"`
	Alerts   int          `json:"alerts"`
	RawSize  int64        `json:"rawSize"`
	RawCut   bool         `json:"rawCut"`
	HasRaw   bool         `json:"hasRaw"`
}

// Counts are totals over everything stored now.
type Counts struct {
	Cases      map[State]int        // every state has a key
	OpenGrades map[policy.Grade]int // open cases; every grade has a key
	Actions    map[ActionState]int  // every state has a key
	Firing     int                  // alerts that fire
	Deliveries int
	OldestDue  time.Time // due time of the oldest action that waits, zero if none
}

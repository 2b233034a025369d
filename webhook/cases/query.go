package cases

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
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
	Order   Order     // "" is Newest
	Before  string    // only cases sorted after this place: Place of the last one of the page before
	Limit   int       // 0 = 100, at most 1000
}

// Order of a list of cases.
type Order string

// The orders of lists.
const (
	Newest    Order = ""        // by ID, the newest first
	ByUrgency Order = "urgency" // the highest grade first, the newest of a grade first
)

// Place is where the case stands in a list of this order, for Query.Before.
func (o Order) Place(c Case) string {
	if o == ByUrgency {
		return c.Grade.String() + "-" + c.ID
	}
	return c.ID
}

// Urgency splits a place of the order ByUrgency; ok is false when it is none.
func Urgency(place string) (g policy.Grade, id string, ok bool) {
	grade, id, ok := strings.Cut(place, "-")
	return g, id, ok && g.UnmarshalText([]byte(grade)) == nil
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

// LedgerQuery selects attempts. Zero fields do not restrict.
type LedgerQuery struct {
	Channel  string
	CaseID   string
	Results  []string  // see Attempt.Result
	Since    time.Time // on Began: Since ≤ t < Until
	Until    time.Time
	Internal bool   // also the service's own later steps, which leave it not
	Before   string // only lines sorted after this: LedgerLine.Cursor of the last one of the page before
	Limit    int    // 0 = 100, at most 1000
}

// LedgerLine is one attempt with what it was about.
type LedgerLine struct {
	Attempt
	Key     string       `json:"key"` // of the message, the same at every attempt
	Urgency policy.Grade `json:"urgency"`
	Planned time.Time    `json:"planned,omitzero"`
	Title   string       `json:"title,omitempty"` // of the case
}

// Cursor names the place of the line in the ledger, for LedgerQuery.Before.
func (l LedgerLine) Cursor() string {
	return fmt.Sprintf("%d.%d.%s", l.Began.UnixMicro(), l.N, l.ActionID)
}

// Cursor takes Before apart.
func (q LedgerQuery) Cursor() (began int64, actionID string, n int64, err error) {
	first, rest, _ := strings.Cut(q.Before, ".")
	second, id, ok := strings.Cut(rest, ".")
	began, err1 := strconv.ParseInt(first, 10, 64)
	n, err2 := strconv.ParseInt(second, 10, 64)
	if !ok || err1 != nil || err2 != nil {
		return 0, "", 0, fmt.Errorf("before %.80q: %w", q.Before, ErrBadCursor)
	}
	return began, id, n, nil
}

// ErrBadCursor is returned for a Before that is none.
var ErrBadCursor = errors.New("want the cursor of a line of the ledger")

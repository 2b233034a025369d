// Package store keeps what must survive: deliveries, alerts, cases, timelines
// and actions, in SQLite or in PostgreSQL.
//
// The idea: consumers declare what they need as small interfaces (stage.Reader,
// stage.Committer, action.Queue, api's pages); DB satisfies them all on both
// databases with the same SQL, and storetest is the suite that both pass. A
// cases.Change is one transaction. Rows carry a version: a change based on an
// older one is cases.ErrConflict, so that any number of receivers come to the
// same state. SQLite has one writer, which commits the changes of concurrent
// deliveries together.
//
//	db, err := store.Open(ctx, store.Options{URL: "sqlite:///var/lib/foreshock/webhook.db"})
//	defer db.Close()
//	err = db.Commit(ctx, change) // durable when nil
//
// It decides nothing: it neither folds alerts nor knows the state machines.
package store

import (
	"context"
	"time"

	"github.com/foreshock/foreshock/webhook/alert"
	"github.com/foreshock/foreshock/webhook/cases"
	"github.com/foreshock/foreshock/webhook/policy"
)

// Store is everything that a store does: what the conformance suite tests.
// Consumers declare the part that they use. All methods may be called
// concurrently.
type Store interface {
	// Prior: see stage.Reader. Cases of the alerts are included.
	Prior(ctx context.Context, ids []alert.Identity, keys []string) (cases.Prior, error)
	// Commit: see stage.Committer.
	Commit(ctx context.Context, ch cases.Change) error

	// Links reads the links of a kind under some keys, by case and key; CasesByID
	// the cases of some IDs, Splits what people took apart of some alerts, Mutes
	// the mutes by command that end after a time. See stage.Reader.
	Links(ctx context.Context, q cases.LinkQuery) ([]cases.Link, error)
	CasesByID(ctx context.Context, ids []string) (map[string]cases.Case, error)
	Splits(ctx context.Context, alerts []string) ([]cases.Split, error)
	Mutes(ctx context.Context, after time.Time) ([]cases.MuteOrder, error)
	// Mute reads one mute by command; cases.ErrNotFound.
	Mute(ctx context.Context, id string) (cases.MuteOrder, error)
	// Members reads at most so many alerts of a case: first those that flap, then
	// those that fire.
	Members(ctx context.Context, caseID string, most int) ([]cases.Alert, error)
	// AlertsLike reads the alerts of a fingerprint, in any cluster; Alerts those of
	// a status ("": any), those seen last first, at most so many.
	AlertsLike(ctx context.Context, fingerprint string) ([]cases.Alert, error)
	Alerts(ctx context.Context, status alert.Status, most int) ([]cases.Alert, error)

	// DueChannels names the channels with actions that could be claimed at now.
	DueChannels(ctx context.Context, now time.Time) ([]string, error)
	// NextDue is the earliest due time later than after of any action that
	// waits; zero if none.
	NextDue(ctx context.Context, after time.Time) (time.Time, error)
	// Claim marks due actions as running and hands them out, at most one per
	// lane, in the order of Planned. Nobody else gets them before the lease ends.
	// Those whose condition (Action.While) does not hold are called off instead.
	Claim(ctx context.Context, r cases.ClaimRequest) ([]cases.Action, error)
	// FinishAll is Finish for attempts that were one message, in one step; those
	// whose lease was lost are left out and named.
	FinishAll(ctx context.Context, all []cases.Result) (lost []string, err error)
	// Waiting counts the messages of the channel that are due at now; it stops
	// counting at a thousand of each.
	Waiting(ctx context.Context, channel string, now time.Time) (policy.Waiting, error)
	// Bucket is what was spent at a destination; empty when nothing is known.
	Bucket(ctx context.Context, name string) (policy.Bucket, error)
	// Conditions says how these channels do, or all that were ever tried, by the
	// messages of all replicas (see cases.Result.Try); in the order of their names.
	Conditions(ctx context.Context, channels ...string) ([]policy.Condition, error)
	// Block lets nothing go to a destination before the time.
	Block(ctx context.Context, name string, until time.Time) error
	// Stuck lists messages of this urgency that were planned before the time, still
	// wait, and were not given to another channel yet; oldest first, at most 200.
	// With channels, only theirs.
	Stuck(ctx context.Context, urgency policy.Grade, before time.Time, channels []string) ([]cases.Action, error)
	// Ledger lists attempts, newest first.
	Ledger(ctx context.Context, q cases.LedgerQuery) ([]cases.LedgerLine, error)

	// Extend prolongs the leases of these actions, as far as the holder still has
	// them, and returns the IDs of those.
	Extend(ctx context.Context, holder string, ids []string, until time.Time) ([]string, error)
	// Finish records an attempt: cases.ErrLost when the lease is another's by
	// now, cases.ErrConflict when r.Change is stale.
	Finish(ctx context.Context, r cases.Result) error
	// Clock is the database's own time, zero when it has none that processes
	// share, and how often Shift was done.
	Clock(ctx context.Context) (now time.Time, shifts int64, err error)
	// Shift moves all that waits by a jump of the clock, if Shift was done that
	// often and not more, and returns how many actions moved, and how often it was
	// done now.
	Shift(ctx context.Context, by time.Duration, shifts int64) (moved, now int64, err error)
	// Reap makes actions unknown whose lease ended before now, with a timeline
	// event and a line in the ledger each, and returns them.
	Reap(ctx context.Context, now time.Time) ([]cases.Action, error)

	// Cases lists cases, newest first.
	Cases(ctx context.Context, q cases.Query) ([]cases.Case, error)
	// Case reads one case; cases.ErrNotFound.
	Case(ctx context.Context, caseID string) (cases.Case, error)
	// Story reads one case with everything; cases.ErrNotFound.
	Story(ctx context.Context, caseID string) (cases.Story, error)
	// Deliveries lists deliveries, newest first, those before the given ID when
	// it is not empty.
	Deliveries(ctx context.Context, before string, limit int) ([]cases.DeliveryInfo, error)
	// Body is the raw body of a delivery as received (cut: only its beginning);
	// cases.ErrNotFound when it was not kept.
	Body(ctx context.Context, deliveryID string) (body []byte, cut bool, err error)
	// Observations lists what was decided about an alert, newest first.
	Observations(ctx context.Context, id alert.Identity, limit int) ([]cases.Observation, error)
	// Messages reads the newest message of each channel about each of these cases, without payloads, in the order of the channels' first
	// messages.
	Messages(ctx context.Context, caseIDs []string) (map[string][]cases.Action, error)
	// Similar lists other cases of the same key or title, newest first.
	Similar(ctx context.Context, c cases.Case, limit int) ([]cases.Case, error)
	// Statistics reads what happened from since to until, which is exclusive.
	Statistics(ctx context.Context, since, until time.Time) (cases.Statistics, error)
	// Key is a random key of that name, made when it is first asked for; the same for everybody on this store.
	Key(ctx context.Context, name string) ([]byte, error)
	// Counts reads totals.
	Counts(ctx context.Context) (cases.Counts, error)

	// Overrides lists the on-call overrides that end after a moment, in the order
	// in which they were given.
	Overrides(ctx context.Context, after time.Time) ([]cases.Override, error)
	// Override stores one with a line of the audit log.
	Override(ctx context.Context, o cases.Override, e cases.Event) error
	// EndOverride ends one now; cases.ErrNotFound when none of that ID lasts.
	EndOverride(ctx context.Context, id string, now time.Time, e cases.Event) error
	// Audit lists who changed what, newest first.
	Audit(ctx context.Context, q cases.AuditQuery) ([]cases.Event, error)
	// Heartbeats lists what is known of all watchdogs.
	Heartbeats(ctx context.Context) ([]cases.Heartbeat, error)
	// Silent notes since when a watchdog is silent, or that it no longer is.
	Silent(ctx context.Context, h cases.Heartbeat) error

	// Trim deletes what is older than asked, in small steps, and returns how
	// many rows went.
	Trim(ctx context.Context, t Retention) (int64, error)
	// Ready proves that the store can write, durably.
	Ready(ctx context.Context) error
	// Close waits for running writes and closes.
	Close() error
}

// Retention says what Trim may delete. Zero times delete nothing. Open cases
// and waiting actions are never deleted.
type Retention struct {
	Bodies     time.Time // raw bodies received before
	Deliveries time.Time // deliveries and observations received before
	Cases      time.Time // closed cases, with all of theirs, closed before; counts of alerts of a time before, mutes that ended and splits given before
	Reviews    time.Time // reviews carried out before, with their attempts, also of open cases: there is one a minute
	Links      time.Time // links whose newest alert started before
	Once       time.Time // names of requests that count once, of before
}

// Options say where the store is.
type Options struct {
	// URL is sqlite:///absolute/path.db (or sqlite:relative.db) or
	// postgres://user:password@host:port/database?….
	URL string
	// Now is the clock for retention and migration only; nil is time.Now.
	Now func() time.Time
	// ReadOnly opens an existing SQLite file beside the process that owns it;
	// every write is an error. Ignored by PostgreSQL.
	ReadOnly bool
	// Scratch gives durability up for speed: for replays on a file that is thrown
	// away. Ignored by PostgreSQL.
	Scratch bool
}

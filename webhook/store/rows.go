package store

import (
	"encoding/json"
	"fmt"

	"github.com/foreshock/foreshock/webhook/alert"
	"github.com/foreshock/foreshock/webhook/cases"
)

// Columns in the order in which rows are written and read.
const (
	alertKey     = "cluster fingerprint"
	alertColumns = "case_id status last last_fired ended_from last_ended disbelieved first_seen last_seen noise version"
	caseKey      = "id"
	caseColumns  = "useful useless key cluster title labels state grade grade_reason channels routes epoch firing total " +
		"started_at opened_at updated_at resolved_at closed_at owner acked_by acked_at ack_expiry ladder sla noise version"
	actionColumns = "urgency id key case_id kind channel lane epoch payload state outcome planned due attempts " +
		"created_at updated_at last_error receipt holder lease_until only_while"
	eventColumns   = "case_id at kind actor origin from_state to_state channel action_id delivery_id alert note via"
	attemptColumns = "action_id n case_id channel began ended result error receipt"
	observeColumns = "delivery_id n cluster fingerprint status starts_at ends_at at decision reason note case_id"
)

// tables are the statements that write. (A registry of this package: constants
// in all but name.)
var (
	alertTable    = upsert("alerts", alertKey, alertColumns)
	caseTable     = upsert("cases", caseKey, caseColumns)
	actionTable   = newTable("actions", actionColumns, "ON CONFLICT (key) DO NOTHING")
	eventTable    = newTable("events", eventColumns, "")
	attemptTable  = newTable("attempts", attemptColumns, "ON CONFLICT (action_id, n) DO NOTHING")
	observeTable  = newTable("observations", observeColumns, "ON CONFLICT (delivery_id, n) DO NOTHING")
	tallyTable    = newTable("tallies", "slot decision reason shard n", "ON CONFLICT (slot, decision, reason, shard) DO UPDATE SET n = tallies.n + excluded.n")
	deliveryTable = newTable("deliveries", "id cluster source sender receiver group_key received alerts raw_size raw_cut", "ON CONFLICT (id) DO NOTHING")
	splitTable    = newTable("splits", "alert key by at", "ON CONFLICT (alert, key) DO NOTHING")
	muteTable     = newTable("mutes", "id ends body", "ON CONFLICT (id) DO UPDATE SET ends = excluded.ends, body = excluded.body")
	bodyTable     = newTable("bodies", "delivery_id received raw", "ON CONFLICT (delivery_id) DO NOTHING")
)

// structure is a value as JSON text; everything stored so is a plain value of
// ours, which always has one.
func structure(v any) (string, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return "", fmt.Errorf("encoding %T: %w", v, err)
	}
	return string(b), nil
}

func alertRow(a cases.Alert) ([]any, error) {
	last, err := lastJSON(a.Last)
	if err != nil {
		return nil, err
	}
	noise, err := noiseJSON(a.AlertNoise)
	return []any{
		text(a.Identity.Cluster), text(a.Identity.Fingerprint), a.CaseID, text(a.Status), last, micros(a.LastFired), micros(a.EndedFrom),
		micros(a.LastEnded), micros(a.Disbelieved), micros(a.FirstSeen), micros(a.LastSeen), text(noise), a.Version + 1,
	}, err
}

func scanAlert(scan func(...any) error) (a cases.Alert, err error) {
	var last, noise []byte
	var fired, from, ended, dis, first, seen int64
	err = scan(&a.Identity.Cluster, &a.Identity.Fingerprint, &a.CaseID, &a.Status, &last, &fired, &from, &ended, &dis, &first, &seen, &noise, &a.Version)
	if err != nil {
		return a, err
	}
	a.LastFired, a.EndedFrom, a.LastEnded, a.Disbelieved = moment(fired), moment(from), moment(ended), moment(dis)
	a.FirstSeen, a.LastSeen = moment(first), moment(seen)
	if err := json.Unmarshal(last, &a.Last); err != nil {
		return a, fmt.Errorf("decoding alert %s: %w", a.Identity, err)
	}
	if err := json.Unmarshal(noise, &a.AlertNoise); err != nil {
		return a, fmt.Errorf("decoding alert %s: %w", a.Identity, err)
	}
	return a, nil
}

func caseRow(c cases.Case) ([]any, error) {
	if c.Labels == nil {
		c.Labels = alert.Labels{}
	}
	labels, err := structure(c.Labels)
	if err != nil {
		return nil, err
	}
	channels, err := structure(append([]string{}, c.Channels...))
	if err != nil {
		return nil, err
	}
	routes, err := structure(append([]string{}, c.Routes...))
	if err != nil {
		return nil, err
	}
	ladder, err := structure(c.Ladder)
	if err != nil {
		return nil, err
	}
	sla, err := structure(c.SLA)
	if err != nil {
		return nil, err
	}
	noise, err := structure(c.CaseNoise)
	return []any{
		c.ID, int64(c.Useful), int64(c.Useless), text(c.Key), text(c.Cluster), text(c.Title), labels, text(c.State), int64(c.Grade), text(c.GradeReason), channels, routes,
		int64(c.Epoch), int64(c.Firing), int64(c.Total), micros(c.StartedAt), micros(c.OpenedAt), micros(c.UpdatedAt), micros(c.ResolvedAt),
		micros(c.ClosedAt), text(c.Owner), text(c.AckedBy), micros(c.AckedAt), micros(c.AckExpiry), ladder, sla, text(noise), c.Version + 1,
	}, err
}

func scanCase(scan func(...any) error) (c cases.Case, err error) {
	var labels, channels, routes, ladder, sla, noise []byte
	var started, opened, updated, resolved, closed, acked, expiry int64
	err = scan(&c.ID, &c.Useful, &c.Useless, &c.Key, &c.Cluster, &c.Title, &labels, &c.State, &c.Grade, &c.GradeReason, &channels, &routes, &c.Epoch, &c.Firing,
		&c.Total, &started, &opened, &updated, &resolved, &closed, &c.Owner, &c.AckedBy, &acked, &expiry, &ladder, &sla, &noise, &c.Version)
	if err != nil {
		return c, err
	}
	c.StartedAt, c.OpenedAt, c.UpdatedAt = moment(started), moment(opened), moment(updated)
	c.ResolvedAt, c.ClosedAt, c.AckedAt, c.AckExpiry = moment(resolved), moment(closed), moment(acked), moment(expiry)
	for _, f := range []struct {
		from []byte
		to   any
	}{{labels, &c.Labels}, {channels, &c.Channels}, {routes, &c.Routes}, {ladder, &c.Ladder}, {sla, &c.SLA}, {noise, &c.CaseNoise}} {
		if err := json.Unmarshal(f.from, f.to); err != nil {
			return c, fmt.Errorf("decoding case %s: %w", c.ID, err)
		}
	}
	return c, nil
}

func actionRow(a cases.Action) ([]any, error) {
	receipt, err := structure(a.Receipt)
	return []any{
		int64(a.Urgency), a.ID, text(a.Key), a.CaseID, text(a.Kind), text(a.Channel), text(a.Lane), int64(a.Epoch), text(string(a.Payload)), text(a.State), text(a.Outcome),
		micros(a.Planned), micros(a.Due), int64(a.Attempts), micros(a.CreatedAt), micros(a.UpdatedAt), text(a.LastError), receipt, a.Holder,
		micros(a.LeaseUntil), text(a.While),
	}, err
}

func scanAction(scan func(...any) error) (a cases.Action, err error) {
	var payload, receipt []byte
	var planned, due, created, updated, lease int64
	err = scan(&a.Urgency, &a.ID, &a.Key, &a.CaseID, &a.Kind, &a.Channel, &a.Lane, &a.Epoch, &payload, &a.State, &a.Outcome, &planned, &due, &a.Attempts,
		&created, &updated, &a.LastError, &receipt, &a.Holder, &lease, &a.While)
	if err != nil {
		return a, err
	}
	if len(payload) > 0 {
		a.Payload = payload
	}
	a.Planned, a.Due, a.CreatedAt, a.UpdatedAt, a.LeaseUntil = moment(planned), moment(due), moment(created), moment(updated), moment(lease)
	if err := json.Unmarshal(receipt, &a.Receipt); err != nil {
		return a, fmt.Errorf("decoding action %s: %w", a.ID, err)
	}
	return a, nil
}

func eventRow(e cases.Event) []any {
	return []any{
		e.CaseID, micros(e.At), text(e.Kind), text(e.Actor), text(e.Origin), text(e.From), text(e.To), text(e.Channel), e.ActionID, e.DeliveryID,
		text(e.Alert), text(e.Note), text(e.Via),
	}
}

func scanEvent(scan func(...any) error) (e cases.Event, err error) {
	var at int64
	err = scan(&e.ID, &e.CaseID, &at, &e.Kind, &e.Actor, &e.Origin, &e.From, &e.To, &e.Channel, &e.ActionID, &e.DeliveryID, &e.Alert, &e.Note, &e.Via)
	e.At = moment(at)
	return e, err
}

func attemptRow(a cases.Attempt) ([]any, error) {
	receipt, err := structure(a.Receipt)
	return []any{
		a.ActionID, int64(a.N), a.CaseID, text(a.Channel), micros(a.Began), micros(a.Ended), text(a.Result), text(a.Error), receipt,
	}, err
}

func scanAttempt(scan func(...any) error) (a cases.Attempt, err error) {
	var began, ended int64
	var receipt []byte
	if err = scan(&a.ActionID, &a.N, &a.CaseID, &a.Channel, &began, &ended, &a.Result, &a.Error, &receipt); err != nil {
		return a, err
	}
	a.Began, a.Ended = moment(began), moment(ended)
	if err := json.Unmarshal(receipt, &a.Receipt); err != nil {
		return a, fmt.Errorf("decoding attempt %d of %s: %w", a.N, a.ActionID, err)
	}
	return a, nil
}

func observationRow(o cases.Observation) []any {
	return []any{
		o.DeliveryID, int64(o.N), text(o.Identity.Cluster), text(o.Identity.Fingerprint), text(o.Status), micros(o.StartsAt), micros(o.EndsAt),
		micros(o.At), o.Decision, o.Reason, text(o.Note), o.CaseID,
	}
}

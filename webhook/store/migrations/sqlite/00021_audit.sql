-- The audit log: every change of state, owner or grade, and everything that a person did.
-- +goose Up
DROP INDEX events_audit;
CREATE INDEX events_audit ON events (id) WHERE (kind IN ('state', 'assigned', 'graded') OR via <> '');
CREATE INDEX events_service ON events (at) WHERE case_id = '';

-- +goose Down
DROP INDEX events_service;
DROP INDEX events_audit;
CREATE INDEX events_audit ON events (id) WHERE kind IN ('state', 'assigned', 'note', 'graded', 'overridden');

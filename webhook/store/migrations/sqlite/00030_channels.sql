-- Channels: how urgent a message is and whether it also went another way, what was sent where, requests that count once, what people thought of a case.
-- +goose Up
ALTER TABLE actions ADD COLUMN urgency BIGINT NOT NULL DEFAULT 0;
ALTER TABLE actions ADD COLUMN relayed BIGINT NOT NULL DEFAULT 0;
DROP INDEX actions_order;
CREATE INDEX actions_order ON actions (channel, urgency, planned, id) WHERE state IN ('due', 'retry', 'unknown');
CREATE INDEX actions_stuck ON actions (urgency, planned) WHERE state IN ('due', 'retry', 'unknown') AND kind = 'notify' AND relayed = 0;
ALTER TABLE cases ADD COLUMN useful BIGINT NOT NULL DEFAULT 0;
ALTER TABLE cases ADD COLUMN useless BIGINT NOT NULL DEFAULT 0;
CREATE INDEX attempts_ledger ON attempts (began, action_id, n);
CREATE INDEX attempts_channel ON attempts (channel, began, action_id, n);

-- What was sent to a destination, for its quota: one row each, as JSON text.
CREATE TABLE buckets (
    name    TEXT PRIMARY KEY,
    state   TEXT NOT NULL,
    version BIGINT NOT NULL
);

-- Requests from outside that must count once, by a name of theirs.
CREATE TABLE once (
    name TEXT PRIMARY KEY,
    at   BIGINT NOT NULL
);
CREATE INDEX once_at ON once (at);

-- +goose Down
DROP TABLE once;
DROP TABLE buckets;
DROP INDEX attempts_channel;
DROP INDEX attempts_ledger;
ALTER TABLE cases DROP COLUMN useless;
ALTER TABLE cases DROP COLUMN useful;
DROP INDEX actions_stuck;
DROP INDEX actions_order;
CREATE INDEX actions_order ON actions (channel, planned, id) WHERE state IN ('due', 'retry', 'unknown');
ALTER TABLE actions DROP COLUMN relayed;
ALTER TABLE actions DROP COLUMN urgency;

-- Escalation: how far a case has come, by what way people acted, conditions of actions, overrides of schedules, signs of life.
-- +goose Up
ALTER TABLE cases ADD COLUMN ladder TEXT NOT NULL DEFAULT '{}';
ALTER TABLE cases ADD COLUMN sla TEXT NOT NULL DEFAULT '{}';
ALTER TABLE events ADD COLUMN via TEXT NOT NULL DEFAULT '';
ALTER TABLE actions ADD COLUMN only_while TEXT NOT NULL DEFAULT '';
CREATE INDEX events_audit ON events (id) WHERE kind IN ('state', 'assigned', 'note', 'graded', 'overridden');

CREATE TABLE overrides (
    id       TEXT PRIMARY KEY,
    schedule TEXT NOT NULL,
    person   TEXT NOT NULL,
    starts   BIGINT NOT NULL,
    ends     BIGINT NOT NULL,
    by_whom  TEXT NOT NULL,
    note     TEXT NOT NULL,
    given    BIGINT NOT NULL
);
CREATE INDEX overrides_ends ON overrides (ends);

CREATE TABLE heartbeats (
    watchdog  TEXT NOT NULL,
    cluster   TEXT NOT NULL,
    last_beat BIGINT NOT NULL,
    last_seen BIGINT NOT NULL,
    silent    BIGINT NOT NULL,
    PRIMARY KEY (watchdog, cluster)
);

-- +goose Down
DROP TABLE heartbeats;
DROP TABLE overrides;
DROP INDEX events_audit;
ALTER TABLE actions DROP COLUMN only_while;
ALTER TABLE events DROP COLUMN via;
ALTER TABLE cases DROP COLUMN sla;
ALTER TABLE cases DROP COLUMN ladder;

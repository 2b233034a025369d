-- What the pages and the plugin count: alerts by what was decided, per five minutes, and the order of lists. A slot is counted in several
-- shards, so that receivers that commit at the same time do not wait for one row.
-- +goose Up
CREATE TABLE tallies (
    slot     BIGINT NOT NULL,
    decision TEXT NOT NULL,
    reason   TEXT NOT NULL,
    shard    BIGINT NOT NULL,
    n        BIGINT NOT NULL,
    PRIMARY KEY (slot, decision, reason, shard)
);
CREATE INDEX cases_opened ON cases (opened_at);
CREATE INDEX cases_urgency ON cases (grade, id, state) WHERE state NOT IN ('resolved', 'closed');
CREATE INDEX cases_key ON cases (key, id);
CREATE INDEX cases_title ON cases (title, id);
CREATE INDEX attempts_began ON attempts (began, channel, ended, result);

-- +goose Down
DROP INDEX attempts_began;
DROP INDEX cases_title;
DROP INDEX cases_key;
DROP INDEX cases_urgency;
DROP INDEX cases_opened;
DROP TABLE tallies;

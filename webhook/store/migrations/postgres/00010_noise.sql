-- What noise reduction keeps with alerts and cases, the links by which alerts find their case, splits, and mutes by command.
-- +goose Up
ALTER TABLE alerts ADD COLUMN noise TEXT NOT NULL DEFAULT '{}';
ALTER TABLE cases ADD COLUMN noise TEXT NOT NULL DEFAULT '{}';

CREATE TABLE links (
    kind    TEXT NOT NULL,
    key     TEXT NOT NULL,
    case_id TEXT NOT NULL,
    from_at BIGINT NOT NULL,
    to_at   BIGINT NOT NULL,
    n       BIGINT NOT NULL,
    detail  TEXT NOT NULL,
    lead    TEXT NOT NULL,
    PRIMARY KEY (kind, key, case_id)
);
CREATE INDEX links_case ON links (case_id);
CREATE INDEX links_age ON links (to_at);

CREATE TABLE splits (
    alert TEXT NOT NULL,
    key   TEXT NOT NULL,
    by    TEXT NOT NULL,
    at    BIGINT NOT NULL,
    PRIMARY KEY (alert, key)
);

CREATE TABLE mutes (
    id   TEXT PRIMARY KEY,
    ends BIGINT NOT NULL,
    body TEXT NOT NULL
);
CREATE INDEX mutes_ends ON mutes (ends);

-- +goose Down
DROP TABLE mutes;
DROP TABLE splits;
DROP TABLE links;
ALTER TABLE cases DROP COLUMN noise;
ALTER TABLE alerts DROP COLUMN noise;

-- Times are microseconds since 1970 UTC, 0 when there is none. Structures are JSON text.
-- +goose Up
CREATE TABLE deliveries (
    id        TEXT PRIMARY KEY,
    cluster   TEXT NOT NULL,
    source    TEXT NOT NULL,
    sender    TEXT NOT NULL,
    receiver  TEXT NOT NULL,
    group_key TEXT NOT NULL,
    received  BIGINT NOT NULL,
    alerts    BIGINT NOT NULL,
    raw_size  BIGINT NOT NULL,
    raw_cut   BIGINT NOT NULL
);
CREATE INDEX deliveries_received ON deliveries (received);

CREATE TABLE bodies (
    delivery_id TEXT PRIMARY KEY,
    received    BIGINT NOT NULL,
    raw         BLOB NOT NULL
);
CREATE INDEX bodies_received ON bodies (received);

CREATE TABLE observations (
    delivery_id TEXT NOT NULL,
    n           BIGINT NOT NULL,
    cluster     TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    status      TEXT NOT NULL,
    starts_at   BIGINT NOT NULL,
    ends_at     BIGINT NOT NULL,
    at          BIGINT NOT NULL,
    decision    TEXT NOT NULL,
    reason      TEXT NOT NULL,
    note        TEXT NOT NULL,
    case_id     TEXT NOT NULL,
    PRIMARY KEY (delivery_id, n)
) WITHOUT ROWID;
CREATE INDEX observations_alert ON observations (cluster, fingerprint, at);

-- A row may be large, and a search in a table WITHOUT ROWID reads the whole of every row that it compares with.
CREATE TABLE alerts (
    cluster     TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    case_id     TEXT NOT NULL,
    status      TEXT NOT NULL,
    last        TEXT NOT NULL,
    last_fired  BIGINT NOT NULL,
    ended_from  BIGINT NOT NULL,
    last_ended  BIGINT NOT NULL,
    disbelieved BIGINT NOT NULL,
    first_seen  BIGINT NOT NULL,
    last_seen   BIGINT NOT NULL,
    version     BIGINT NOT NULL,
    PRIMARY KEY (cluster, fingerprint)
);
CREATE INDEX alerts_case ON alerts (case_id);
CREATE INDEX alerts_firing ON alerts (status) WHERE status = 'firing';

CREATE TABLE cases (
    id           TEXT PRIMARY KEY,
    key          TEXT NOT NULL,
    cluster      TEXT NOT NULL,
    title        TEXT NOT NULL,
    labels       TEXT NOT NULL,
    state        TEXT NOT NULL,
    grade        BIGINT NOT NULL,
    grade_reason TEXT NOT NULL,
    channels     TEXT NOT NULL,
    routes       TEXT NOT NULL,
    epoch        BIGINT NOT NULL,
    firing       BIGINT NOT NULL,
    total        BIGINT NOT NULL,
    started_at   BIGINT NOT NULL,
    opened_at    BIGINT NOT NULL,
    updated_at   BIGINT NOT NULL,
    resolved_at  BIGINT NOT NULL,
    closed_at    BIGINT NOT NULL,
    owner        TEXT NOT NULL,
    acked_by     TEXT NOT NULL,
    acked_at     BIGINT NOT NULL,
    ack_expiry   BIGINT NOT NULL,
    version      BIGINT NOT NULL
);
CREATE UNIQUE INDEX cases_one_per_key ON cases (key) WHERE state <> 'closed';
CREATE INDEX cases_state ON cases (state, id);

CREATE TABLE events (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    case_id     TEXT NOT NULL,
    at          BIGINT NOT NULL,
    kind        TEXT NOT NULL,
    actor       TEXT NOT NULL,
    origin      TEXT NOT NULL,
    from_state  TEXT NOT NULL,
    to_state    TEXT NOT NULL,
    channel     TEXT NOT NULL,
    action_id   TEXT NOT NULL,
    delivery_id TEXT NOT NULL,
    alert       TEXT NOT NULL,
    note        TEXT NOT NULL
);
CREATE INDEX events_case ON events (case_id, id);

CREATE TABLE actions (
    id          TEXT PRIMARY KEY,
    key         TEXT NOT NULL UNIQUE,
    case_id     TEXT NOT NULL,
    kind        TEXT NOT NULL,
    channel     TEXT NOT NULL,
    lane        TEXT NOT NULL,
    epoch       BIGINT NOT NULL,
    payload     TEXT NOT NULL,
    state       TEXT NOT NULL,
    outcome     TEXT NOT NULL,
    planned     BIGINT NOT NULL,
    due         BIGINT NOT NULL,
    attempts    BIGINT NOT NULL,
    created_at  BIGINT NOT NULL,
    updated_at  BIGINT NOT NULL,
    last_error  TEXT NOT NULL,
    receipt     TEXT NOT NULL,
    holder      TEXT NOT NULL,
    lease_until BIGINT NOT NULL
);
CREATE INDEX actions_case ON actions (case_id);
CREATE INDEX actions_channel ON actions (channel, due) WHERE state IN ('due', 'retry', 'unknown');
CREATE INDEX actions_order ON actions (channel, planned, id) WHERE state IN ('due', 'retry', 'unknown');
CREATE INDEX actions_due ON actions (due) WHERE state IN ('due', 'retry', 'unknown');
CREATE INDEX actions_lane ON actions (lane, planned, id) WHERE state IN ('due', 'retry', 'unknown', 'running');
CREATE INDEX actions_done ON actions (lane, updated_at) WHERE state = 'done';
CREATE INDEX actions_running ON actions (lease_until) WHERE state = 'running';

CREATE TABLE attempts (
    action_id TEXT NOT NULL,
    n         BIGINT NOT NULL,
    case_id   TEXT NOT NULL,
    channel   TEXT NOT NULL,
    began     BIGINT NOT NULL,
    ended     BIGINT NOT NULL,
    result    TEXT NOT NULL,
    error     TEXT NOT NULL,
    receipt   TEXT NOT NULL,
    PRIMARY KEY (action_id, n)
) WITHOUT ROWID;
CREATE INDEX attempts_case ON attempts (case_id);

CREATE TABLE meta (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
);

-- +goose Down
DROP TABLE meta;
DROP TABLE attempts;
DROP TABLE actions;
DROP TABLE events;
DROP TABLE cases;
DROP TABLE alerts;
DROP TABLE observations;
DROP TABLE bodies;
DROP TABLE deliveries;

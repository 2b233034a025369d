-- How each channel does, by the messages of all replicas: one row each, as JSON text.
-- +goose Up
CREATE TABLE conditions (
    channel TEXT PRIMARY KEY,
    state   TEXT NOT NULL,
    version BIGINT NOT NULL
);

-- +goose Down
DROP TABLE conditions;

-- Counting by state needs an index. One that begins with the state was taken for what waits, too: every look for what is due then read all that
-- waits. Nothing is looked for by its epoch.
-- +goose Up
DROP INDEX actions_state;
CREATE INDEX actions_states ON actions (epoch, state);

-- +goose Down
DROP INDEX actions_states;
CREATE INDEX actions_state ON actions (state);

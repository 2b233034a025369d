-- Reviews that were carried out, which are deleted by age while their case is open: there is one a minute.
-- +goose Up
CREATE INDEX actions_reviewed ON actions (updated_at) WHERE state = 'done' AND kind = 'review';

-- +goose Down
DROP INDEX actions_reviewed;

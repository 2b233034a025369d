-- What a scrape and the pages count, without reading whole rows.
-- +goose Up
CREATE INDEX actions_state ON actions (state);
CREATE INDEX cases_grade ON cases (state, grade);

-- +goose Down
DROP INDEX cases_grade;
DROP INDEX actions_state;

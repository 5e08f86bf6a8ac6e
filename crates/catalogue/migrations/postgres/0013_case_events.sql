-- What the SQLite migration of the same number makes, for PostgreSQL.

CREATE TABLE case_event (
    seq      BIGINT NOT NULL PRIMARY KEY,
    kind     TEXT NOT NULL,
    case_id  TEXT NOT NULL,
    purpose  TEXT NOT NULL,
    at       BIGINT NOT NULL,
    deadline BIGINT
);
INSERT INTO sequence (name, value) VALUES ('case_events', 0);

ALTER TABLE case_file ADD COLUMN told_waiting BIGINT;
ALTER TABLE case_file ADD COLUMN told_expiring BIGINT;

-- What happened to cases, in order, for those who are told of it: who watches, and a configured address. A row is written with the
-- change that it is about. Numbers come from `sequence`: none is used twice, also after old rows are gone.
CREATE TABLE case_event (
    seq      INTEGER NOT NULL PRIMARY KEY,
    kind     TEXT NOT NULL,
    case_id  TEXT NOT NULL,
    purpose  TEXT NOT NULL,
    at       INTEGER NOT NULL,
    deadline INTEGER
) STRICT;
INSERT INTO sequence (name, value) VALUES ('case_events', 0);

-- When it was told that the case waits, and that it ends soon.
ALTER TABLE case_file ADD COLUMN told_waiting INTEGER;
ALTER TABLE case_file ADD COLUMN told_expiring INTEGER;

-- What the SQLite migration 0004 makes, for PostgreSQL.

-- When a server stored a sighting first: what its retention counts from. What is there already starts anew.
ALTER TABLE sighting ADD COLUMN stored BIGINT NOT NULL DEFAULT 0;
UPDATE sighting SET stored = CAST(extract(epoch FROM now()) AS BIGINT) * 1000000;
CREATE INDEX sighting_stored ON sighting (day, camera, stored);

-- `clock`: the latest time that was ever seen, in microseconds. `forgotten`: the last change whose tombstone is gone.
INSERT INTO sequence (name, value) VALUES ('clock', 0), ('forgotten', 0);

-- access::Hold as JSON; `state` is a copy to select by, `version` counts its changes.
CREATE TABLE hold (
    id       TEXT COLLATE "C" PRIMARY KEY,
    case_id  TEXT COLLATE "C" NOT NULL REFERENCES case_file (id),
    version  BIGINT NOT NULL CHECK (version >= 1),
    state    TEXT NOT NULL CHECK (state IN ('asked', 'placed', 'release_asked', 'released')),
    placed   BIGINT NOT NULL,
    document TEXT NOT NULL
);
CREATE INDEX hold_state ON hold (state);

-- Sightings whose time has come and that a hold keeps: the case of a hold alone finds them.
CREATE TABLE held (
    id      BYTEA NOT NULL CHECK (length(id) = 16),
    case_id TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (id, case_id)
);

-- access::Deletion as JSON: what was deleted because its time had come, a row a day and run. `finished` is missing while it
-- is under way: the next sweep goes on from there.
CREATE TABLE deletion (
    id       BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    day      INTEGER NOT NULL,
    begun    BIGINT NOT NULL,
    finished BIGINT,
    -- Of the audit entry that ends it, and so of its receipt.
    seq      BIGINT,
    document TEXT NOT NULL,
    CHECK ((finished IS NULL) = (seq IS NULL))
);
CREATE INDEX deletion_open ON deletion (day) WHERE finished IS NULL;

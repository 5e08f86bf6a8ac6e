-- What the SQLite migration of the same number makes, for PostgreSQL.

-- Whose a running job is, until when, and as the how-manieth: one that comes later has a higher epoch, and what the one before
-- still writes is refused.
ALTER TABLE job ADD COLUMN holder TEXT COLLATE "C";
ALTER TABLE job ADD COLUMN epoch BIGINT NOT NULL DEFAULT 0;
ALTER TABLE job ADD COLUMN expires BIGINT NOT NULL DEFAULT 0;

-- What only one server may do at a time.
CREATE TABLE turn (
    name    TEXT COLLATE "C" PRIMARY KEY,
    holder  TEXT COLLATE "C" NOT NULL,
    epoch   BIGINT NOT NULL CHECK (epoch >= 1),
    expires BIGINT NOT NULL,
    -- What the holder tells the others.
    said    BYTEA
);

-- Servers that are there, and how far their own copies of what is derived are.
CREATE TABLE server (
    id      TEXT COLLATE "C" PRIMARY KEY,
    expires BIGINT NOT NULL,
    -- The change up to which its index is on disk.
    synced  BIGINT NOT NULL,
    -- The last row of `purge` that it has carried out.
    purged  BIGINT NOT NULL
);

-- Days of which sightings were deleted, numbered as changes are: every server writes that day of its index anew.
CREATE TABLE purge (
    seq BIGINT PRIMARY KEY,
    day INTEGER NOT NULL
);

-- The newest checkpoint of the log, with its signatures.
CREATE TABLE published (
    log  INTEGER PRIMARY KEY CHECK (log = 1),
    note TEXT NOT NULL
);

-- A deployment that is being moved here, or was: what it was, and when it was whole.
CREATE TABLE migration (
    source   TEXT PRIMARY KEY,
    finished BIGINT
);

-- Several servers on one database, and what they have to agree on. A file has one server; what is here is the same, so that the
-- queries are.

-- Whose a running job is, until when, and as the how-manieth: one that comes later has a higher epoch, and what the one before
-- still writes is refused.
ALTER TABLE job ADD COLUMN holder TEXT;
ALTER TABLE job ADD COLUMN epoch INTEGER NOT NULL DEFAULT 0;
ALTER TABLE job ADD COLUMN expires INTEGER NOT NULL DEFAULT 0;

-- What only one server may do at a time.
CREATE TABLE turn (
    name    TEXT PRIMARY KEY,
    holder  TEXT NOT NULL,
    epoch   INTEGER NOT NULL CHECK (epoch >= 1),
    expires INTEGER NOT NULL,
    -- What the holder tells the others.
    said    BLOB
) STRICT;

-- Servers that are there, and how far their own copies of what is derived are.
CREATE TABLE server (
    id      TEXT PRIMARY KEY,
    expires INTEGER NOT NULL,
    -- The change up to which its index is on disk.
    synced  INTEGER NOT NULL,
    -- The last row of `purge` that it has carried out.
    purged  INTEGER NOT NULL
) STRICT;

-- Days of which sightings were deleted, numbered as changes are: every server writes that day of its index anew.
CREATE TABLE purge (
    seq INTEGER PRIMARY KEY,
    day INTEGER NOT NULL
) STRICT;

-- The newest checkpoint of the log, with its signatures.
CREATE TABLE published (
    log  INTEGER PRIMARY KEY CHECK (log = 1),
    note TEXT NOT NULL
) STRICT;

-- A deployment that is being moved here, or was: what it was, and when it was whole.
CREATE TABLE migration (
    source   TEXT PRIMARY KEY,
    finished INTEGER
) STRICT;

-- Who looked at which camera, for its owner. Copied from the record in the transaction of the entry that let them in.
CREATE TABLE camera_access (
    camera  TEXT NOT NULL,
    -- Of the audit entry.
    seq     INTEGER NOT NULL,
    at      INTEGER NOT NULL,
    action  TEXT NOT NULL,
    -- sightline://ORGANISATION/ROLE/NAME
    caller  TEXT NOT NULL,
    case_id TEXT NOT NULL,
    PRIMARY KEY (camera, seq)
) STRICT, WITHOUT ROWID;

-- Certificates that are not taken any more, by their serial number in hexadecimal.
CREATE TABLE revoked_identity (
    serial TEXT PRIMARY KEY,
    caller TEXT NOT NULL,
    at     INTEGER NOT NULL,
    -- Who revoked it; nothing: somebody at the home folder, with no server running.
    revoker TEXT
) STRICT;

-- When what was found under a case that nobody agreed to was removed.
ALTER TABLE case_file ADD COLUMN purged INTEGER;

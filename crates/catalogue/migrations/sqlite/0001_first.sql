-- Times are microseconds since 1970 UTC, days are days since 1970, digests are blobs of 32 bytes.

-- "Sght": says whose file this is before anything in it is touched.
PRAGMA application_id = 0x53676874;

-- Numbers that only grow, even when rows go.
CREATE TABLE sequence (
    name  TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT;
INSERT INTO sequence (name, value) VALUES ('change', 0);

CREATE TABLE agency (
    id      TEXT PRIMARY KEY,
    name    TEXT NOT NULL,
    created INTEGER NOT NULL
) STRICT;

CREATE TABLE camera (
    id        TEXT PRIMARY KEY,
    agency    TEXT NOT NULL REFERENCES agency (id),
    place     TEXT,
    latitude  REAL CHECK (latitude BETWEEN -90 AND 90),
    longitude REAL CHECK (longitude BETWEEN -180 AND 180),
    -- Without credentials.
    source    TEXT,
    -- access::CameraPolicy as JSON: what the owner lets others do with it.
    policy    TEXT NOT NULL,
    created   INTEGER NOT NULL,
    CHECK ((latitude IS NULL) = (longitude IS NULL)),
    UNIQUE (id, agency)
) STRICT;
CREATE INDEX camera_agency ON camera (agency);

-- access::Case as JSON; the columns are copies to select by. `version` counts its changes.
CREATE TABLE case_file (
    id            TEXT PRIMARY KEY,
    version       INTEGER NOT NULL CHECK (version >= 1),
    state         TEXT NOT NULL CHECK (state IN ('requested', 'authorised', 'closed')),
    purpose       TEXT NOT NULL,
    organisation  TEXT NOT NULL,
    opened        INTEGER NOT NULL,
    expires       INTEGER NOT NULL,
    -- What its audit entries took from its budgets; changed in the transaction of the entry.
    spent_queries INTEGER NOT NULL DEFAULT 0 CHECK (spent_queries >= 0),
    spent_results INTEGER NOT NULL DEFAULT 0 CHECK (spent_results >= 0),
    document      TEXT NOT NULL
) STRICT;
CREATE INDEX case_file_opened ON case_file (opened);

-- The record: `entry` is what is hashed, `chain` the hash over it and the entry before; the rest are copies to select by.
CREATE TABLE audit (
    seq    INTEGER PRIMARY KEY CHECK (seq >= 1),
    at     INTEGER NOT NULL,
    action TEXT NOT NULL,
    phase  TEXT NOT NULL,
    case_id TEXT,
    entry  BLOB NOT NULL,
    chain  BLOB NOT NULL CHECK (length(chain) = 32)
) STRICT;
CREATE INDEX audit_case ON audit (case_id, seq);
CREATE TRIGGER audit_is_never_changed BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'the audit record is append-only'); END;
CREATE TRIGGER audit_is_never_shortened BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'the audit record is append-only'); END;

CREATE TABLE job (
    id          TEXT PRIMARY KEY,
    camera      TEXT NOT NULL REFERENCES camera (id),
    footage     BLOB NOT NULL CHECK (length(footage) = 32),
    path        TEXT NOT NULL,
    start       INTEGER NOT NULL,
    settings    TEXT NOT NULL,
    state       TEXT NOT NULL CHECK (state IN ('queued', 'running', 'done', 'failed', 'cancelled')),
    -- Somebody asked a running job to stop.
    cancelling  INTEGER NOT NULL DEFAULT 0 CHECK (cancelling IN (0, 1)),
    done_us     INTEGER NOT NULL DEFAULT 0,
    total_us    INTEGER,
    sightings   INTEGER NOT NULL DEFAULT 0,
    failure     TEXT,
    created     INTEGER NOT NULL,
    updated     INTEGER NOT NULL,
    CHECK (state <> 'failed' OR failure IS NOT NULL),
    CHECK (failure IS NULL OR state IN ('failed', 'done')),
    UNIQUE (camera, footage, start, settings)
) STRICT;
CREATE INDEX job_state ON job (state, created);

-- What a camera saw. `seq` orders every change to sightings: a row carries that of its last one.
CREATE TABLE sighting (
    id             BLOB PRIMARY KEY CHECK (length(id) = 16),
    seq            INTEGER NOT NULL UNIQUE,
    day            INTEGER NOT NULL,
    camera         TEXT NOT NULL,
    agency         TEXT NOT NULL,
    class          TEXT NOT NULL,
    first_us       INTEGER NOT NULL,
    first_error_us INTEGER NOT NULL,
    first_source   TEXT NOT NULL,
    last_us        INTEGER NOT NULL,
    last_error_us  INTEGER NOT NULL,
    last_source    TEXT NOT NULL,
    best_us        INTEGER NOT NULL,
    box_x          REAL NOT NULL,
    box_y          REAL NOT NULL,
    box_width      REAL NOT NULL,
    box_height     REAL NOT NULL,
    frame_width    INTEGER NOT NULL,
    frame_height   INTEGER NOT NULL,
    score          REAL NOT NULL,
    detections     INTEGER NOT NULL,
    -- types::Description as JSON.
    description    TEXT NOT NULL,
    -- The file it came from; nothing for a live stream.
    footage        BLOB CHECK (length(footage) = 32),
    model          BLOB NOT NULL CHECK (length(model) = 32),
    -- f32, little endian.
    embedding      BLOB NOT NULL CHECK (length(embedding) > 0 AND length(embedding) % 4 = 0),
    CHECK (first_us <= last_us),
    FOREIGN KEY (camera, agency) REFERENCES camera (id, agency)
) STRICT;
CREATE INDEX sighting_day ON sighting (day, id);
CREATE INDEX sighting_footage ON sighting (camera, footage);

-- A sighting that is no longer in a day, so that whoever copied it hears of it.
CREATE TABLE tombstone (
    id  BLOB NOT NULL CHECK (length(id) = 16),
    day INTEGER NOT NULL,
    seq INTEGER NOT NULL UNIQUE,
    PRIMARY KEY (id, day)
) STRICT, WITHOUT ROWID;

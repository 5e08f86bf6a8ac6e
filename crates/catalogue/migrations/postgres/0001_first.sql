-- What the SQLite migrations 0001 to 0003 make, for PostgreSQL. Times are microseconds since 1970 UTC, days are days since
-- 1970, digests are 32 bytes. Texts sort by their bytes, as everywhere else in Sightline, whatever the database's locale.

-- Numbers that only grow, even when rows go. The row is locked until its transaction commits: numbers become visible in
-- their order and without a gap, which no sequence of PostgreSQL's own promises.
CREATE TABLE sequence (
    name  TEXT COLLATE "C" PRIMARY KEY,
    value BIGINT NOT NULL
);
INSERT INTO sequence (name, value) VALUES ('change', 0);

CREATE TABLE agency (
    id      TEXT COLLATE "C" PRIMARY KEY,
    name    TEXT NOT NULL,
    created BIGINT NOT NULL
);

CREATE TABLE camera (
    id        TEXT COLLATE "C" PRIMARY KEY,
    agency    TEXT COLLATE "C" NOT NULL REFERENCES agency (id),
    place     TEXT,
    latitude  DOUBLE PRECISION CHECK (latitude BETWEEN -90 AND 90),
    longitude DOUBLE PRECISION CHECK (longitude BETWEEN -180 AND 180),
    -- Without credentials.
    source    TEXT,
    -- access::CameraPolicy as JSON: what the owner lets others do with it.
    policy    TEXT NOT NULL,
    created   BIGINT NOT NULL,
    CHECK ((latitude IS NULL) = (longitude IS NULL)),
    UNIQUE (id, agency)
);
CREATE INDEX camera_agency ON camera (agency);

-- access::Case as JSON; the columns are copies to select by. `version` counts its changes.
CREATE TABLE case_file (
    id            TEXT COLLATE "C" PRIMARY KEY,
    version       BIGINT NOT NULL CHECK (version >= 1),
    state         TEXT NOT NULL CHECK (state IN ('requested', 'authorised', 'closed')),
    purpose       TEXT NOT NULL,
    organisation  TEXT NOT NULL,
    opened        BIGINT NOT NULL,
    expires       BIGINT NOT NULL,
    -- What its audit entries took from its budgets; changed in the transaction of the entry.
    spent_queries BIGINT NOT NULL DEFAULT 0 CHECK (spent_queries >= 0),
    spent_results BIGINT NOT NULL DEFAULT 0 CHECK (spent_results >= 0),
    document      TEXT NOT NULL,
    -- When what was found under a case that nobody agreed to was removed.
    purged        BIGINT
);
CREATE INDEX case_file_opened ON case_file (opened);

-- The record: `entry` is what is hashed; the rest are copies to select by.
CREATE TABLE audit (
    seq     BIGINT PRIMARY KEY CHECK (seq >= 1),
    at      BIGINT NOT NULL,
    action  TEXT NOT NULL,
    phase   TEXT NOT NULL,
    case_id TEXT COLLATE "C",
    entry   BYTEA NOT NULL
);
CREATE INDEX audit_case ON audit (case_id, seq);
CREATE FUNCTION audit_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit record is append-only';
END $$;
CREATE TRIGGER audit_is_never_changed BEFORE UPDATE ON audit FOR EACH ROW EXECUTE FUNCTION audit_is_append_only();
CREATE TRIGGER audit_is_never_shortened BEFORE DELETE ON audit FOR EACH ROW EXECUTE FUNCTION audit_is_append_only();
CREATE TRIGGER audit_is_never_emptied BEFORE TRUNCATE ON audit FOR EACH STATEMENT EXECUTE FUNCTION audit_is_append_only();

-- What opens the commitments in an entry: the salt, and the words that were written. Erasable; the entry stays.
CREATE TABLE sealed (
    seq     BIGINT NOT NULL REFERENCES audit (seq),
    matter  TEXT COLLATE "C" NOT NULL,
    case_id TEXT COLLATE "C",
    salt    BYTEA NOT NULL CHECK (length(salt) = 32),
    words   TEXT NOT NULL,
    PRIMARY KEY (seq, matter)
);
CREATE INDEX sealed_case ON sealed (case_id);

-- Who looked at which camera, for its owner. Copied from the record in the transaction of the entry that let them in.
CREATE TABLE camera_access (
    camera  TEXT COLLATE "C" NOT NULL,
    -- Of the audit entry.
    seq     BIGINT NOT NULL,
    at      BIGINT NOT NULL,
    action  TEXT NOT NULL,
    -- sightline://ORGANISATION/ROLE/NAME
    caller  TEXT NOT NULL,
    case_id TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (camera, seq)
);

-- Certificates that are not taken any more, by their serial number in hexadecimal.
CREATE TABLE revoked_identity (
    serial  TEXT COLLATE "C" PRIMARY KEY,
    caller  TEXT NOT NULL,
    at      BIGINT NOT NULL,
    -- Who revoked it; nothing: somebody at the home folder, with no server running.
    revoker TEXT
);

CREATE TABLE job (
    id          TEXT COLLATE "C" PRIMARY KEY,
    camera      TEXT COLLATE "C" NOT NULL REFERENCES camera (id),
    footage     BYTEA NOT NULL CHECK (length(footage) = 32),
    path        TEXT NOT NULL,
    start       BIGINT NOT NULL,
    settings    TEXT NOT NULL,
    state       TEXT NOT NULL CHECK (state IN ('queued', 'running', 'done', 'failed', 'cancelled')),
    -- Somebody asked a running job to stop.
    cancelling  INTEGER NOT NULL DEFAULT 0 CHECK (cancelling IN (0, 1)),
    done_us     BIGINT NOT NULL DEFAULT 0,
    total_us    BIGINT,
    sightings   BIGINT NOT NULL DEFAULT 0,
    failure     TEXT,
    created     BIGINT NOT NULL,
    updated     BIGINT NOT NULL,
    CHECK (state <> 'failed' OR failure IS NOT NULL),
    CHECK (failure IS NULL OR state IN ('failed', 'done')),
    UNIQUE (camera, footage, start, settings)
);
CREATE INDEX job_state ON job (state, created);

-- What a camera saw. `seq` orders every change to sightings: a row carries that of its last one. A partition a day, made
-- when its first sighting comes and dropped whole. That an id is in one day alone and a `seq` in one row is kept by those
-- who write: they hold the row of `sequence`.
CREATE TABLE sighting (
    id             BYTEA NOT NULL CHECK (length(id) = 16),
    seq            BIGINT NOT NULL,
    day            INTEGER NOT NULL,
    camera         TEXT COLLATE "C" NOT NULL,
    agency         TEXT COLLATE "C" NOT NULL,
    class          TEXT NOT NULL,
    first_us       BIGINT NOT NULL,
    first_error_us BIGINT NOT NULL,
    first_source   TEXT NOT NULL,
    last_us        BIGINT NOT NULL,
    last_error_us  BIGINT NOT NULL,
    last_source    TEXT NOT NULL,
    best_us        BIGINT NOT NULL,
    box_x          DOUBLE PRECISION NOT NULL,
    box_y          DOUBLE PRECISION NOT NULL,
    box_width      DOUBLE PRECISION NOT NULL,
    box_height     DOUBLE PRECISION NOT NULL,
    frame_width    BIGINT NOT NULL,
    frame_height   BIGINT NOT NULL,
    score          DOUBLE PRECISION NOT NULL,
    detections     BIGINT NOT NULL,
    -- types::Description as JSON.
    description    TEXT NOT NULL,
    -- The file it came from; nothing for a live stream.
    footage        BYTEA CHECK (length(footage) = 32),
    model          BYTEA NOT NULL CHECK (length(model) = 32),
    -- f32, little endian.
    embedding      BYTEA NOT NULL CHECK (length(embedding) > 0 AND length(embedding) % 4 = 0),
    PRIMARY KEY (day, id),
    CHECK (first_us <= last_us),
    FOREIGN KEY (camera, agency) REFERENCES camera (id, agency)
) PARTITION BY LIST (day);
CREATE INDEX sighting_id ON sighting (id);
CREATE INDEX sighting_seq ON sighting (seq);
CREATE INDEX sighting_footage ON sighting (camera, footage);

-- A sighting that is no longer in a day, so that whoever copied it hears of it.
CREATE TABLE tombstone (
    id  BYTEA NOT NULL CHECK (length(id) = 16),
    day INTEGER NOT NULL,
    seq BIGINT NOT NULL UNIQUE,
    PRIMARY KEY (id, day)
);

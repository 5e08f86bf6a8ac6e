-- What the SQLite migration of the same number makes, for PostgreSQL.

-- Recorders whose recordings are looked at, without user and password.
CREATE TABLE recorder (
    id       TEXT PRIMARY KEY,
    agency   TEXT NOT NULL REFERENCES agency (id),
    title    TEXT NOT NULL,
    -- Where it is asked by ONVIF.
    host     TEXT NOT NULL,
    -- How many recordings of it may be played at once, and with how many bits a second in all; 0: as many as come.
    sessions BIGINT NOT NULL CHECK (sessions BETWEEN 1 AND 64),
    bits     BIGINT NOT NULL CHECK (bits >= 0),
    created  BIGINT NOT NULL,
    UNIQUE (id, agency)
);

-- Which camera a recording is of.
CREATE TABLE recorder_camera (
    recorder  TEXT NOT NULL REFERENCES recorder (id),
    recording TEXT NOT NULL,
    camera    TEXT NOT NULL REFERENCES camera (id),
    PRIMARY KEY (recorder, recording)
);

-- Where a job's recorder had nothing, by its own clock.
CREATE TABLE job_gap (
    job     TEXT NOT NULL REFERENCES job (id),
    from_us BIGINT NOT NULL,
    to_us   BIGINT NOT NULL,
    PRIMARY KEY (job, from_us),
    CHECK (from_us < to_us)
);

-- Recorders whose recordings are looked at, without user and password.
CREATE TABLE recorder (
    id       TEXT PRIMARY KEY,
    agency   TEXT NOT NULL REFERENCES agency (id),
    title    TEXT NOT NULL,
    -- Where it is asked by ONVIF.
    host     TEXT NOT NULL,
    -- How many recordings of it may be played at once, and with how many bits a second in all; 0: as many as come.
    sessions INTEGER NOT NULL CHECK (sessions BETWEEN 1 AND 64),
    bits     INTEGER NOT NULL CHECK (bits >= 0),
    created  INTEGER NOT NULL,
    UNIQUE (id, agency)
) STRICT;

-- Which camera a recording is of.
CREATE TABLE recorder_camera (
    recorder  TEXT NOT NULL REFERENCES recorder (id),
    recording TEXT NOT NULL,
    camera    TEXT NOT NULL REFERENCES camera (id),
    PRIMARY KEY (recorder, recording)
) STRICT;

-- Where a job's recorder had nothing, by its own clock.
CREATE TABLE job_gap (
    job     TEXT NOT NULL REFERENCES job (id),
    from_us INTEGER NOT NULL,
    to_us   INTEGER NOT NULL,
    PRIMARY KEY (job, from_us),
    CHECK (from_us < to_us)
) STRICT;

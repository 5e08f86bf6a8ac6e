-- Footage is read in segments, each stored whole: a job that was cut off goes on with those that are not done.
-- `recipe` says what read them; done by another, they don't fit together and the job starts anew.
CREATE TABLE job_plan (
    job      TEXT PRIMARY KEY REFERENCES job (id),
    recipe   TEXT NOT NULL,
    segments INTEGER NOT NULL CHECK (segments >= 1)
) STRICT;

-- Those that are done, with what came out.
CREATE TABLE job_segment (
    job           TEXT NOT NULL REFERENCES job_plan (job),
    number        INTEGER NOT NULL,
    frames        INTEGER NOT NULL,
    detections    INTEGER NOT NULL,
    sightings     INTEGER NOT NULL,
    crops_refused INTEGER NOT NULL,
    PRIMARY KEY (job, number)
) STRICT;

-- Appearance vectors by other models than the sighting's own. `seq` is the sighting's when its crop was embedded: an older
-- one is of an older crop.
CREATE TABLE embedding (
    model    BLOB NOT NULL CHECK (length(model) = 32),
    sighting BLOB NOT NULL CHECK (length(sighting) = 16),
    seq      INTEGER NOT NULL,
    vector   BLOB NOT NULL CHECK (length(vector) > 0 AND length(vector) % 4 = 0),
    PRIMARY KEY (model, sighting)
) STRICT;
CREATE INDEX embedding_sighting ON embedding (sighting);

-- Which model makes the vectors that are searched, once somebody changed it here: at most one row is 'current', at most one
-- any other. Without a 'current' row it is the configuration's.
CREATE TABLE appearance_model (
    -- 'current'; 'next' is being embedded; 'previous' was current until the switch and is kept until it is dropped.
    place      TEXT PRIMARY KEY CHECK (place IN ('current', 'next', 'previous')),
    model      BLOB NOT NULL CHECK (length(model) = 32),
    -- Name in the manifest; nothing: its default.
    embedder   TEXT,
    -- File of its learned step, in the data folder; nothing: the one built in.
    appearance TEXT,
    since      INTEGER NOT NULL,
    -- How it compares with the one before, as JSON; nothing until that was measured.
    comparison TEXT
) STRICT;

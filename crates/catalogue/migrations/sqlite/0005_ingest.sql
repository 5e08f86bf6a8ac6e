-- Who watches a camera: a row each time it changes hands. The last one counts; the earlier ones say whose a late sighting is.
CREATE TABLE lease (
    camera   TEXT NOT NULL REFERENCES camera (id),
    epoch    INTEGER NOT NULL CHECK (epoch >= 1),
    -- A worker; empty: nobody, because the owner does not let it be watched.
    holder   TEXT NOT NULL,
    acquired INTEGER NOT NULL,
    expires  INTEGER NOT NULL,
    -- sightline.v1.CameraStatus, as the holder told it last.
    status   BLOB,
    PRIMARY KEY (camera, epoch)
) STRICT, WITHOUT ROWID;

-- Workers that are there, so that cameras are shared out among them.
CREATE TABLE ingest_worker (
    holder  TEXT PRIMARY KEY,
    agency  TEXT NOT NULL REFERENCES agency (id),
    -- Cameras it can watch, as a JSON array of ids, and how many at once.
    able    TEXT NOT NULL,
    most    INTEGER NOT NULL CHECK (most >= 0),
    -- Gone, unless it says otherwise before.
    expires INTEGER NOT NULL
) STRICT;
CREATE INDEX ingest_worker_agency ON ingest_worker (agency);

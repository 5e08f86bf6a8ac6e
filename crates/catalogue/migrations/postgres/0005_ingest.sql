-- What the SQLite migration of the same number makes, for PostgreSQL.

-- Who watches a camera: a row each time it changes hands. The last one counts; the earlier ones say whose a late sighting is.
CREATE TABLE lease (
    camera   TEXT COLLATE "C" NOT NULL REFERENCES camera (id),
    epoch    BIGINT NOT NULL CHECK (epoch >= 1),
    -- A worker; empty: nobody, because the owner does not let it be watched.
    holder   TEXT COLLATE "C" NOT NULL,
    acquired BIGINT NOT NULL,
    expires  BIGINT NOT NULL,
    -- sightline.v1.CameraStatus, as the holder told it last.
    status   BYTEA,
    PRIMARY KEY (camera, epoch)
);

-- Workers that are there, so that cameras are shared out among them.
CREATE TABLE ingest_worker (
    holder  TEXT COLLATE "C" PRIMARY KEY,
    agency  TEXT COLLATE "C" NOT NULL REFERENCES agency (id),
    -- Cameras it can watch, as a JSON array of ids, and how many at once.
    able    TEXT NOT NULL,
    most    BIGINT NOT NULL CHECK (most >= 0),
    -- Gone, unless it says otherwise before.
    expires BIGINT NOT NULL
);
CREATE INDEX ingest_worker_agency ON ingest_worker (agency);

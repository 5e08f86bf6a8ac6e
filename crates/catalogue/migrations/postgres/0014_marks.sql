-- What the SQLite migration of the same number makes, for PostgreSQL.

CREATE TABLE handed_out (
    case_id  TEXT NOT NULL,
    sighting BYTEA NOT NULL CHECK (length(sighting) = 16),
    PRIMARY KEY (case_id, sighting)
);
CREATE INDEX handed_out_sighting ON handed_out (sighting);

CREATE TABLE mark (
    case_id  TEXT NOT NULL,
    sighting BYTEA NOT NULL CHECK (length(sighting) = 16),
    verdict  TEXT NOT NULL,
    tray     BIGINT NOT NULL,
    at       BIGINT NOT NULL,
    PRIMARY KEY (case_id, sighting)
);
CREATE INDEX mark_sighting ON mark (sighting);
CREATE INDEX mark_listed ON mark (case_id, at DESC, sighting);

-- What the SQLite migration of the same number makes, for PostgreSQL.

CREATE TABLE commitment (
    entry  BIGINT PRIMARY KEY,
    leaves BYTEA NOT NULL CHECK (length(leaves) > 0 AND length(leaves) % 32 = 0),
    gone   BIGINT NOT NULL DEFAULT 0
);

ALTER TABLE sighting ADD COLUMN batch BIGINT;
ALTER TABLE sighting ADD COLUMN leaf BIGINT;
ALTER TABLE sighting ADD COLUMN salt BYTEA CHECK (length(salt) = 32);
ALTER TABLE sighting ADD COLUMN digests BYTEA CHECK (length(digests) = 96);
CREATE INDEX sighting_batch ON sighting (batch);

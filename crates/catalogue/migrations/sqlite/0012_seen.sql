-- What the record commits to: a row a batch of sightings, under the number of its entry.
CREATE TABLE commitment (
    entry  INTEGER PRIMARY KEY,
    -- 32 bytes a sighting, in their order. They stay when a sighting goes: without its salt one tells nothing.
    leaves BLOB NOT NULL CHECK (length(leaves) > 0 AND length(leaves) % 32 = 0),
    -- How many of them are of sightings that are gone, or another by now. The row goes with the last.
    gone   INTEGER NOT NULL DEFAULT 0
) STRICT;

-- Of which batch a sighting is, which of its leaves, what blinds that, and the digests of row, crop and vector. Nothing: it was
-- stored before there were commitments. In the row itself, so that the salt goes wherever the row goes.
ALTER TABLE sighting ADD COLUMN batch INTEGER;
ALTER TABLE sighting ADD COLUMN leaf INTEGER;
ALTER TABLE sighting ADD COLUMN salt BLOB CHECK (length(salt) = 32);
ALTER TABLE sighting ADD COLUMN digests BLOB CHECK (length(digests) = 96);
CREATE INDEX sighting_batch ON sighting (batch);

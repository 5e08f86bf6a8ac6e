-- What was handed out under a case: so that looking at it again costs nothing, and it may be an example, on every server. A row
-- is written with the entry of the record that ended the call, and goes with its sighting and with its case.
CREATE TABLE handed_out (
    case_id  TEXT NOT NULL,
    sighting BLOB NOT NULL CHECK (length(sighting) = 16),
    PRIMARY KEY (case_id, sighting)
) STRICT, WITHOUT ROWID;
CREATE INDEX handed_out_sighting ON handed_out (sighting);

-- What the requester of a case thinks of its sightings. A row goes with its sighting and with its case.
CREATE TABLE mark (
    case_id  TEXT NOT NULL,
    sighting BLOB NOT NULL CHECK (length(sighting) = 16),
    -- 'yes', 'no' or 'unsure'; empty: none.
    verdict  TEXT NOT NULL,
    -- 1: it lies in the tray.
    tray     INTEGER NOT NULL,
    at       INTEGER NOT NULL,
    PRIMARY KEY (case_id, sighting)
) STRICT, WITHOUT ROWID;
CREATE INDEX mark_sighting ON mark (sighting);
CREATE INDEX mark_listed ON mark (case_id, at DESC, sighting);

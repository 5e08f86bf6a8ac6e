-- Sightings that the index of a model could not take, and why. A row goes with its sighting.
CREATE TABLE set_aside (
    model    BLOB NOT NULL,
    sighting BLOB NOT NULL,
    day      INTEGER NOT NULL,
    -- As of which change of the sighting.
    seq      INTEGER NOT NULL,
    fault    TEXT NOT NULL,
    PRIMARY KEY (model, sighting)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER set_aside_goes AFTER DELETE ON sighting
BEGIN
    DELETE FROM set_aside WHERE sighting = old.id;
END;
CREATE INDEX set_aside_sighting ON set_aside (sighting);

-- What the SQLite migration of the same number makes, for PostgreSQL.

CREATE TABLE set_aside (
    model    BYTEA NOT NULL,
    sighting BYTEA NOT NULL,
    day      INTEGER NOT NULL,
    seq      BIGINT NOT NULL,
    fault    TEXT NOT NULL,
    PRIMARY KEY (model, sighting)
);
CREATE INDEX set_aside_sighting ON set_aside (sighting);

CREATE FUNCTION set_aside_goes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM set_aside WHERE sighting = old.id;
    RETURN old;
END $$;
CREATE TRIGGER set_aside_goes AFTER DELETE ON sighting FOR EACH ROW EXECUTE FUNCTION set_aside_goes();

-- What the SQLite migration of the same number makes, for PostgreSQL.

INSERT INTO sequence (name, value) VALUES ('cameras', 0), ('accesses', (SELECT COALESCE(max(seq), 0) FROM audit));
CREATE FUNCTION cameras_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE sequence SET value = value + 1 WHERE name = 'cameras';
    RETURN NULL;
END $$;
CREATE TRIGGER cameras_changed AFTER INSERT OR DELETE OR UPDATE OF id, agency, latitude, longitude, policy ON camera
    FOR EACH STATEMENT EXECUTE FUNCTION cameras_changed();
CREATE TRIGGER cameras_emptied AFTER TRUNCATE ON camera FOR EACH STATEMENT EXECUTE FUNCTION cameras_changed();

-- What the SQLite migration of the same number makes, for PostgreSQL.

-- A document that somebody damaged is one of the others, and fails no list.
CREATE FUNCTION case_urgency(document TEXT, purpose TEXT, state TEXT) RETURNS BIGINT LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    RETURN CASE WHEN (document::jsonb #>> '{grant,emergency}') IS NOT NULL AND purpose = 'missing_person'
            AND COALESCE(jsonb_array_length(document::jsonb -> 'authorisations'), 0) = 0
            AND COALESCE(document::jsonb #>> '{closed,ending}', 'closed') <> 'refused' THEN 0
        WHEN state = 'requested' THEN 1 ELSE 2 END;
EXCEPTION WHEN OTHERS THEN
    RETURN 2;
END $$;
CREATE INDEX case_file_listed ON case_file (case_urgency(document, purpose, state), opened DESC, id);
CREATE INDEX job_listed ON job (created DESC, id);
CREATE INDEX hold_listed ON hold (placed DESC, id);

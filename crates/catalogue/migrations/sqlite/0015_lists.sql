-- Lists are read page by page in the order they are shown in.

-- As `Catalogue::urgency_sql` has it.
CREATE INDEX case_file_listed ON case_file (
    (CASE WHEN json_valid(document) = 0 THEN 2
        WHEN json_extract(document, '$.grant.emergency') IS NOT NULL AND purpose = 'missing_person'
            AND COALESCE(json_array_length(document, '$.authorisations'), 0) = 0
            AND COALESCE(json_extract(document, '$.closed.ending'), 'closed') <> 'refused' THEN 0
        WHEN state = 'requested' THEN 1 ELSE 2 END),
    opened DESC, id
);
CREATE INDEX job_listed ON job (created DESC, id);
CREATE INDEX hold_listed ON hold (placed DESC, id);

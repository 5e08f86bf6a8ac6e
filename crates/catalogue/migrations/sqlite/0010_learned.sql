-- The learned steps of models that a reindex brought, so that every server of the deployment has them.
CREATE TABLE learned (
    -- As appearance_model.appearance has it.
    name TEXT PRIMARY KEY,
    file BLOB NOT NULL
) STRICT;

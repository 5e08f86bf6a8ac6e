-- What the SQLite migration of the same number makes, for PostgreSQL.

CREATE TABLE learned (
    name TEXT COLLATE "C" PRIMARY KEY,
    file BYTEA NOT NULL
);

-- The record is a Merkle log: its hashes and signatures lie in files, made from these rows in their order.
DROP TRIGGER audit_is_never_changed;
DROP TRIGGER audit_is_never_shortened;
DROP INDEX audit_case;
DROP TABLE audit;

-- `entry` is what is hashed; the rest are copies to select by.
CREATE TABLE audit (
    seq     INTEGER PRIMARY KEY CHECK (seq >= 1),
    at      INTEGER NOT NULL,
    action  TEXT NOT NULL,
    phase   TEXT NOT NULL,
    case_id TEXT,
    entry   BLOB NOT NULL
) STRICT;
CREATE INDEX audit_case ON audit (case_id, seq);
CREATE TRIGGER audit_is_never_changed BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'the audit record is append-only'); END;
CREATE TRIGGER audit_is_never_shortened BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'the audit record is append-only'); END;

-- What opens the commitments in an entry: the salt, and the words that were written. Erasable; the entry stays.
CREATE TABLE sealed (
    seq     INTEGER NOT NULL REFERENCES audit (seq),
    matter  TEXT NOT NULL,
    case_id TEXT,
    salt    BLOB NOT NULL CHECK (length(salt) = 32),
    words   TEXT NOT NULL,
    PRIMARY KEY (seq, matter)
) STRICT;
CREATE INDEX sealed_case ON sealed (case_id);

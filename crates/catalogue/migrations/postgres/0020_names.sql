-- What the SQLite migration of the same number makes, for PostgreSQL. The names of keys and checks go along.
ALTER TABLE turn RENAME TO cluster_lease;
ALTER TABLE cluster_lease RENAME COLUMN said TO progress;
ALTER TABLE cluster_lease RENAME CONSTRAINT turn_pkey TO cluster_lease_pkey;
ALTER TABLE cluster_lease RENAME CONSTRAINT turn_epoch_check TO cluster_lease_epoch_check;
ALTER TABLE held RENAME TO held_sighting;
ALTER TABLE held_sighting RENAME CONSTRAINT held_pkey TO held_sighting_pkey;
ALTER TABLE held_sighting RENAME CONSTRAINT held_id_check TO held_sighting_id_check;

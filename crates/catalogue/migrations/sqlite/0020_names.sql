-- Tables and columns are called what docs/glossary.md calls them. No row changes.
ALTER TABLE turn RENAME TO cluster_lease;
-- What the holder publishes to the other servers.
ALTER TABLE cluster_lease RENAME COLUMN said TO progress;
ALTER TABLE held RENAME TO held_sighting;

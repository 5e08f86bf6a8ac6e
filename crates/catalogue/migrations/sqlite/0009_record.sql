-- What a search reads and writes of the catalogue, kept small.

-- `cameras`: counts the changes of what a search has to know of cameras. `accesses`: the last entry of the record that is in
-- `camera_access`, which is copied after the entry and not with it.
INSERT INTO sequence (name, value) VALUES ('cameras', 0), ('accesses', (SELECT COALESCE(max(seq), 0) FROM audit));
CREATE TRIGGER camera_came AFTER INSERT ON camera
BEGIN UPDATE sequence SET value = value + 1 WHERE name = 'cameras'; END;
CREATE TRIGGER camera_changed AFTER UPDATE OF id, agency, latitude, longitude, policy ON camera
BEGIN UPDATE sequence SET value = value + 1 WHERE name = 'cameras'; END;
CREATE TRIGGER camera_went AFTER DELETE ON camera
BEGIN UPDATE sequence SET value = value + 1 WHERE name = 'cameras'; END;

-- The IANA name of the time zone that a camera's recordings are named by; nothing: nobody said.
ALTER TABLE camera ADD COLUMN zone TEXT;

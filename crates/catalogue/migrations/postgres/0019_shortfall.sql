-- What a segment did not look at, or is not sure of: a job that goes on after a stop tells it in the end as well.
ALTER TABLE job_segment ADD COLUMN unseen BIGINT NOT NULL DEFAULT 0;
-- From here on its times are guesses.
ALTER TABLE job_segment ADD COLUMN guessed_us BIGINT;
-- Why the file ended early, where its readable part alone was wanted: as `job.failure`.
ALTER TABLE job_segment ADD COLUMN damage TEXT;

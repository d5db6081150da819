-- What jobs of the installation made, part by part; beside the tables that lists are answered from. Kept for some days.

CREATE TABLE job_parts (
    job BLOB NOT NULL,
    part INTEGER NOT NULL,
    -- Rows in it.
    held INTEGER NOT NULL,
    -- Where the next part begins; empty in the last one.
    place TEXT NOT NULL,
    body TEXT NOT NULL,
    made_us INTEGER NOT NULL,
    PRIMARY KEY (job, part)
) STRICT, WITHOUT ROWID;

CREATE INDEX job_parts_made ON job_parts (made_us);

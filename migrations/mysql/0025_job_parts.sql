-- What jobs of the installation made, part by part; beside the tables that lists are answered from. Kept for some days.

CREATE TABLE IF NOT EXISTS job_parts (
    job BINARY(16) NOT NULL,
    part BIGINT UNSIGNED NOT NULL,
    -- Rows in it.
    held BIGINT UNSIGNED NOT NULL,
    -- Where the next part begins; empty in the last one.
    place VARCHAR(200) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    body MEDIUMTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    made_us BIGINT NOT NULL,
    PRIMARY KEY (job, part),
    INDEX job_parts_made (made_us)
) ENGINE = InnoDB;

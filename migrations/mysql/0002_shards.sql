-- Who owns which shard. No time is in it: a taker watches the beat by a clock of its own.
-- The common subset of MySQL 8/9 and MariaDB 10.11.

CREATE TABLE IF NOT EXISTS shards (
    shard SMALLINT UNSIGNED NOT NULL,
    -- How often it was taken.
    epoch BIGINT UNSIGNED NOT NULL DEFAULT 0,
    -- NULL: given up, or never taken.
    owner_node VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NULL,
    owner_incarnation BINARY(16) NULL,
    -- Raised by its owner for as long as that lives.
    beat BIGINT UNSIGNED NOT NULL DEFAULT 0,
    -- The highest number that an owner is known to have acknowledged.
    acknowledged BIGINT UNSIGNED NOT NULL DEFAULT 0,
    -- Where the log was found to end below that: JOURNAL_REGRESSED. NULL: all is well.
    regressed_to BIGINT UNSIGNED NULL,
    PRIMARY KEY (shard)
) ENGINE = InnoDB;

-- Who owns which shard.
-- The common subset of MySQL 8/9 and MariaDB 10.11.

CREATE TABLE shards (
    shard SMALLINT UNSIGNED NOT NULL,
    epoch BIGINT UNSIGNED NOT NULL DEFAULT 0,
    -- NULL: given up, or never taken.
    owner_node VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NULL,
    owner_incarnation BINARY(16) NULL,
    -- Microseconds since 1970 UTC by the clock of this database.
    lease_until_us BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (shard)
) ENGINE = InnoDB;

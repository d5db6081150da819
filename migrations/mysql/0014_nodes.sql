-- Who belongs to the system, and what operators wish. No time is in it: who looks watches the beats by
-- a clock of its own.
-- The common subset of MySQL 8/9 and MariaDB 10.11.

CREATE TABLE IF NOT EXISTS nodes (
    node VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    incarnation BINARY(16) NOT NULL,
    -- Where other nodes reach it.
    address VARCHAR(255) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    weight SMALLINT UNSIGNED NOT NULL,
    -- It stops, and gives everything away.
    is_leaving SMALLINT UNSIGNED NOT NULL,
    -- Raised by the node for as long as it lives.
    beat BIGINT UNSIGNED NOT NULL,
    -- An operator wants it to have nothing.
    is_drained SMALLINT UNSIGNED NOT NULL DEFAULT 0,
    PRIMARY KEY (node)
) ENGINE = InnoDB;

-- Shards that an operator wants a node to have, whatever is computed.
CREATE TABLE IF NOT EXISTS pins (
    shard SMALLINT UNSIGNED NOT NULL,
    node VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    PRIMARY KEY (shard)
) ENGINE = InnoDB;

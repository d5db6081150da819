-- The tables that lists are answered from. They can be thrown away and filled from the journal again.

-- The installation whose logs are followed here.
CREATE TABLE IF NOT EXISTS read_log (
    id TINYINT UNSIGNED NOT NULL,
    installation VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    PRIMARY KEY (id)
) ENGINE = InnoDB;

-- Which filling of a table answers, and which is being made: the same, unless one is made beside it.
-- The tables themselves are made by the program: read_<name>_<generation>.
CREATE TABLE IF NOT EXISTS read_tables (
    name VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    generation BIGINT UNSIGNED NOT NULL,
    filling BIGINT UNSIGNED NOT NULL,
    PRIMARY KEY (name)
) ENGINE = InnoDB;

-- How far a follower has come in each shard. Written together with its rows.
CREATE TABLE IF NOT EXISTS follower_positions (
    follower VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    shard SMALLINT UNSIGNED NOT NULL,
    seq BIGINT UNSIGNED NOT NULL,
    PRIMARY KEY (follower, shard)
) ENGINE = InnoDB;

-- What a follower has set aside: an entry that it could not take, and what came later to the same
-- aggregate. Written together with its rows.
CREATE TABLE IF NOT EXISTS follower_parked (
    follower VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    aggregate_type VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    aggregate_id BINARY(16) NOT NULL,
    version BIGINT UNSIGNED NOT NULL,
    shard SMALLINT UNSIGNED NOT NULL,
    seq BIGINT UNSIGNED NOT NULL,
    reason TEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    since_us BIGINT NOT NULL,
    PRIMARY KEY (follower, aggregate_type, aggregate_id)
) ENGINE = InnoDB;

-- What each node tells of its followers, as JSON, and what operators ask of them: to try again what is
-- set aside, so many times until now, of which so many were answered.
CREATE TABLE IF NOT EXISTS follower_reports (
    node VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    follower VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    report MEDIUMTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    reported_us BIGINT NOT NULL,
    asked BIGINT UNSIGNED NOT NULL,
    answered BIGINT UNSIGNED NOT NULL,
    asked_for VARCHAR(128) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    PRIMARY KEY (node, follower)
) ENGINE = InnoDB;

-- The tables that lists are answered from. They can be thrown away and filled from the journal again.

-- Which filling of a table answers. The tables themselves are made by the program: read_<name>.
CREATE TABLE read_tables (
    name VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    generation BIGINT UNSIGNED NOT NULL,
    PRIMARY KEY (name)
) ENGINE = InnoDB;

-- How far a follower has come in each shard. Written together with its rows.
CREATE TABLE follower_positions (
    follower VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    shard SMALLINT UNSIGNED NOT NULL,
    seq BIGINT UNSIGNED NOT NULL,
    PRIMARY KEY (follower, shard)
) ENGINE = InnoDB;

-- What a follower has set aside, as JSON.
CREATE TABLE follower_parked (
    follower VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    parked MEDIUMTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    PRIMARY KEY (follower)
) ENGINE = InnoDB;

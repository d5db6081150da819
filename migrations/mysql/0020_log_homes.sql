-- One row: which of the databases of an installation this is, and which shards each of them has. Written once.

CREATE TABLE IF NOT EXISTS log_homes (
    id TINYINT UNSIGNED NOT NULL,
    -- 0: the first, which has everything that is not a log.
    own INT UNSIGNED NOT NULL,
    homes VARCHAR(4096) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    -- The same in all databases of an installation.
    installation BINARY(16) NOT NULL,
    PRIMARY KEY (id)
) ENGINE = InnoDB;

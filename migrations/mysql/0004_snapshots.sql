-- Shortcuts through the logs: each row can be thrown away.

CREATE TABLE snapshots (
    aggregate_type VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    aggregate_id BINARY(16) NOT NULL,
    shard SMALLINT UNSIGNED NOT NULL,
    version BIGINT UNSIGNED NOT NULL,
    seq BIGINT UNSIGNED NOT NULL,
    recorded_us BIGINT NOT NULL,
    state_schema INT UNSIGNED NOT NULL,
    state LONGBLOB NOT NULL,
    crc INT UNSIGNED NOT NULL,
    PRIMARY KEY (aggregate_type, aggregate_id)
) ENGINE = InnoDB;

CREATE TABLE key_segments (
    aggregate_type VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    aggregate_id BINARY(16) NOT NULL,
    first_version BIGINT UNSIGNED NOT NULL,
    last_version BIGINT UNSIGNED NOT NULL,
    recorded_us BIGINT NOT NULL,
    fingerprints LONGBLOB NOT NULL,
    crc INT UNSIGNED NOT NULL,
    PRIMARY KEY (aggregate_type, aggregate_id, first_version)
) ENGINE = InnoDB;

-- Shortcuts through the logs: each row can be thrown away.

-- A state as of a version, with its first chunk. A snapshot is what has a row here: it is written
-- after its other chunks.
CREATE TABLE IF NOT EXISTS snapshots (
    aggregate_type VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    aggregate_id BINARY(16) NOT NULL,
    state_schema INT UNSIGNED NOT NULL,
    version BIGINT UNSIGNED NOT NULL,
    shard SMALLINT UNSIGNED NOT NULL,
    seq BIGINT UNSIGNED NOT NULL,
    recorded_us BIGINT NOT NULL,
    form TINYINT UNSIGNED NOT NULL,     -- 0: JSON, 1: JSON, deflated
    bytes BIGINT UNSIGNED NOT NULL,     -- of the JSON
    chunks INT UNSIGNED NOT NULL,       -- with the first
    content_crc INT UNSIGNED NOT NULL,  -- over all chunks
    crc INT UNSIGNED NOT NULL,          -- over this row
    content MEDIUMBLOB NOT NULL,
    PRIMARY KEY (aggregate_type, aggregate_id, state_schema, version)
) ENGINE = InnoDB;

-- The second chunk and those behind it.
CREATE TABLE IF NOT EXISTS snapshot_chunks (
    aggregate_type VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    aggregate_id BINARY(16) NOT NULL,
    state_schema INT UNSIGNED NOT NULL,
    version BIGINT UNSIGNED NOT NULL,
    chunk INT UNSIGNED NOT NULL,        -- from 1
    crc INT UNSIGNED NOT NULL,
    content MEDIUMBLOB NOT NULL,
    PRIMARY KEY (aggregate_type, aggregate_id, state_schema, version, chunk)
) ENGINE = InnoDB;

CREATE TABLE IF NOT EXISTS key_segments (
    aggregate_type VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    aggregate_id BINARY(16) NOT NULL,
    first_version BIGINT UNSIGNED NOT NULL,
    last_version BIGINT UNSIGNED NOT NULL,
    recorded_us BIGINT NOT NULL,
    fingerprints LONGBLOB NOT NULL,
    crc INT UNSIGNED NOT NULL,
    PRIMARY KEY (aggregate_type, aggregate_id, first_version)
) ENGINE = InnoDB;

-- The common subset of MySQL 8/9 and MariaDB 10.11. Each further index is paid at every append:
-- the journal has the two that the fence and the reload of one aggregate need, and no other.

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

CREATE TABLE journal (
    shard SMALLINT UNSIGNED NOT NULL,
    seq BIGINT UNSIGNED NOT NULL,
    epoch BIGINT UNSIGNED NOT NULL,
    attempt BIGINT UNSIGNED NOT NULL,
    aggregate_type VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    aggregate_id BINARY(16) NOT NULL,
    version BIGINT UNSIGNED NOT NULL,
    `count` INT UNSIGNED NOT NULL,
    -- Text and not JSON: the bytes come back as they were written.
    events LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    recorded_us BIGINT NOT NULL,
    PRIMARY KEY (shard, seq),
    UNIQUE KEY journal_version (aggregate_type, aggregate_id, version)
) ENGINE = InnoDB;

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

-- A row per event, for operators and reports; nothing in the program reads it.
CREATE VIEW events AS
SELECT
    j.shard,
    j.seq,
    e.position - 1 AS event_index,
    j.epoch,
    j.attempt,
    j.aggregate_type,
    LOWER(CONCAT_WS('-',
        SUBSTR(HEX(j.aggregate_id), 1, 8),
        SUBSTR(HEX(j.aggregate_id), 9, 4),
        SUBSTR(HEX(j.aggregate_id), 13, 4),
        SUBSTR(HEX(j.aggregate_id), 17, 4),
        SUBSTR(HEX(j.aggregate_id), 21, 12))) AS aggregate_id,
    j.version + e.position - 1 AS version,
    e.event_type,
    e.event_schema,
    e.data,
    e.meta,
    DATE_FORMAT(
        TIMESTAMPADD(MICROSECOND, j.recorded_us, '1970-01-01 00:00:00.000000'),
        '%Y-%m-%dT%H:%i:%s.%fZ') AS recorded_at
FROM journal AS j
JOIN JSON_TABLE(
    j.events,
    '$[*]' COLUMNS (
        position FOR ORDINALITY,
        event_type VARCHAR(255) PATH '$.type',
        event_schema INT PATH '$.schema',
        data JSON PATH '$.data',
        meta JSON PATH '$.meta'
    )
) AS e;

-- The logs. Each further index is paid at every append: the journal has the two that the fence and
-- the reload of one aggregate need, and no other.

CREATE TABLE IF NOT EXISTS journal (
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
    -- CRC-32C of all that stands before it.
    crc INT UNSIGNED NOT NULL,
    PRIMARY KEY (shard, seq),
    UNIQUE KEY journal_version (aggregate_type, aggregate_id, version)
) ENGINE = InnoDB;

-- A row per event, for operators and reports; nothing in the program reads it.
CREATE OR REPLACE VIEW events AS
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
    COALESCE(e.event_schema, 1) AS event_schema,
    COALESCE(e.data, '{}') AS data,
    -- Said with the first event of each command; the others name the place of that one.
    COALESCE(e.meta, JSON_EXTRACT(j.events, CONCAT('$[', e.said_at, '].meta'))) AS meta,
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
        meta JSON PATH '$.meta',
        said_at INT PATH '$.of'
    )
) AS e;

-- The logs. Each further index is paid at every append: the journal has the two that the fence and
-- the reload of one aggregate need, and no other.

CREATE TABLE journal (
    shard INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    aggregate_type TEXT NOT NULL,
    aggregate_id BLOB NOT NULL,
    version INTEGER NOT NULL,
    count INTEGER NOT NULL,
    events TEXT NOT NULL,
    recorded_us INTEGER NOT NULL,
    -- CRC-32C of all that stands before it.
    crc INTEGER NOT NULL,
    PRIMARY KEY (shard, seq),
    UNIQUE (aggregate_type, aggregate_id, version)
) STRICT;

-- A row per event, for operators and reports; nothing in the program reads it.
CREATE VIEW events AS
SELECT
    j.shard,
    j.seq,
    e.key AS event_index,
    j.epoch,
    j.attempt,
    j.aggregate_type,
    lower(
        substr(hex(j.aggregate_id), 1, 8) || '-' ||
        substr(hex(j.aggregate_id), 9, 4) || '-' ||
        substr(hex(j.aggregate_id), 13, 4) || '-' ||
        substr(hex(j.aggregate_id), 17, 4) || '-' ||
        substr(hex(j.aggregate_id), 21, 12)) AS aggregate_id,
    j.version + e.key AS version,
    json_extract(e.value, '$.type') AS event_type,
    coalesce(json_extract(e.value, '$.schema'), 1) AS event_schema,
    coalesce(json_extract(e.value, '$.data'), '{}') AS data,
    -- Said with the first event of each command; the others name the place of that one.
    coalesce(
        json_extract(e.value, '$.meta'),
        json_extract(j.events, '$[' || json_extract(e.value, '$.of') || '].meta')) AS meta,
    strftime('%Y-%m-%dT%H:%M:%S', j.recorded_us / 1000000, 'unixepoch') ||
        printf('.%06dZ', j.recorded_us % 1000000) AS recorded_at
FROM journal AS j, json_each(j.events) AS e;

-- Shortcuts through the logs: each row can be thrown away.

-- A state as of a version, with its first chunk. A snapshot is what has a row here: it is written
-- after its other chunks.
CREATE TABLE snapshots (
    aggregate_type TEXT NOT NULL,
    aggregate_id BLOB NOT NULL,
    state_schema INTEGER NOT NULL,
    version INTEGER NOT NULL,
    shard INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    recorded_us INTEGER NOT NULL,
    form INTEGER NOT NULL,          -- 0: JSON, 1: JSON, deflated
    bytes INTEGER NOT NULL,         -- of the JSON
    chunks INTEGER NOT NULL,        -- with the first
    content_crc INTEGER NOT NULL,   -- over all chunks
    crc INTEGER NOT NULL,           -- over this row
    content BLOB NOT NULL,
    PRIMARY KEY (aggregate_type, aggregate_id, state_schema, version)
) STRICT;

-- The second chunk and those behind it.
CREATE TABLE snapshot_chunks (
    aggregate_type TEXT NOT NULL,
    aggregate_id BLOB NOT NULL,
    state_schema INTEGER NOT NULL,
    version INTEGER NOT NULL,
    chunk INTEGER NOT NULL,         -- from 1
    crc INTEGER NOT NULL,
    content BLOB NOT NULL,
    PRIMARY KEY (aggregate_type, aggregate_id, state_schema, version, chunk)
) STRICT;

CREATE TABLE key_segments (
    aggregate_type TEXT NOT NULL,
    aggregate_id BLOB NOT NULL,
    first_version INTEGER NOT NULL,
    last_version INTEGER NOT NULL,
    recorded_us INTEGER NOT NULL,
    fingerprints BLOB NOT NULL,
    crc INTEGER NOT NULL,
    PRIMARY KEY (aggregate_type, aggregate_id, first_version)
) STRICT;

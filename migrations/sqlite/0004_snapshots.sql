-- Shortcuts through the logs: each row can be thrown away.

CREATE TABLE snapshots (
    aggregate_type TEXT NOT NULL,
    aggregate_id BLOB NOT NULL,
    shard INTEGER NOT NULL,
    version INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    recorded_us INTEGER NOT NULL,
    state_schema INTEGER NOT NULL,
    state BLOB NOT NULL,
    crc INTEGER NOT NULL,
    PRIMARY KEY (aggregate_type, aggregate_id)
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

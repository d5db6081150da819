-- Which shard has which slots of ids. Rows are only ever added.

-- The first map.
CREATE TABLE slots (
    first_slot INTEGER NOT NULL,
    last_slot INTEGER NOT NULL,
    shard INTEGER NOT NULL,
    PRIMARY KEY (first_slot)
) STRICT, WITHOUT ROWID;

-- Runs of slots that left the shard that had them, in order; the first map is version 1.
CREATE TABLE slot_moves (
    version INTEGER NOT NULL,
    first_slot INTEGER NOT NULL,
    last_slot INTEGER NOT NULL,
    shard INTEGER NOT NULL,
    source_shard INTEGER NOT NULL,
    -- The last record of these slots in the log of their source, and the first in that of `shard`.
    sealed_seq INTEGER NOT NULL,
    continues_seq INTEGER NOT NULL,
    PRIMARY KEY (version)
) STRICT, WITHOUT ROWID;

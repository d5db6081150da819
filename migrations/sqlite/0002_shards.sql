-- Who owns which shard. No time is in it: a taker watches the beat by a clock of its own.

CREATE TABLE shards (
    shard INTEGER NOT NULL PRIMARY KEY,
    -- How often it was taken.
    epoch INTEGER NOT NULL DEFAULT 0,
    -- NULL: given up, or never taken.
    owner_node TEXT,
    owner_incarnation BLOB,
    -- Raised by its owner for as long as that lives.
    beat INTEGER NOT NULL DEFAULT 0,
    -- The highest number that an owner is known to have acknowledged.
    acknowledged INTEGER NOT NULL DEFAULT 0,
    -- Where the log was found to end below that: JOURNAL_REGRESSED. NULL: all is well.
    regressed_to INTEGER
) STRICT;

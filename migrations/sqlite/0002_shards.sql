-- Who owns which shard.

CREATE TABLE shards (
    shard INTEGER NOT NULL PRIMARY KEY,
    epoch INTEGER NOT NULL DEFAULT 0,
    -- NULL: given up, or never taken.
    owner_node TEXT,
    owner_incarnation BLOB,
    -- Microseconds since 1970 UTC by the clock of this database.
    lease_until_us INTEGER NOT NULL DEFAULT 0
) STRICT;

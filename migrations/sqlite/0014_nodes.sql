-- Who belongs to the system, and what operators wish. No time is in it: who looks watches the beats by
-- a clock of its own.

CREATE TABLE nodes (
    node TEXT NOT NULL PRIMARY KEY,
    incarnation BLOB NOT NULL,
    -- Where other nodes reach it.
    address TEXT NOT NULL,
    weight INTEGER NOT NULL,
    -- It stops, and gives everything away.
    is_leaving INTEGER NOT NULL,
    -- Raised by the node for as long as it lives.
    beat INTEGER NOT NULL,
    -- An operator wants it to have nothing.
    is_drained INTEGER NOT NULL DEFAULT 0
) STRICT;

-- Shards that an operator wants a node to have, whatever is computed.
CREATE TABLE pins (
    shard INTEGER NOT NULL PRIMARY KEY,
    node TEXT NOT NULL
) STRICT;

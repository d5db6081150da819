-- The tables that lists are answered from. They can be thrown away and filled from the journal again.

-- The installation whose logs are followed here.
CREATE TABLE read_log (
    id INTEGER NOT NULL PRIMARY KEY,
    installation TEXT NOT NULL
) STRICT;

-- Which filling of a table answers, and which is being made: the same, unless one is made beside it.
-- The tables themselves are made by the program: read_<name>_<generation>.
CREATE TABLE read_tables (
    name TEXT NOT NULL PRIMARY KEY,
    generation INTEGER NOT NULL,
    filling INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- How far a follower has come in each shard. Written together with its rows.
CREATE TABLE follower_positions (
    follower TEXT NOT NULL,
    shard INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY (follower, shard)
) STRICT, WITHOUT ROWID;

-- What a follower has set aside: an entry that it could not take, and what came later to the same
-- aggregate. Written together with its rows.
CREATE TABLE follower_parked (
    follower TEXT NOT NULL,
    aggregate_type TEXT NOT NULL,
    aggregate_id BLOB NOT NULL,
    version INTEGER NOT NULL,
    shard INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    reason TEXT NOT NULL,
    since_us INTEGER NOT NULL,
    PRIMARY KEY (follower, aggregate_type, aggregate_id)
) STRICT, WITHOUT ROWID;

-- What each node tells of its followers, as JSON, and what operators ask of them: to try again what is
-- set aside, so many times until now, of which so many were answered.
CREATE TABLE follower_reports (
    node TEXT NOT NULL,
    follower TEXT NOT NULL,
    report TEXT NOT NULL,
    reported_us INTEGER NOT NULL,
    asked INTEGER NOT NULL,
    answered INTEGER NOT NULL,
    asked_for TEXT NOT NULL,
    PRIMARY KEY (node, follower)
) STRICT, WITHOUT ROWID;

-- The tables that lists are answered from. They can be thrown away and filled from the journal again.

-- Which filling of a table answers. The tables themselves are made by the program: read_<name>.
CREATE TABLE read_tables (
    name TEXT NOT NULL PRIMARY KEY,
    generation INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- How far a follower has come in each shard. Written together with its rows.
CREATE TABLE follower_positions (
    follower TEXT NOT NULL,
    shard INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY (follower, shard)
) STRICT, WITHOUT ROWID;

-- What a follower has set aside, as JSON.
CREATE TABLE follower_parked (
    follower TEXT NOT NULL PRIMARY KEY,
    parked TEXT NOT NULL
) STRICT, WITHOUT ROWID;

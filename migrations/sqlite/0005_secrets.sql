-- The master keys that wrap what is below, by what tells them apart: one, and two while they are changed. The
-- keys themselves are not in the database. What names one that is not here is refused: nothing is wrapped by a
-- key that was taken away.

CREATE TABLE master_keys (
    number INTEGER NOT NULL PRIMARY KEY,
    fingerprint BLOB NOT NULL UNIQUE,
    -- The same as long as it may wrap something: none for one that was taken away, for ever.
    usable BLOB UNIQUE
) STRICT;

-- Secrets of the whole installation, each wrapped by a master key.

CREATE TABLE secrets (
    purpose TEXT NOT NULL,
    generation INTEGER NOT NULL,
    master BLOB NOT NULL REFERENCES master_keys (usable),
    wrapped BLOB NOT NULL,
    made_us INTEGER NOT NULL,
    PRIMARY KEY (purpose, generation)
) STRICT;

-- The key under which what is personal about somebody is sealed; to erase them is to delete it.
CREATE TABLE person_keys (
    person BLOB NOT NULL PRIMARY KEY,
    master BLOB NOT NULL REFERENCES master_keys (usable),
    wrapped BLOB NOT NULL,
    made_us INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX person_keys_by_master ON person_keys (master);

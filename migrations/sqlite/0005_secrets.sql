-- Secrets of the whole installation, each wrapped by the master key, which is not in the database.

CREATE TABLE secrets (
    purpose TEXT NOT NULL,
    generation INTEGER NOT NULL,
    wrapped BLOB NOT NULL,
    made_us INTEGER NOT NULL,
    PRIMARY KEY (purpose, generation)
) STRICT;

-- The key under which what is personal about somebody is sealed; to erase them is to delete it.
CREATE TABLE person_keys (
    person BLOB NOT NULL PRIMARY KEY,
    wrapped BLOB NOT NULL,
    made_us INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

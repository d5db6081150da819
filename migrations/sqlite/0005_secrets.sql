-- Secrets of the whole installation, each wrapped by the master key, which is not in the database.

CREATE TABLE secrets (
    purpose TEXT NOT NULL,
    generation INTEGER NOT NULL,
    wrapped BLOB NOT NULL,
    made_us INTEGER NOT NULL,
    PRIMARY KEY (purpose, generation)
) STRICT;

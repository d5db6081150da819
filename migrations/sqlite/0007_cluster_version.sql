-- One row: which programs may use this database, and what they may write into it.

CREATE TABLE cluster_version (
    id INTEGER NOT NULL PRIMARY KEY,
    tables_form INTEGER NOT NULL,
    written_form INTEGER NOT NULL
) STRICT;

INSERT INTO cluster_version (id, tables_form, written_form) VALUES (1, 1, 1);

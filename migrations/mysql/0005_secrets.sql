-- Secrets of the whole installation, each wrapped by the master key, which is not in the database.

CREATE TABLE IF NOT EXISTS secrets (
    purpose VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    generation INT UNSIGNED NOT NULL,
    wrapped VARBINARY(255) NOT NULL,
    made_us BIGINT NOT NULL,
    PRIMARY KEY (purpose, generation)
) ENGINE = InnoDB;

-- The key under which what is personal about somebody is sealed; to erase them is to delete it.
CREATE TABLE IF NOT EXISTS person_keys (
    person BINARY(16) NOT NULL PRIMARY KEY,
    wrapped VARBINARY(255) NOT NULL,
    made_us BIGINT NOT NULL
) ENGINE = InnoDB;

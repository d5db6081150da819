-- The master keys that wrap what is below, by what tells them apart: one, and two while they are changed. The
-- keys themselves are not in the database. What names one that is not here is refused: nothing is wrapped by a
-- key that was taken away.

CREATE TABLE IF NOT EXISTS master_keys (
    number INT UNSIGNED NOT NULL PRIMARY KEY,
    fingerprint BINARY(8) NOT NULL,
    -- The same as long as it may wrap something: none for one that was taken away, for ever.
    usable BINARY(8) NULL,
    UNIQUE KEY master_keys_fingerprint (fingerprint),
    UNIQUE KEY master_keys_usable (usable)
) ENGINE = InnoDB;

-- Secrets of the whole installation, each wrapped by a master key.

CREATE TABLE IF NOT EXISTS secrets (
    purpose VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    generation INT UNSIGNED NOT NULL,
    master BINARY(8) NOT NULL,
    wrapped VARBINARY(255) NOT NULL,
    made_us BIGINT NOT NULL,
    PRIMARY KEY (purpose, generation),
    KEY secrets_by_master (master),
    CONSTRAINT secrets_master FOREIGN KEY (master) REFERENCES master_keys (usable)
) ENGINE = InnoDB;

-- The key under which what is personal about somebody is sealed; to erase them is to delete it.
CREATE TABLE IF NOT EXISTS person_keys (
    person BINARY(16) NOT NULL PRIMARY KEY,
    master BINARY(8) NOT NULL,
    wrapped VARBINARY(255) NOT NULL,
    made_us BIGINT NOT NULL,
    KEY person_keys_by_master (master),
    CONSTRAINT person_keys_master FOREIGN KEY (master) REFERENCES master_keys (usable)
) ENGINE = InnoDB;

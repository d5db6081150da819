-- Which shard has which slots of ids. Rows are only ever added.

-- The first map.
CREATE TABLE IF NOT EXISTS slots (
    first_slot SMALLINT UNSIGNED NOT NULL,
    last_slot SMALLINT UNSIGNED NOT NULL,
    shard SMALLINT UNSIGNED NOT NULL,
    PRIMARY KEY (first_slot)
) ENGINE = InnoDB;

-- Runs of slots that left the shard that had them, in order; the first map is version 1.
CREATE TABLE IF NOT EXISTS slot_moves (
    version BIGINT UNSIGNED NOT NULL,
    first_slot SMALLINT UNSIGNED NOT NULL,
    last_slot SMALLINT UNSIGNED NOT NULL,
    shard SMALLINT UNSIGNED NOT NULL,
    source_shard SMALLINT UNSIGNED NOT NULL,
    -- The last record of these slots in the log of their source, and the first in that of `shard`.
    sealed_seq BIGINT UNSIGNED NOT NULL,
    continues_seq BIGINT UNSIGNED NOT NULL,
    PRIMARY KEY (version)
) ENGINE = InnoDB;

-- Which shard has which slots of ids. Rows are only ever added: version 1 is the first map, and each
-- further version moves a run of slots out of the shard that had them.

CREATE TABLE slots (
    version BIGINT UNSIGNED NOT NULL,
    first_slot SMALLINT UNSIGNED NOT NULL,
    last_slot SMALLINT UNSIGNED NOT NULL,
    shard SMALLINT UNSIGNED NOT NULL,
    -- All 0 in the first map: entries count from 1.
    source_shard SMALLINT UNSIGNED NOT NULL,
    -- The last record of these slots in the log of their source, and the first in that of `shard`.
    sealed_seq BIGINT UNSIGNED NOT NULL,
    continues_seq BIGINT UNSIGNED NOT NULL,
    PRIMARY KEY (version, first_slot)
) ENGINE = InnoDB;

-- One row: which programs may use this database, and what they may write into it.

CREATE TABLE IF NOT EXISTS cluster_version (
    id TINYINT UNSIGNED NOT NULL,
    tables_form INT UNSIGNED NOT NULL,
    written_form INT UNSIGNED NOT NULL,
    PRIMARY KEY (id)
) ENGINE = InnoDB;

INSERT IGNORE INTO cluster_version (id, tables_form, written_form) VALUES (1, 1, 1);

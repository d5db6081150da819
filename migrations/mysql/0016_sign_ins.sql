-- By what people sign in, and their sessions. No password, no token and no address is in here: the hash of a
-- password, the blind index of a name, and how often a session was renewed; secrets of second factors are sealed.

CREATE TABLE IF NOT EXISTS credentials (
    user BINARY(16) NOT NULL PRIMARY KEY,
    -- The blind index of the name that is typed.
    login BINARY(16) NOT NULL UNIQUE,
    -- Argon2id, in the PHC form.
    password VARCHAR(255) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    changed_us BIGINT NOT NULL
) ENGINE = InnoDB;

CREATE TABLE IF NOT EXISTS sessions (
    session BINARY(16) NOT NULL PRIMARY KEY,
    user BINARY(16) NOT NULL,
    -- The session of the browser by which it was begun, with which it ends.
    parent BINARY(16),
    client VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    -- What its owner knows it by: the kind of browser, or the name that he gave an API token.
    device VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    -- What was asked for when it was begun, in JSON.
    asked VARCHAR(4000) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    -- 0: its code was not redeemed yet; then how often it was renewed.
    generation INT UNSIGNED NOT NULL,
    began_us BIGINT NOT NULL,
    used_us BIGINT NOT NULL,
    ends_us BIGINT NOT NULL,
    INDEX sessions_of_user (user),
    INDEX sessions_by_end (ends_us)
) ENGINE = InnoDB;

-- Sessions that were ended before their tokens did, in the order in which that was committed: who ends one
-- holds the row of the number until then.
CREATE TABLE IF NOT EXISTS ended_sessions (
    number BIGINT UNSIGNED NOT NULL PRIMARY KEY,
    session BINARY(16) NOT NULL,
    -- Until when tokens of it could hold.
    until_us BIGINT NOT NULL
) ENGINE = InnoDB;

CREATE TABLE IF NOT EXISTS ended_sessions_number (
    id INT NOT NULL PRIMARY KEY,
    number BIGINT UNSIGNED NOT NULL
) ENGINE = InnoDB;

INSERT IGNORE INTO ended_sessions_number (id, number) VALUES (1, 0);

-- What somebody shows besides his password: codes that follow from a shared secret and the time (RFC 6238).
CREATE TABLE IF NOT EXISTS second_factors (
    user BINARY(16) NOT NULL PRIMARY KEY,
    -- Sealed under a secret of the installation.
    secret VARBINARY(128) NOT NULL,
    -- 0: not confirmed by a code yet.
    confirmed_us BIGINT NOT NULL,
    -- The last step of time whose code was taken: none is good twice.
    step BIGINT NOT NULL,
    -- Codes for when the device is lost, as hashes, one behind the other.
    spare VARBINARY(512) NOT NULL
) ENGINE = InnoDB;

-- Subjects of issuers elsewhere who are users that were there before.
CREATE TABLE IF NOT EXISTS linked_subjects (
    -- What follows from issuer and subject.
    subject BINARY(16) NOT NULL PRIMARY KEY,
    user BINARY(16) NOT NULL,
    linked_us BIGINT NOT NULL,
    INDEX linked_subjects_of_user (user)
) ENGINE = InnoDB;

-- By what people sign in, and their sessions. No password, no token and no address is in here: the hash of a
-- password, the blind index of a name, and how often a session was renewed; secrets of second factors are sealed.

CREATE TABLE credentials (
    user BLOB NOT NULL PRIMARY KEY,
    -- The blind index of the name that is typed.
    login BLOB NOT NULL UNIQUE,
    -- Argon2id, in the PHC form.
    password TEXT NOT NULL,
    changed_us INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE sessions (
    session BLOB NOT NULL PRIMARY KEY,
    user BLOB NOT NULL,
    -- The session of the browser by which it was begun, with which it ends.
    parent BLOB,
    client TEXT NOT NULL,
    -- What its owner knows it by: the kind of browser, or the name that he gave an API token.
    device TEXT NOT NULL,
    -- What was asked for when it was begun, in JSON.
    asked TEXT NOT NULL,
    -- 0: its code was not redeemed yet; then how often it was renewed.
    generation INTEGER NOT NULL,
    began_us INTEGER NOT NULL,
    used_us INTEGER NOT NULL,
    ends_us INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX sessions_of_user ON sessions (user);
CREATE INDEX sessions_by_end ON sessions (ends_us);

-- Sessions that were ended before their tokens did, in the order in which that was committed: who ends one
-- holds the row of the number until then.
CREATE TABLE ended_sessions (
    number INTEGER NOT NULL PRIMARY KEY,
    session BLOB NOT NULL,
    -- Until when tokens of it could hold.
    until_us INTEGER NOT NULL
) STRICT;

CREATE TABLE ended_sessions_number (
    id INTEGER NOT NULL PRIMARY KEY,
    number INTEGER NOT NULL
) STRICT;

INSERT INTO ended_sessions_number (id, number) VALUES (1, 0);

-- What somebody shows besides his password: codes that follow from a shared secret and the time (RFC 6238).
CREATE TABLE second_factors (
    user BLOB NOT NULL PRIMARY KEY,
    -- Sealed under a secret of the installation.
    secret BLOB NOT NULL,
    -- 0: not confirmed by a code yet.
    confirmed_us INTEGER NOT NULL,
    -- The last step of time whose code was taken: none is good twice.
    step INTEGER NOT NULL,
    -- Codes for when the device is lost, as hashes, one behind the other.
    spare BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- Subjects of issuers elsewhere who are users that were there before.
CREATE TABLE linked_subjects (
    -- What follows from issuer and subject.
    subject BLOB NOT NULL PRIMARY KEY,
    user BLOB NOT NULL,
    linked_us INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX linked_subjects_of_user ON linked_subjects (user);

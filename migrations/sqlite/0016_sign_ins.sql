-- By what people sign in, and their sessions. No password, no token and no address is in here: the hash of a
-- password, the blind index of a name, and how often a session was renewed.

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
    ended_us INTEGER NOT NULL
) STRICT;

CREATE TABLE ended_sessions_number (
    id INTEGER NOT NULL PRIMARY KEY,
    number INTEGER NOT NULL
) STRICT;

INSERT INTO ended_sessions_number (id, number) VALUES (1, 0);

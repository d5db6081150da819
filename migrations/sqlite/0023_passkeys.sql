-- Credentials of authenticators by which people sign in without a password (Web Authentication). No secret is in here:
-- public keys, and ids that authenticators drew.

CREATE TABLE passkeys (
    -- SHA-256 of the id of the credential.
    passkey BLOB NOT NULL PRIMARY KEY,
    credential BLOB NOT NULL,
    user BLOB NOT NULL,
    -- A point of P-256, or a key of Ed25519.
    public_key BLOB NOT NULL,
    -- How often it signed, by its own word; 0, where it does not count.
    counter INTEGER NOT NULL,
    -- 1: its owner may have it on several devices.
    may_be_copied INTEGER NOT NULL,
    -- The kind of browser that it was made in.
    device TEXT NOT NULL,
    made_us INTEGER NOT NULL,
    -- 0: not used yet. What was asked before this time is good no more.
    used_us INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX passkeys_of_user ON passkeys (user);

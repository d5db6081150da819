-- Credentials of authenticators by which people sign in without a password (Web Authentication). No secret is in here:
-- public keys, and ids that authenticators drew.

CREATE TABLE IF NOT EXISTS passkeys (
    -- SHA-256 of the id of the credential.
    passkey BINARY(32) NOT NULL PRIMARY KEY,
    credential VARBINARY(1023) NOT NULL,
    user BINARY(16) NOT NULL,
    -- A point of P-256, or a key of Ed25519.
    public_key VARBINARY(65) NOT NULL,
    -- How often it signed, by its own word; 0, where it does not count.
    counter BIGINT UNSIGNED NOT NULL,
    -- 1: its owner may have it on several devices.
    may_be_copied BIGINT UNSIGNED NOT NULL,
    -- The kind of browser that it was made in.
    device VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    made_us BIGINT NOT NULL,
    -- 0: not used yet. What was asked before this time is good no more.
    used_us BIGINT NOT NULL,
    INDEX passkeys_of_user (user)
) ENGINE = InnoDB;

-- Of subjects of issuers elsewhere: when the issuer said which roles they have, as far as that was taken over.

CREATE TABLE told_roles (
    subject BLOB NOT NULL PRIMARY KEY,
    user BLOB NOT NULL,
    -- Seconds since 1970, by the issuer's clock.
    told_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Of subjects of issuers elsewhere: when the issuer said which roles they have, as far as that was taken over.

CREATE TABLE IF NOT EXISTS told_roles (
    subject BINARY(16) NOT NULL PRIMARY KEY,
    user BINARY(16) NOT NULL,
    -- Seconds since 1970, by the issuer's clock.
    told_at BIGINT NOT NULL
) ENGINE = InnoDB;

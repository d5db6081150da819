-- What operators took out of service, until one of them ends it.

CREATE TABLE quarantines (
    aggregate_type TEXT NOT NULL,
    aggregate_id BLOB NOT NULL,
    reason TEXT NOT NULL,
    by_whom TEXT NOT NULL,
    since_us INTEGER NOT NULL,
    PRIMARY KEY (aggregate_type, aggregate_id)
) STRICT;

-- Which event of an entry was not taken: its version; 0, its first, or nobody noted it.
ALTER TABLE follower_parked ADD COLUMN event BIGINT UNSIGNED NOT NULL DEFAULT 0;

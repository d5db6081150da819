//! How a MySQL or MariaDB server keeps a secret that it does not have yet.

use std::sync::OnceLock;

use super::Database;
use crate::secrets::{SecretTables, Texts};
use persistence::secrets::persons::PERSONS_PER_STATEMENT_MAX;

static TEXTS: Texts = [const { OnceLock::new() }; PERSONS_PER_STATEMENT_MAX];

/// `IGNORE` would also make a value fit its column that does not; every value here has one length.
impl SecretTables for Database {
    const ADD_FIRST_MASTER_KEY: &'static str =
        "INSERT IGNORE INTO master_keys (number, fingerprint, usable) VALUES (0,?,?)";
    const ADD_MASTER_KEY: &'static str = "INSERT IGNORE INTO master_keys (number, fingerprint, usable) \
         SELECT COALESCE(MAX(number), 0) + 1, ?, ? FROM master_keys";
    const ADD_SECRET: &'static str = "INSERT IGNORE INTO secrets \
         (purpose, generation, master, wrapped, made_us) VALUES (?,?,?,?,?)";
    const ADD_PERSON_KEYS: (&'static str, &'static str) =
        ("INSERT IGNORE INTO person_keys (person, master, wrapped, made_us) VALUES ", "");
    const ADD_PERSON_KEYS_TEXTS: &'static Texts = &TEXTS;
}

//! How a SQLite file keeps a secret that it does not have yet.

use std::sync::OnceLock;

use super::Database;
use crate::secrets::{SecretTables, Texts};
use persistence::secrets::persons::PERSONS_PER_STATEMENT_MAX;

static TEXTS: Texts = [const { OnceLock::new() }; PERSONS_PER_STATEMENT_MAX];

impl SecretTables for Database {
    const ADD_FIRST_MASTER_KEY: &'static str = "INSERT INTO master_keys (number, fingerprint, usable) VALUES (0,?,?) \
         ON CONFLICT DO NOTHING";
    const ADD_MASTER_KEY: &'static str = "INSERT INTO master_keys (number, fingerprint, usable) \
         SELECT COALESCE(MAX(number), 0) + 1, ?, ? FROM master_keys WHERE TRUE \
         ON CONFLICT DO NOTHING";
    const ADD_SECRET: &'static str = "INSERT INTO secrets (purpose, generation, master, wrapped, made_us) \
         VALUES (?,?,?,?,?) ON CONFLICT DO NOTHING";
    const ADD_PERSON_KEYS: (&'static str, &'static str) = (
        "INSERT INTO person_keys (person, master, wrapped, made_us) VALUES ",
        " ON CONFLICT DO NOTHING",
    );
    const ADD_PERSON_KEYS_TEXTS: &'static Texts = &TEXTS;
}

//! How a SQLite file keeps a secret that it does not have yet.

use super::Database;
use crate::secrets::SecretTables;

impl SecretTables for Database {
    const ADD_SECRET: &'static str = "INSERT INTO secrets (purpose, generation, wrapped, made_us) \
         VALUES (?,?,?,?) ON CONFLICT DO NOTHING";
}

//! How a MySQL or MariaDB server keeps a secret that it does not have yet.

use super::Database;
use crate::secrets::SecretTables;

/// `IGNORE` would also make a value fit its column that does not; every value here has one length.
impl SecretTables for Database {
    const ADD_SECRET: &'static str = "INSERT IGNORE INTO secrets \
         (purpose, generation, wrapped, made_us) VALUES (?,?,?,?)";
}

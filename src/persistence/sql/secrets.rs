//! The tables of secrets, in whatever database: what is asked of them and what a row holds. The few
//! words in which the databases differ are theirs: [`SecretTables`].

use std::sync::Arc;

use async_trait::async_trait;

use crate::snapshots::{Columns, Statement, Tables, Value};
use persistence::journal::JournalError;
use persistence::secrets::{SecretStore, StoredSecret};

const READ_SECRETS: &str =
    "SELECT generation, wrapped, made_us FROM secrets WHERE purpose = ? ORDER BY generation";
const ANY_SECRET: &str = "SELECT generation FROM secrets LIMIT 1";

/// How one database keeps what it does not have yet.
pub trait SecretTables: Tables {
    /// Keeps a generation of a secret, or changes nothing where there is one.
    const ADD_SECRET: &'static str;
}

/// The secrets of a database.
pub struct Secrets<D>(Arc<D>);

impl<D> Secrets<D> {
    pub fn of(database: Arc<D>) -> Self {
        Self(database)
    }
}

#[async_trait]
impl<D: SecretTables> SecretStore for Secrets<D> {
    async fn secrets(&self, purpose: &str) -> Result<Vec<StoredSecret>, JournalError> {
        let statement = Statement { sql: READ_SECRETS, values: vec![Value::Text(purpose)] };
        let rows = self.0.rows(statement).await?;
        rows.iter().map(|row| stored(row).map_err(D::error)).collect()
    }

    async fn add_secret(&self, purpose: &str, secret: &StoredSecret) -> Result<bool, JournalError> {
        let values = vec![
            Value::Text(purpose),
            Value::Number(secret.generation.into()),
            Value::Bytes(&secret.wrapped),
            Value::Time(secret.made_us),
        ];
        Ok(self.0.write(&[Statement { sql: D::ADD_SECRET, values }]).await? == 1)
    }

    async fn has_secrets(&self) -> Result<bool, JournalError> {
        let statement = Statement { sql: ANY_SECRET, values: Vec::new() };
        Ok(!self.0.rows(statement).await?.is_empty())
    }
}

fn stored(row: &impl Columns) -> Result<StoredSecret, sqlx::Error> {
    let generation = row.number(0)?.try_into().map_err(|_| {
        sqlx::Error::Decode("the generation of a secret is out of its column's range".into())
    })?;
    Ok(StoredSecret { generation, wrapped: row.bytes(1)?, made_us: row.time(2)? })
}

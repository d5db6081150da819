//! The tables of secrets, in whatever database: what is asked of them and what a row holds. The few
//! words in which the databases differ are theirs: [`SecretTables`].

use std::fmt::Write as _;
use std::sync::{Arc, OnceLock};

use async_trait::async_trait;

use crate::snapshots::{Columns, Statement, Tables, Value};
use crate::statements::id;
use domain::sealed::PersonId;
use persistence::journal::JournalError;
use persistence::secrets::persons::PERSONS_PER_STATEMENT_MAX;
use persistence::secrets::{Fingerprint, SecretStore, StoredPersonKey, StoredSecret};

const READ_SECRETS: &str = "SELECT generation, master, wrapped, made_us FROM secrets WHERE purpose = ? ORDER BY generation";
const SECRETS_UNDER: &str =
    "SELECT generation, master, wrapped, made_us, purpose FROM secrets WHERE master = ?";
const PERSONS_UNDER: &str =
    "SELECT person, master, wrapped, made_us FROM person_keys WHERE master = ? LIMIT ?";
const REWRAP_SECRET: &str = "UPDATE secrets SET master = ?, wrapped = ? WHERE purpose = ? AND generation = ? AND master = ?";
const REWRAP_PERSON: &str =
    "UPDATE person_keys SET master = ?, wrapped = ? WHERE person = ? AND master = ?";
const MASTER_KEYS: &str = "SELECT usable FROM master_keys WHERE usable IS NOT NULL ORDER BY number";
/// What is looked for before makes that of an ordinary answer; who wraps in between is held to it by the database.
const REMOVE_MASTER_KEY: &str = "UPDATE master_keys SET usable = NULL WHERE usable = ? \
     AND NOT EXISTS (SELECT 1 FROM secrets WHERE master = ?) \
     AND NOT EXISTS (SELECT 1 FROM person_keys WHERE master = ?)";
const ANY_SECRET: &str = "SELECT generation FROM secrets LIMIT 1";

/// How one database keeps what it does not have yet.
pub trait SecretTables: Tables {
    /// Keeps what tells the first master key, or changes nothing where there is one.
    const ADD_FIRST_MASTER_KEY: &'static str;
    /// Keeps what tells another one, or changes nothing where it is known.
    const ADD_MASTER_KEY: &'static str;
    /// Keeps a generation of a secret, or changes nothing where there is one.
    const ADD_SECRET: &'static str;
    /// What stands before and behind the rows of new keys of persons, so that the keys that are there
    /// stay as they are.
    const ADD_PERSON_KEYS: (&'static str, &'static str);
    const ADD_PERSON_KEYS_TEXTS: &'static Texts;
}

/// The secrets of a database.
pub struct Secrets<D>(pub Arc<D>);

#[async_trait]
impl<D: SecretTables> SecretStore for Secrets<D> {
    async fn master_keys(&self) -> Result<Vec<Fingerprint>, JournalError> {
        let statement = Statement { sql: MASTER_KEYS.into(), values: Vec::new() };
        let rows = self.0.rows(statement).await?;
        rows.iter().map(|row| fingerprint(row, 0).map_err(D::error)).collect()
    }

    async fn add_master_key(&self, key: &Fingerprint, is_first: bool) -> Result<(), JournalError> {
        let sql = if is_first { D::ADD_FIRST_MASTER_KEY } else { D::ADD_MASTER_KEY };
        let values = vec![Value::Bytes(key), Value::Bytes(key)];
        self.0.write(&[Statement { sql: sql.into(), values }]).await.map(drop)
    }

    async fn remove_master_key(&self, key: &Fingerprint) -> Result<bool, JournalError> {
        let values = vec![Value::Bytes(key), Value::Bytes(key), Value::Bytes(key)];
        let statement = Statement { sql: REMOVE_MASTER_KEY.into(), values };
        match self.0.write(&[statement]).await {
            Ok(0) => Ok(!self.master_keys().await?.contains(key)),
            Ok(_) => Ok(true),
            // Somebody wrapped by it in this very moment.
            Err(JournalError::Refused(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn secrets_under(
        &self,
        key: &Fingerprint,
    ) -> Result<Vec<(String, StoredSecret)>, JournalError> {
        let statement = Statement { sql: SECRETS_UNDER.into(), values: vec![Value::Bytes(key)] };
        let rows = self.0.rows(statement).await?;
        let read = |row: &D::Row| Ok((row.text(4)?, stored(row)?));
        rows.iter().map(|row| read(row).map_err(D::error)).collect()
    }

    async fn person_keys_under(
        &self,
        key: &Fingerprint,
        rows: u32,
    ) -> Result<Vec<StoredPersonKey>, JournalError> {
        let values = vec![Value::Bytes(key), Value::Number(rows.into())];
        let rows = self.0.rows(Statement { sql: PERSONS_UNDER.into(), values }).await?;
        rows.iter().map(|row| stored_key(row).map_err(D::error)).collect()
    }

    async fn rewrap_secret(
        &self,
        purpose: &str,
        secret: &StoredSecret,
        before: &Fingerprint,
    ) -> Result<(), JournalError> {
        let values = vec![
            Value::Bytes(&secret.master),
            Value::Bytes(&secret.wrapped),
            Value::Text(purpose),
            Value::Number(secret.generation.into()),
            Value::Bytes(before),
        ];
        self.0.write(&[Statement { sql: REWRAP_SECRET.into(), values }]).await.map(drop)
    }

    async fn rewrap_person_keys(
        &self,
        keys: &[StoredPersonKey],
        before: &Fingerprint,
    ) -> Result<(), JournalError> {
        if keys.is_empty() {
            return Ok(());
        }
        let statements = keys.iter().map(|key| {
            let StoredPersonKey { person, master, wrapped, .. } = key;
            let values = vec![
                Value::Bytes(master),
                Value::Bytes(wrapped),
                Value::Bytes(person.0.as_bytes()),
                Value::Bytes(before),
            ];
            Statement { sql: REWRAP_PERSON.into(), values }
        });
        let statements: Vec<_> = statements.collect();
        self.0.write(&statements).await.map(drop)
    }

    async fn secrets(&self, purpose: &str) -> Result<Vec<StoredSecret>, JournalError> {
        let statement = Statement { sql: READ_SECRETS.into(), values: vec![Value::Text(purpose)] };
        let rows = self.0.rows(statement).await?;
        rows.iter().map(|row| stored(row).map_err(D::error)).collect()
    }

    async fn add_secret(&self, purpose: &str, secret: &StoredSecret) -> Result<bool, JournalError> {
        let values = vec![
            Value::Text(purpose),
            Value::Number(secret.generation.into()),
            Value::Bytes(&secret.master),
            Value::Bytes(&secret.wrapped),
            Value::Time(secret.made_us),
        ];
        Ok(self.0.write(&[Statement { sql: D::ADD_SECRET.into(), values }]).await? == 1)
    }

    async fn has_secrets(&self) -> Result<bool, JournalError> {
        let statement = Statement { sql: ANY_SECRET.into(), values: Vec::new() };
        Ok(!self.0.rows(statement).await?.is_empty())
    }

    async fn person_keys(
        &self,
        persons: &[PersonId],
    ) -> Result<Vec<StoredPersonKey>, JournalError> {
        static TEXTS: Texts = [const { OnceLock::new() }; PERSONS_PER_STATEMENT_MAX];
        let (before, after) =
            ("SELECT person, master, wrapped, made_us FROM person_keys WHERE person IN (", ")");
        let Some(sql) = text(&TEXTS, persons.len(), before, "?", after)? else {
            return Ok(Vec::new());
        };
        let values = persons.iter().map(|person| Value::Bytes(person.0.as_bytes())).collect();
        let rows = self.0.rows(Statement { sql: sql.into(), values }).await?;
        rows.iter().map(|row| stored_key(row).map_err(D::error)).collect()
    }

    async fn add_person_keys(&self, keys: &[StoredPersonKey]) -> Result<u64, JournalError> {
        let (before, after) = D::ADD_PERSON_KEYS;
        let Some(sql) = text(D::ADD_PERSON_KEYS_TEXTS, keys.len(), before, "(?,?,?,?)", after)?
        else {
            return Ok(0);
        };
        let values = keys.iter().flat_map(|key| {
            let StoredPersonKey { person, master, wrapped, made_us } = key;
            [
                Value::Bytes(person.0.as_bytes()),
                Value::Bytes(master),
                Value::Bytes(wrapped),
                Value::Time(*made_us),
            ]
        });
        self.0.write(&[Statement { sql: sql.into(), values: values.collect() }]).await
    }

    async fn remove_person_key(&self, person: PersonId) -> Result<(), JournalError> {
        let values = vec![Value::Bytes(person.0.as_bytes())];
        let sql = "DELETE FROM person_keys WHERE person = ?";
        self.0.write(&[Statement { sql: sql.into(), values }]).await.map(drop)
    }
}

/// The text of a statement of each size, built once in the life of the process.
pub type Texts = [OnceLock<String>; PERSONS_PER_STATEMENT_MAX];

/// `before`, `size` times `each`, `after`; nothing for none at all.
fn text(
    texts: &'static Texts,
    size: usize,
    before: &str,
    each: &str,
    after: &str,
) -> Result<Option<&'static str>, JournalError> {
    let Some(last) = size.checked_sub(1) else { return Ok(None) };
    let Some(text) = texts.get(last) else {
        return Err(JournalError::Refused(format!("a statement of {size} persons").into()));
    };
    let text = text.get_or_init(|| {
        let mut text = String::from(before);
        for place in 0..size {
            let comma = if place == 0 { "" } else { "," };
            write!(text, "{comma}{each}").expect("writing to a string cannot fail");
        }
        text + after
    });
    Ok(Some(text))
}

fn stored_key(row: &impl Columns) -> Result<StoredPersonKey, sqlx::Error> {
    let person = PersonId(id(&row.bytes(0)?)?);
    let master = fingerprint(row, 1)?;
    Ok(StoredPersonKey { person, master, wrapped: row.bytes(2)?, made_us: row.time(3)? })
}

fn fingerprint(row: &impl Columns, column: usize) -> Result<Fingerprint, sqlx::Error> {
    let other = |_| sqlx::Error::Decode("this is not what tells a master key".into());
    row.bytes(column)?.try_into().map_err(other)
}

fn stored(row: &impl Columns) -> Result<StoredSecret, sqlx::Error> {
    let generation = row.number(0)?.try_into().map_err(|_| {
        sqlx::Error::Decode("the generation of a secret is out of its column's range".into())
    })?;
    let master = fingerprint(row, 1)?;
    Ok(StoredSecret { generation, master, wrapped: row.bytes(2)?, made_us: row.time(3)? })
}

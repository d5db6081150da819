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
use persistence::secrets::{SecretStore, StoredPersonKey, StoredSecret};

const READ_SECRETS: &str =
    "SELECT generation, wrapped, made_us FROM secrets WHERE purpose = ? ORDER BY generation";
const ANY_SECRET: &str = "SELECT generation FROM secrets LIMIT 1";

/// How one database keeps what it does not have yet.
pub trait SecretTables: Tables {
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
    async fn secrets(&self, purpose: &str) -> Result<Vec<StoredSecret>, JournalError> {
        let statement = Statement { sql: READ_SECRETS.into(), values: vec![Value::Text(purpose)] };
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
            ("SELECT person, wrapped, made_us FROM person_keys WHERE person IN (", ")");
        let Some(sql) = text(&TEXTS, persons.len(), before, "?", after)? else {
            return Ok(Vec::new());
        };
        let values = persons.iter().map(|person| Value::Bytes(person.0.as_bytes())).collect();
        let rows = self.0.rows(Statement { sql: sql.into(), values }).await?;
        rows.iter().map(|row| stored_key(row).map_err(D::error)).collect()
    }

    async fn add_person_keys(&self, keys: &[StoredPersonKey]) -> Result<u64, JournalError> {
        let (before, after) = D::ADD_PERSON_KEYS;
        let Some(sql) = text(D::ADD_PERSON_KEYS_TEXTS, keys.len(), before, "(?,?,?)", after)?
        else {
            return Ok(0);
        };
        let values = keys.iter().flat_map(|key| {
            let StoredPersonKey { person, wrapped, made_us } = key;
            [Value::Bytes(person.0.as_bytes()), Value::Bytes(wrapped), Value::Time(*made_us)]
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
    Ok(StoredPersonKey { person, wrapped: row.bytes(1)?, made_us: row.time(2)? })
}

fn stored(row: &impl Columns) -> Result<StoredSecret, sqlx::Error> {
    let generation = row.number(0)?.try_into().map_err(|_| {
        sqlx::Error::Decode("the generation of a secret is out of its column's range".into())
    })?;
    Ok(StoredSecret { generation, wrapped: row.bytes(1)?, made_us: row.time(2)? })
}

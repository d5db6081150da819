//! What a database notes of where logs stand: which of an installation's databases it is, and which shards each
//! has. Whoever comes with another configuration is refused, for a shard in two databases has two logs.

use uuid::Uuid;

use crate::snapshots::{Columns, Statement, Tables, Value};
use crate::statements::id;
use persistence::homes::Homes;
use persistence::journal::JournalError;

const NOTED: &str = "SELECT own, homes, installation FROM log_homes WHERE id = 1";
const NOTE: &str = "INSERT INTO log_homes (id, own, homes, installation) VALUES (1, ?, ?, ?)";

/// What one of them has noted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Noted {
    pub own: usize,
    /// As [`Homes`] say it.
    pub homes: String,
    pub installation: Uuid,
}

/// What a database has noted; nothing, where it was never served from.
pub async fn noted<D: Tables>(database: &D) -> Result<Option<Noted>, JournalError> {
    let rows = database.rows(Statement { sql: NOTED.into(), values: Vec::new() }).await?;
    let read = |row: &D::Row| {
        let own = usize::try_from(row.number(0)?);
        Ok(Noted {
            own: own.map_err(|error| sqlx::Error::Decode(error.into()))?,
            homes: row.text(1)?,
            installation: id(&row.bytes(2)?)?,
        })
    };
    rows.first().map(read).transpose().map_err(D::error)
}

/// Notes it where nothing is noted, and says what is. Several nodes may do so at once.
pub async fn claim<D: Tables>(
    database: &D,
    own: usize,
    homes: &Homes,
    installation: Uuid,
) -> Result<Noted, JournalError> {
    if let Some(noted) = noted(database).await? {
        return Ok(noted);
    }
    let homes = homes.to_string();
    let values =
        vec![Value::Number(own as u64), Value::Text(&homes), Value::Bytes(installation.as_bytes())];
    let written = database.write(&[Statement { sql: NOTE.into(), values }]).await;
    match (noted(database).await?, written) {
        (Some(noted), _) => Ok(noted),
        (None, Err(error)) => Err(error),
        (None, Ok(_)) => Err(JournalError::Corrupt("what was noted of its logs is gone".into())),
    }
}

//! The tables by which people sign in, in whatever database: every statement reads the same in all of
//! them.

use std::sync::Arc;

use async_trait::async_trait;
use uuid::Uuid;

use crate::snapshots::{Columns, Statement, Tables, Value};
use crate::statements::id;
use persistence::journal::JournalError;
use persistence::sign_ins::{Credential, Login, Session, SignInStore};

const CREDENTIAL: &str =
    "SELECT user, login, password, changed_us FROM credentials WHERE login = ?";
const ANY: &str = "SELECT changed_us FROM credentials LIMIT 1";
/// Of two at once the second meets the key; of two one after another it finds the first.
const ADD: &str = "INSERT INTO credentials (user, login, password, changed_us) \
                   SELECT ?, ?, ?, ? FROM ended_sessions_number \
                   WHERE NOT EXISTS (SELECT 1 FROM credentials WHERE login = ? OR user = ?)";
const PASSWORD: &str = "UPDATE credentials SET password = ?, changed_us = ? WHERE user = ?";
const BEGIN: &str = "INSERT INTO sessions (session, user, parent, client, asked, generation, began_us, \
                     used_us, ends_us) VALUES (?,?,?,?,?,?,?,?,?)";
const SESSION: &str = "SELECT session, user, parent, client, asked, generation, began_us, used_us, \
                    ends_us FROM sessions WHERE session = ?";
const SESSIONS: &str = "SELECT session, user, parent, client, asked, generation, began_us, used_us, \
                     ends_us FROM sessions WHERE user = ? ORDER BY used_us DESC LIMIT 100";
const RENEW: &str = "UPDATE sessions SET generation = generation + 1, asked = ?, used_us = ?, ends_us = ? \
                     WHERE session = ? AND generation = ?";
/// Whoever ends a session holds this row until that is committed: numbers come in the order of commits.
const NEXT: &str = "UPDATE ended_sessions_number SET number = number + 1 WHERE id = 1";
const END: &str = "INSERT INTO ended_sessions (number, session, ended_us) \
                   SELECT number, ?, ? FROM ended_sessions_number WHERE id = 1";
const REMOVE: &str = "DELETE FROM sessions WHERE session = ?";
const BELOW: &str = "SELECT session FROM sessions WHERE user = ? AND (session = ? OR parent = ?)";
const OF_USER: &str = "SELECT session FROM sessions WHERE user = ?";
const ENDED: &str =
    "SELECT number, session FROM ended_sessions WHERE number > ? ORDER BY number LIMIT 1000";
const SWEEP: &str = "DELETE FROM sessions WHERE ends_us < ?";
const SWEEP_ENDED: &str = "DELETE FROM ended_sessions WHERE ended_us < ?";

/// Those of a database.
pub struct SignIns<D>(pub Arc<D>);

impl<D: Tables> SignIns<D> {
    async fn write(&self, sql: &'static str, values: Vec<Value<'_>>) -> Result<u64, JournalError> {
        self.0.write(&[Statement { sql: sql.into(), values }]).await
    }

    async fn rows(
        &self,
        sql: &'static str,
        values: Vec<Value<'_>>,
    ) -> Result<Vec<D::Row>, JournalError> {
        self.0.rows(Statement { sql: sql.into(), values }).await
    }

    async fn end_all(&self, sessions: &[D::Row], ended_us: i64) -> Result<(), JournalError> {
        let ids: Result<Vec<Vec<u8>>, _> = sessions.iter().map(|row| row.bytes(0)).collect();
        for session in ids.map_err(D::error)? {
            let one = || vec![Value::Bytes(&session)];
            let end = vec![Value::Bytes(&session), Value::Time(ended_us)];
            self.0
                .write(&[
                    Statement { sql: NEXT.into(), values: Vec::new() },
                    Statement { sql: END.into(), values: end },
                    Statement { sql: REMOVE.into(), values: one() },
                ])
                .await?;
        }
        Ok(())
    }
}

#[async_trait]
impl<D: Tables> SignInStore for SignIns<D> {
    async fn credential(&self, login: Login) -> Result<Option<Credential>, JournalError> {
        let rows = self.rows(CREDENTIAL, vec![Value::Bytes(&login)]).await?;
        rows.first().map(|row| credential(row).map_err(D::error)).transpose()
    }

    async fn has_credentials(&self) -> Result<bool, JournalError> {
        Ok(!self.rows(ANY, Vec::new()).await?.is_empty())
    }

    async fn add_credential(&self, credential: &Credential) -> Result<bool, JournalError> {
        let Credential { user, login, password, changed_us } = credential;
        let values = vec![
            Value::Bytes(user.as_bytes()),
            Value::Bytes(login),
            Value::Text(password),
            Value::Time(*changed_us),
            Value::Bytes(login),
            Value::Bytes(user.as_bytes()),
        ];
        Ok(self.write(ADD, values).await? == 1)
    }

    async fn set_password(
        &self,
        user: Uuid,
        password: &str,
        changed_us: i64,
    ) -> Result<bool, JournalError> {
        let values =
            vec![Value::Text(password), Value::Time(changed_us), Value::Bytes(user.as_bytes())];
        Ok(self.write(PASSWORD, values).await? == 1)
    }

    async fn remove_credential(&self, user: Uuid) -> Result<(), JournalError> {
        let values = vec![Value::Bytes(user.as_bytes())];
        self.write("DELETE FROM credentials WHERE user = ?", values).await.map(drop)
    }

    async fn begin_session(&self, session: &Session) -> Result<(), JournalError> {
        let values = vec![
            Value::Bytes(session.id.as_bytes()),
            Value::Bytes(session.user.as_bytes()),
            session.parent.as_ref().map_or(Value::Null, |parent| Value::Bytes(parent.as_bytes())),
            Value::Text(&session.client),
            Value::Text(&session.asked),
            Value::Number(session.generation.into()),
            Value::Time(session.began_us),
            Value::Time(session.used_us),
            Value::Time(session.ends_us),
        ];
        self.write(BEGIN, values).await.map(drop)
    }

    async fn session(&self, id: Uuid) -> Result<Option<Session>, JournalError> {
        let rows = self.rows(SESSION, vec![Value::Bytes(id.as_bytes())]).await?;
        rows.first().map(|row| session(row).map_err(D::error)).transpose()
    }

    async fn renew_session(
        &self,
        id: Uuid,
        from: u32,
        asked: &str,
        used_us: i64,
        ends_us: i64,
    ) -> Result<bool, JournalError> {
        let values = vec![
            Value::Text(asked),
            Value::Time(used_us),
            Value::Time(ends_us),
            Value::Bytes(id.as_bytes()),
            Value::Number(from.into()),
        ];
        Ok(self.write(RENEW, values).await? == 1)
    }

    async fn sessions_of(&self, user: Uuid) -> Result<Vec<Session>, JournalError> {
        let rows = self.rows(SESSIONS, vec![Value::Bytes(user.as_bytes())]).await?;
        rows.iter().map(|row| session(row).map_err(D::error)).collect()
    }

    async fn end_session(&self, id: Uuid, ended_us: i64) -> Result<(), JournalError> {
        let Some(Session { user, .. }) = self.session(id).await? else { return Ok(()) };
        let values = vec![
            Value::Bytes(user.as_bytes()),
            Value::Bytes(id.as_bytes()),
            Value::Bytes(id.as_bytes()),
        ];
        let sessions = self.rows(BELOW, values).await?;
        self.end_all(&sessions, ended_us).await
    }

    async fn end_sessions_of(&self, user: Uuid, ended_us: i64) -> Result<(), JournalError> {
        let sessions = self.rows(OF_USER, vec![Value::Bytes(user.as_bytes())]).await?;
        self.end_all(&sessions, ended_us).await
    }

    async fn ended_after(&self, number: u64) -> Result<Vec<(u64, Uuid)>, JournalError> {
        let rows = self.rows(ENDED, vec![Value::Number(number)]).await?;
        let ended = |row: &D::Row| Ok((row.number(0)?, id(&row.bytes(1)?)?));
        rows.iter().map(|row| ended(row).map_err(D::error)).collect()
    }

    async fn sweep(&self, now_us: i64, ended_before_us: i64) -> Result<(), JournalError> {
        self.write(SWEEP, vec![Value::Time(now_us)]).await?;
        self.write(SWEEP_ENDED, vec![Value::Time(ended_before_us)]).await.map(drop)
    }
}

fn credential(row: &impl Columns) -> Result<Credential, sqlx::Error> {
    let login = row.bytes(1)?.try_into().map_err(|_| wrong("a login"))?;
    let (user, password, changed_us) = (id(&row.bytes(0)?)?, row.text(2)?, row.time(3)?);
    Ok(Credential { user, login, password, changed_us })
}

fn session(row: &impl Columns) -> Result<Session, sqlx::Error> {
    let parent = if row.is_null(2)? { None } else { Some(id(&row.bytes(2)?)?) };
    Ok(Session {
        id: id(&row.bytes(0)?)?,
        user: id(&row.bytes(1)?)?,
        parent,
        client: row.text(3)?,
        asked: row.text(4)?,
        generation: row.number(5)?.try_into().map_err(|_| wrong("the generation of a session"))?,
        began_us: row.time(6)?,
        used_us: row.time(7)?,
        ends_us: row.time(8)?,
    })
}

fn wrong(what: &str) -> sqlx::Error {
    sqlx::Error::Decode(format!("{what} is out of its column's range").into())
}

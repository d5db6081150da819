//! The tables by which people sign in, in whatever database: every statement reads the same in all of
//! them.

use std::sync::Arc;

use async_trait::async_trait;
use uuid::Uuid;

use crate::snapshots::{Columns, Statement, Tables, Value};
use crate::statements::id;
use persistence::journal::JournalError;
use persistence::sign_ins::{
    Credential, End, Login, Passkey, PasskeyId, SecondFactor, Session, SignInStore,
};

const CREDENTIAL: &str =
    "SELECT user, login, password, changed_us FROM credentials WHERE login = ?";
const HASHED: &str = "SELECT password FROM credentials WHERE user = ?";
const ANY: &str = "SELECT changed_us FROM credentials LIMIT 1";
/// Of two at once the second meets the key; of two one after another it finds the first.
const ADD: &str = "INSERT INTO credentials (user, login, password, changed_us) \
                   SELECT ?, ?, ?, ? FROM ended_sessions_number \
                   WHERE NOT EXISTS (SELECT 1 FROM credentials WHERE login = ? OR user = ?)";
const PASSWORD: &str = "UPDATE credentials SET password = ?, changed_us = ? WHERE user = ?";
const CHANGE: &str =
    "UPDATE credentials SET password = ?, changed_us = ? WHERE user = ? AND changed_us = ?";
const KNOWN: &str = "SELECT 1 FROM ended_sessions_number WHERE \
                     EXISTS (SELECT 1 FROM credentials WHERE user = ?) OR \
                     EXISTS (SELECT 1 FROM linked_subjects WHERE user = ?)";
const FACTOR: &str =
    "SELECT user, secret, confirmed_us, step, spare FROM second_factors WHERE user = ?";
const FORGET_UNCONFIRMED: &str = "DELETE FROM second_factors WHERE user = ? AND confirmed_us = 0";
const ADD_FACTOR: &str = "INSERT INTO second_factors (user, secret, confirmed_us, step, spare) \
                          SELECT ?, ?, ?, ?, ? FROM ended_sessions_number \
                          WHERE NOT EXISTS (SELECT 1 FROM second_factors WHERE user = ?)";
const MOVE_FACTOR: &str = "UPDATE second_factors SET confirmed_us = ?, step = ?, spare = ? \
                           WHERE user = ? AND confirmed_us = ? AND step = ? AND spare = ?";
const PASSKEY: &str = "SELECT passkey, credential, user, public_key, counter, may_be_copied, device, made_us, \
                       used_us FROM passkeys WHERE passkey = ?";
const PASSKEYS: &str = "SELECT passkey, credential, user, public_key, counter, may_be_copied, device, made_us, \
                        used_us FROM passkeys WHERE user = ? ORDER BY made_us, passkey LIMIT 20";
const ADD_PASSKEY: &str = "INSERT INTO passkeys (passkey, credential, user, public_key, counter, \
                           may_be_copied, device, made_us, used_us) \
                           SELECT ?, ?, ?, ?, ?, ?, ?, ?, ? FROM ended_sessions_number \
                           WHERE NOT EXISTS (SELECT 1 FROM passkeys WHERE passkey = ?) \
                           AND NOT EXISTS (SELECT 1 FROM passkeys WHERE user = ? AND made_us >= ?) \
                           AND (SELECT COUNT(*) FROM passkeys WHERE user = ?) < 20";
const USE_PASSKEY: &str = "UPDATE passkeys SET counter = ?, used_us = ? \
                           WHERE passkey = ? AND counter = ? AND used_us = ?";
const LINKED: &str = "SELECT user FROM linked_subjects WHERE subject = ?";
const LINK: &str = "INSERT INTO linked_subjects (subject, user, linked_us) \
                    SELECT ?, ?, ? FROM ended_sessions_number \
                    WHERE NOT EXISTS (SELECT 1 FROM linked_subjects WHERE subject = ?)";
const ROLES_TOLD: &str = "SELECT told_at FROM told_roles WHERE subject = ?";
const NOTE_ROLES: &str = "UPDATE told_roles SET told_at = ? WHERE subject = ? AND told_at < ?";
const FIRST_ROLES: &str = "INSERT INTO told_roles (subject, user, told_at) \
                           SELECT ?, ?, ? FROM ended_sessions_number \
                           WHERE NOT EXISTS (SELECT 1 FROM told_roles WHERE subject = ?)";
const LINK_UNKNOWN: &str = "INSERT INTO linked_subjects (subject, user, linked_us) \
                            SELECT ?, ?, ? FROM ended_sessions_number \
                            WHERE NOT EXISTS (SELECT 1 FROM linked_subjects WHERE subject = ? OR user = ?) \
                            AND NOT EXISTS (SELECT 1 FROM credentials WHERE user = ?)";
const BEGIN: &str = "INSERT INTO sessions (session, user, parent, client, device, asked, generation, \
                     began_us, used_us, ends_us) VALUES (?,?,?,?,?,?,?,?,?,?)";
const SESSION: &str = "SELECT session, user, parent, client, asked, generation, began_us, used_us, \
                    ends_us, device FROM sessions WHERE session = ?";
const SESSIONS: &str = "SELECT session, user, parent, client, asked, generation, began_us, used_us, \
                     ends_us, device FROM sessions WHERE user = ? ORDER BY used_us DESC LIMIT 100";
const RENEW: &str = "UPDATE sessions SET generation = generation + 1, asked = ?, used_us = ?, ends_us = ? \
                     WHERE session = ? AND generation = ?";
/// Whoever ends a session holds this row until that is committed: numbers come in the order of commits.
const NEXT: &str = "UPDATE ended_sessions_number SET number = number + 1 WHERE id = 1";
const END: &str = "INSERT INTO ended_sessions (number, session, until_us) \
                   SELECT number, ?, ? FROM ended_sessions_number WHERE id = 1";
const REMOVE: &str = "DELETE FROM sessions WHERE session = ?";
const BELOW: &str = "SELECT session, user, parent, client, asked, generation, began_us, used_us, \
                     ends_us, device FROM sessions WHERE user = ? AND (session = ? OR parent = ?)";
const OF_USER: &str = "SELECT session, user, parent, client, asked, generation, began_us, used_us, \
                       ends_us, device FROM sessions WHERE user = ?";
const ENDED: &str = "SELECT number, session, until_us FROM ended_sessions WHERE number > ? \
                     ORDER BY number LIMIT 1000";
const SWEEP: &str = "DELETE FROM sessions WHERE ends_us < ?";
const SWEEP_ENDED: &str = "DELETE FROM ended_sessions WHERE until_us < ?";

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

    async fn end_all(&self, rows: &[D::Row], ended_us: i64) -> Result<(), JournalError> {
        for row in rows {
            let ended = session(row).map_err(D::error)?;
            let id = || Value::Bytes(ended.id.as_bytes());
            let end = vec![id(), Value::Time(ended.end_kept_until(ended_us))];
            self.0
                .write(&[
                    Statement { sql: NEXT.into(), values: Vec::new() },
                    Statement { sql: END.into(), values: end },
                    Statement { sql: REMOVE.into(), values: vec![id()] },
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

    async fn password_of(&self, user: Uuid) -> Result<Option<String>, JournalError> {
        let rows = self.rows(HASHED, vec![Value::Bytes(user.as_bytes())]).await?;
        rows.first().map(|row| row.text(0).map_err(D::error)).transpose()
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

    async fn change_password(
        &self,
        user: Uuid,
        from_us: i64,
        password: &str,
        changed_us: i64,
    ) -> Result<bool, JournalError> {
        let values = vec![
            Value::Text(password),
            Value::Time(changed_us),
            Value::Bytes(user.as_bytes()),
            Value::Time(from_us),
        ];
        Ok(self.write(CHANGE, values).await? == 1)
    }

    async fn can_sign_in(&self, user: Uuid) -> Result<bool, JournalError> {
        let values = vec![Value::Bytes(user.as_bytes()), Value::Bytes(user.as_bytes())];
        Ok(!self.rows(KNOWN, values).await?.is_empty())
    }

    async fn second_factor(&self, user: Uuid) -> Result<Option<SecondFactor>, JournalError> {
        let rows = self.rows(FACTOR, vec![Value::Bytes(user.as_bytes())]).await?;
        rows.first().map(|row| factor(row).map_err(D::error)).transpose()
    }

    async fn begin_second_factor(&self, factor: &SecondFactor) -> Result<bool, JournalError> {
        let user = || Value::Bytes(factor.user.as_bytes());
        let values = vec![
            user(),
            Value::Bytes(&factor.secret),
            Value::Time(factor.confirmed_us),
            Value::Time(factor.step),
            Value::Bytes(&factor.spare),
            user(),
        ];
        self.write(FORGET_UNCONFIRMED, vec![user()]).await?;
        Ok(self.write(ADD_FACTOR, values).await? == 1)
    }

    async fn move_second_factor(
        &self,
        from: &SecondFactor,
        to: &SecondFactor,
    ) -> Result<bool, JournalError> {
        let values = vec![
            Value::Time(to.confirmed_us),
            Value::Time(to.step),
            Value::Bytes(&to.spare),
            Value::Bytes(from.user.as_bytes()),
            Value::Time(from.confirmed_us),
            Value::Time(from.step),
            Value::Bytes(&from.spare),
        ];
        Ok(self.write(MOVE_FACTOR, values).await? == 1)
    }

    async fn remove_second_factor(&self, user: Uuid) -> Result<(), JournalError> {
        let values = vec![Value::Bytes(user.as_bytes())];
        self.write("DELETE FROM second_factors WHERE user = ?", values).await.map(drop)
    }

    async fn passkey(&self, id: PasskeyId) -> Result<Option<Passkey>, JournalError> {
        let rows = self.rows(PASSKEY, vec![Value::Bytes(&id)]).await?;
        rows.first().map(|row| passkey(row).map_err(D::error)).transpose()
    }

    async fn passkeys_of(&self, user: Uuid) -> Result<Vec<Passkey>, JournalError> {
        let rows = self.rows(PASSKEYS, vec![Value::Bytes(user.as_bytes())]).await?;
        rows.iter().map(|row| passkey(row).map_err(D::error)).collect()
    }

    async fn add_passkey(&self, passkey: &Passkey, asked_us: i64) -> Result<bool, JournalError> {
        let values = vec![
            Value::Bytes(&passkey.id),
            Value::Bytes(&passkey.credential),
            Value::Bytes(passkey.user.as_bytes()),
            Value::Bytes(&passkey.key),
            Value::Number(passkey.counter.into()),
            Value::Number(passkey.may_be_copied.into()),
            Value::Text(&passkey.device),
            Value::Time(passkey.made_us),
            Value::Time(passkey.used_us),
            Value::Bytes(&passkey.id),
            Value::Bytes(passkey.user.as_bytes()),
            Value::Time(asked_us),
            Value::Bytes(passkey.user.as_bytes()),
        ];
        // Two at once come one after the other: they want the row of the number.
        let statements = [
            Statement { sql: NEXT.into(), values: Vec::new() },
            Statement { sql: ADD_PASSKEY.into(), values },
        ];
        Ok(self.0.write(&statements).await? == 2)
    }

    async fn use_passkey(
        &self,
        known: &Passkey,
        counter: u32,
        used_us: i64,
    ) -> Result<bool, JournalError> {
        let values = vec![
            Value::Number(counter.into()),
            Value::Time(used_us),
            Value::Bytes(&known.id),
            Value::Number(known.counter.into()),
            Value::Time(known.used_us),
        ];
        Ok(self.write(USE_PASSKEY, values).await? == 1)
    }

    async fn remove_passkey(&self, user: Uuid, id: PasskeyId) -> Result<(), JournalError> {
        let values = vec![Value::Bytes(&id), Value::Bytes(user.as_bytes())];
        self.write("DELETE FROM passkeys WHERE passkey = ? AND user = ?", values).await.map(drop)
    }

    async fn remove_passkeys_of(&self, user: Uuid) -> Result<(), JournalError> {
        let values = vec![Value::Bytes(user.as_bytes())];
        self.write("DELETE FROM passkeys WHERE user = ?", values).await.map(drop)
    }

    async fn linked(&self, subject: Uuid) -> Result<Option<Uuid>, JournalError> {
        let rows = self.rows(LINKED, vec![Value::Bytes(subject.as_bytes())]).await?;
        let user = |row: &D::Row| id(&row.bytes(0)?);
        rows.first().map(|row| user(row).map_err(D::error)).transpose()
    }

    async fn link(&self, subject: Uuid, user: Uuid, linked_us: i64) -> Result<bool, JournalError> {
        let values = vec![
            Value::Bytes(subject.as_bytes()),
            Value::Bytes(user.as_bytes()),
            Value::Time(linked_us),
            Value::Bytes(subject.as_bytes()),
        ];
        Ok(self.write(LINK, values).await? == 1)
    }

    async fn link_unless_known(
        &self,
        subject: Uuid,
        user: Uuid,
        linked_us: i64,
    ) -> Result<bool, JournalError> {
        let values = vec![
            Value::Bytes(subject.as_bytes()),
            Value::Bytes(user.as_bytes()),
            Value::Time(linked_us),
            Value::Bytes(subject.as_bytes()),
            Value::Bytes(user.as_bytes()),
            Value::Bytes(user.as_bytes()),
        ];
        // Two at once come one after the other: they want the row of the number.
        let statements = [
            Statement { sql: NEXT.into(), values: Vec::new() },
            Statement { sql: LINK_UNKNOWN.into(), values },
        ];
        Ok(self.0.write(&statements).await? == 2)
    }

    async fn unlink(&self, subject: Uuid) -> Result<bool, JournalError> {
        let values = vec![Value::Bytes(subject.as_bytes())];
        Ok(self.write("DELETE FROM linked_subjects WHERE subject = ?", values).await? == 1)
    }

    async fn roles_told(&self, subject: Uuid) -> Result<i64, JournalError> {
        let rows = self.rows(ROLES_TOLD, vec![Value::Bytes(subject.as_bytes())]).await?;
        rows.first().map_or(Ok(0), |row| row.time(0).map_err(D::error))
    }

    async fn note_roles_told(
        &self,
        subject: Uuid,
        user: Uuid,
        told_at: i64,
    ) -> Result<(), JournalError> {
        let (subject, at) = (Value::Bytes(subject.as_bytes()), Value::Time(told_at));
        self.write(NOTE_ROLES, vec![at, subject, at]).await?;
        let first = vec![subject, Value::Bytes(user.as_bytes()), at, subject];
        self.write(FIRST_ROLES, first).await.map(drop)
    }

    async fn remove_credential(&self, user: Uuid) -> Result<(), JournalError> {
        for table in [
            "DELETE FROM credentials WHERE user = ?",
            "DELETE FROM second_factors WHERE user = ?",
            "DELETE FROM linked_subjects WHERE user = ?",
            "DELETE FROM told_roles WHERE user = ?",
            "DELETE FROM passkeys WHERE user = ?",
        ] {
            self.write(table, vec![Value::Bytes(user.as_bytes())]).await?;
        }
        Ok(())
    }

    async fn begin_session(&self, session: &Session) -> Result<(), JournalError> {
        let values = vec![
            Value::Bytes(session.id.as_bytes()),
            Value::Bytes(session.user.as_bytes()),
            session.parent.as_ref().map_or(Value::Null, |parent| Value::Bytes(parent.as_bytes())),
            Value::Text(&session.client),
            Value::Text(&session.device),
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

    async fn ended_after(&self, number: u64) -> Result<Vec<End>, JournalError> {
        let rows = self.rows(ENDED, vec![Value::Number(number)]).await?;
        let ended = |row: &D::Row| {
            let (session, until_us) = (id(&row.bytes(1)?)?, row.time(2)?);
            Ok(End { number: row.number(0)?, session, until_us })
        };
        rows.iter().map(|row| ended(row).map_err(D::error)).collect()
    }

    async fn sweep(&self, now_us: i64) -> Result<(), JournalError> {
        self.write(SWEEP, vec![Value::Time(now_us)]).await?;
        self.write(SWEEP_ENDED, vec![Value::Time(now_us)]).await.map(drop)
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
        device: row.text(9)?,
    })
}

fn factor(row: &impl Columns) -> Result<SecondFactor, sqlx::Error> {
    Ok(SecondFactor {
        user: id(&row.bytes(0)?)?,
        secret: row.bytes(1)?,
        confirmed_us: row.time(2)?,
        step: row.time(3)?,
        spare: row.bytes(4)?,
    })
}

fn passkey(row: &impl Columns) -> Result<Passkey, sqlx::Error> {
    Ok(Passkey {
        id: row.bytes(0)?.try_into().map_err(|_| wrong("the name of a passkey"))?,
        credential: row.bytes(1)?,
        user: id(&row.bytes(2)?)?,
        key: row.bytes(3)?,
        counter: row.number(4)?.try_into().map_err(|_| wrong("the counter of a passkey"))?,
        may_be_copied: row.number(5)? != 0,
        device: row.text(6)?,
        made_us: row.time(7)?,
        used_us: row.time(8)?,
    })
}

fn wrong(what: &str) -> sqlx::Error {
    sqlx::Error::Decode(format!("{what} is out of its column's range").into())
}

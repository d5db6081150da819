//! The tables of nodes and pins, in whatever database. The few words in which the databases differ
//! are theirs: [`MemberTables`].

use std::sync::Arc;

use async_trait::async_trait;
use uuid::Uuid;

use crate::snapshots::{Columns, Statement, Tables, Value};
use crate::statements::id;
use persistence::journal::{JournalError, ShardId};
use persistence::members::{Member, MemberStore, Pin};

const MEMBERS: &str = "SELECT node, incarnation, address, weight, is_leaving, beat, is_drained \
                       FROM nodes ORDER BY node";
const FORGET: &str = "DELETE FROM nodes WHERE node = ? AND incarnation = ? AND beat <= ?";
const DRAIN: &str = "UPDATE nodes SET is_drained = ? WHERE node = ?";
const KNOWN: &str = "SELECT node FROM nodes WHERE node = ?";
const PINS: &str = "SELECT shard, node FROM pins ORDER BY shard";
const UNPIN: &str = "DELETE FROM pins WHERE shard = ?";
const PIN: &str = "INSERT INTO pins (shard, node) VALUES (?,?)";

/// How one database writes a row in place of another.
pub trait MemberTables: Tables {
    const ANNOUNCE: &'static str;
}

/// The members of a database.
pub struct Members<D>(pub Arc<D>);

impl<D: MemberTables> Members<D> {
    async fn write(&self, sql: &'static str, values: Vec<Value<'_>>) -> Result<u64, JournalError> {
        self.0.write(&[Statement { sql: sql.into(), values }]).await
    }
}

#[async_trait]
impl<D: MemberTables> MemberStore for Members<D> {
    async fn announce(&self, member: &Member) -> Result<(), JournalError> {
        let values = vec![
            Value::Text(&member.node),
            Value::Bytes(member.incarnation.as_bytes()),
            Value::Text(&member.address),
            Value::Number(member.weight.into()),
            Value::Number(member.is_leaving.into()),
        ];
        self.write(D::ANNOUNCE, values).await.map(drop)
    }

    async fn forget(&self, node: &str, incarnation: Uuid, beat: u64) -> Result<bool, JournalError> {
        let beat = i64::try_from(beat).unwrap_or(i64::MAX);
        let values =
            vec![Value::Text(node), Value::Bytes(incarnation.as_bytes()), Value::Time(beat)];
        Ok(self.write(FORGET, values).await? > 0)
    }

    async fn members(&self) -> Result<Vec<Member>, JournalError> {
        let rows = self.0.rows(Statement { sql: MEMBERS.into(), values: Vec::new() }).await?;
        rows.iter().map(|row| member(row).map_err(D::error)).collect()
    }

    async fn drain(&self, node: &str, is_drained: bool) -> Result<bool, JournalError> {
        self.write(DRAIN, vec![Value::Number(is_drained.into()), Value::Text(node)]).await?;
        let known = Statement { sql: KNOWN.into(), values: vec![Value::Text(node)] };
        Ok(!self.0.rows(known).await?.is_empty())
    }

    async fn pins(&self) -> Result<Vec<Pin>, JournalError> {
        let rows = self.0.rows(Statement { sql: PINS.into(), values: Vec::new() }).await?;
        let pin = |row: &D::Row| {
            let shard = ShardId::try_from(row.number(0)?);
            let shard = shard.map_err(|error| sqlx::Error::Decode(error.into()))?;
            Ok(Pin { shard, node: row.text(1)? })
        };
        rows.iter().map(|row| pin(row).map_err(D::error)).collect()
    }

    async fn pin(&self, shard: ShardId, node: Option<&str>) -> Result<(), JournalError> {
        let number = Value::Number(shard.into());
        let mut statements = vec![Statement { sql: UNPIN.into(), values: vec![number] }];
        statements.extend(
            node.map(|node| Statement { sql: PIN.into(), values: vec![number, Value::Text(node)] }),
        );
        self.0.write(&statements).await.map(drop)
    }
}

fn member(row: &impl Columns) -> Result<Member, sqlx::Error> {
    let weight = u16::try_from(row.number(3)?);
    Ok(Member {
        node: row.text(0)?,
        incarnation: id(&row.bytes(1)?)?,
        address: row.text(2)?,
        weight: weight.map_err(|error| sqlx::Error::Decode(error.into()))?,
        is_leaving: row.number(4)? != 0,
        beat: row.number(5)?,
        is_drained: row.number(6)? != 0,
    })
}

//! What followers tell of themselves and what operators ask of them, in whatever database.

use async_trait::async_trait;

use super::{ReadTables, ReadTablesOf, shard_of};
use crate::snapshots::{Columns, Sql, Statement, Value as Given};
use persistence::follower_board::{FollowerBoard, Report, Standing};
use persistence::journal::{JournalError, Seq, ShardId};
use persistence::read_store::Bookmark;

const LOG: &str = "SELECT installation FROM read_log WHERE id = 1";
const FURTHEST: &str = "SELECT shard, MAX(seq) FROM follower_positions GROUP BY shard";
const STANDINGS: &str = "SELECT name, generation, filling FROM read_tables ORDER BY name";
const BEGIN_FILLING: &str =
    "UPDATE read_tables SET filling = generation + 1 WHERE name = ? AND filling = generation";
const END_FILLING: &str =
    "UPDATE read_tables SET filling = generation WHERE name = ? AND filling = ? AND generation < ?";
pub(super) const FORGET_POSITIONS: &str = "DELETE FROM follower_positions WHERE follower = ?";
pub(super) const FORGET_PARKED: &str = "DELETE FROM follower_parked WHERE follower = ?";
const REPORTS: &str = "SELECT node, follower, report, reported_us, asked, answered, asked_for \
     FROM follower_reports ORDER BY follower, node";
const REPORTS_OF: &str = "SELECT node, follower, report, reported_us, asked, answered, asked_for \
     FROM follower_reports WHERE node = ? ORDER BY follower";
const ASK: &str = "UPDATE follower_reports SET asked = asked + 1, asked_for = ? WHERE follower = ?";
const FORGET_BEFORE: &str = "DELETE FROM follower_reports WHERE reported_us < ?";

/// What stands before the name of a filling's table.
const PREFIX: &str = "read_";

/// The longest name of a follower: the column that keeps it.
const NAME_BYTES_MAX: usize = 64;

/// Whether a name may stand in the text of a statement, which is where the names of tables stand.
fn is_name(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    !text.is_empty() && text.len() <= NAME_BYTES_MAX && text.bytes().all(fits)
}

fn named(text: &str) -> Result<&str, JournalError> {
    if is_name(text) {
        return Ok(text);
    }
    Err(JournalError::Refused(format!("{text:?} is the name of no follower").into()))
}

fn noting<D: ReadTables>(report: &Report) -> Statement<'_> {
    let Report { node, follower, text, reported_us, answered, .. } = report;
    let values = vec![
        Given::Text(node),
        Given::Text(follower),
        Given::Text(text),
        Given::Time(*reported_us),
        Given::Number(*answered),
    ];
    Statement { sql: D::NOTE_REPORT.into(), values }
}

impl<D: ReadTables> ReadTablesOf<D> {
    async fn all(&self, sql: impl Into<Sql>) -> Result<Vec<D::Row>, JournalError> {
        self.database.rows(Statement { sql: sql.into(), values: Vec::new() }).await
    }
}

#[async_trait]
impl<D: ReadTables> FollowerBoard for ReadTablesOf<D> {
    async fn claim(&self, installation: &str) -> Result<String, JournalError> {
        let values = vec![Given::Text(installation)];
        self.database.write(&[Statement { sql: D::NOTE_LOG.into(), values }]).await?;
        let rows = self.all(LOG).await?;
        let noted = rows.first().map(|row| row.text(0)).transpose().map_err(D::error)?;
        noted.ok_or_else(|| JournalError::Corrupt("whose logs are followed is not noted".into()))
    }

    async fn furthest(&self) -> Result<Vec<(ShardId, Seq)>, JournalError> {
        let rows = self.all(FURTHEST).await?;
        let reached = |row: &D::Row| Ok((shard_of(row, 0)?, row.number(1)?));
        rows.iter().map(reached).collect::<Result<_, _>>().map_err(D::error)
    }

    async fn standings(&self) -> Result<Vec<Standing>, JournalError> {
        let small = |row: &D::Row, place| {
            u32::try_from(row.number(place)?).map_err(|error| sqlx::Error::Decode(error.into()))
        };
        let standing = |row: &D::Row| {
            Ok(Standing { table: row.text(0)?, answers: small(row, 1)?, filling: small(row, 2)? })
        };
        let rows = self.all(STANDINGS).await?;
        rows.iter().map(standing).collect::<Result<_, _>>().map_err(D::error)
    }

    async fn begin_filling(&self, table: &str) -> Result<(), JournalError> {
        let values = vec![Given::Text(table)];
        self.database.write(&[Statement { sql: BEGIN_FILLING.into(), values }]).await.map(drop)
    }

    async fn end_filling(&self, table: &str, filling: u32) -> Result<(), JournalError> {
        let filling = Given::Number(filling.into());
        let values = vec![Given::Text(table), filling, filling];
        self.database.write(&[Statement { sql: END_FILLING.into(), values }]).await.map(drop)
    }

    async fn fillings(&self) -> Result<Vec<String>, JournalError> {
        let rows = self.all(D::TABLES_THERE).await?;
        let names: Result<Vec<_>, _> = rows.iter().map(|row| row.text(0)).collect();
        let is_filling = |name: &String| {
            // `read_tables` and `read_log` have no number at their end.
            name.rsplit('_').next().is_some_and(|last| last.parse::<u32>().is_ok())
        };
        let names = names.map_err(D::error)?.into_iter();
        let fillings = names.filter_map(|name| name.strip_prefix(PREFIX).map(str::to_owned));
        Ok(fillings.filter(is_filling).collect())
    }

    async fn bookmark_of(&self, filling: &str) -> Result<Option<Bookmark>, JournalError> {
        let (bookmark, shards) = self.stands(filling).await?;
        Ok((shards > 0).then_some(bookmark))
    }

    async fn count_of(&self, filling: &str) -> Result<u64, JournalError> {
        let rows = self.all(format!("SELECT COUNT(*) FROM read_{}", named(filling)?)).await?;
        let counted = rows.first().map(|row| super::counted(row, 0)).transpose();
        Ok(counted.map_err(D::error)?.unwrap_or(0))
    }

    async fn drop_filling(&self, filling: &str) -> Result<(), JournalError> {
        let filling = named(filling)?;
        // The table first: what has positions and no table would be taken for whole.
        self.run(format!("DROP TABLE IF EXISTS read_{filling}")).await?;
        self.run(format!("DROP TABLE IF EXISTS read_{filling}_sums")).await?;
        let forget =
            |sql: &'static str| Statement { sql: sql.into(), values: vec![Given::Text(filling)] };
        self.database.write(&[FORGET_POSITIONS, FORGET_PARKED].map(forget)).await?;
        self.texts.lock().retain(|(of, _, _), _| of.name() != filling);
        Ok(())
    }

    async fn report(&self, reports: &[Report]) -> Result<(), JournalError> {
        let statements: Vec<_> = reports.iter().map(noting::<D>).collect();
        self.database.write(&statements).await.map(drop)
    }

    async fn reports(&self, node: Option<&str>) -> Result<Vec<Report>, JournalError> {
        let statement = match &node {
            Some(node) => Statement { sql: REPORTS_OF.into(), values: vec![Given::Text(node)] },
            None => Statement { sql: REPORTS.into(), values: Vec::new() },
        };
        let report = |row: &D::Row| {
            Ok(Report {
                node: row.text(0)?,
                follower: row.text(1)?,
                text: row.text(2)?,
                reported_us: row.time(3)?,
                asked: row.number(4)?,
                answered: row.number(5)?,
                asked_for: row.text(6)?,
            })
        };
        let rows = self.database.rows(statement).await?;
        rows.iter().map(report).collect::<Result<_, _>>().map_err(D::error)
    }

    async fn ask(&self, follower: &str, aggregate: &str) -> Result<u64, JournalError> {
        let values = vec![Given::Text(aggregate), Given::Text(follower)];
        self.database.write(&[Statement { sql: ASK.into(), values }]).await
    }

    async fn forget_before(&self, reported_us: i64) -> Result<(), JournalError> {
        let values = vec![Given::Time(reported_us)];
        self.database.write(&[Statement { sql: FORGET_BEFORE.into(), values }]).await.map(drop)
    }
}

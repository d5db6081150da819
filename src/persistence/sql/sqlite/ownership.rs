//! Who owns which shard, in a SQLite file. Each change is one transaction that starts as a
//! writer, so that nothing it reads can move before it commits.

use std::collections::BTreeMap;

use async_trait::async_trait;
use sqlx::sqlite::SqliteRow;
use sqlx::{Connection, Row, SqliteConnection};

use super::Database;
use super::appender::bind_entries;
use super::errors::{journal_error, met_duplicate, stored};
use crate::shards::{
    End, Findings, OWNED_SHARDS, SHARD_COUNT, forget_derived, in_lock_order, insert_shards, judge,
    own_shards, release_shards, renew_shards, resume_shard, select_holdings, stop_shard,
};
use crate::statements::{id, insert_entries, shard_list};
use persistence::cause::Cause;
use persistence::journal::{
    Acceptance, Accepted, Claim, ENTRIES_PER_APPEND_MAX, Holding, JournalError, Owner, Pulse,
    Regression, Seq, ShardId, ShardLeases, Taken,
};

/// The function that gives the greater of two numbers.
const GREATEST: &str = "MAX";

const BEGIN: &str = "BEGIN IMMEDIATE";

#[async_trait]
impl ShardLeases for Database {
    async fn prepare(&self, count: u16) -> Result<(), JournalError> {
        let _turn = self.turn.lock().await;
        let mut writer = self.writer.acquire().await.map_err(journal_error)?;
        let found = prepare_on(writer.connection(), count).await.map_err(journal_error)?;
        writer.give_back();
        if found == i64::from(count) {
            return Ok(());
        }
        let problem = format!("this database was made with {found} shards and not with {count}");
        Err(JournalError::Refused(problem.into()))
    }

    async fn shard_count(&self) -> Result<u16, JournalError> {
        let mut reader = self.readers.acquire().await.map_err(journal_error)?;
        let count: i64 = sqlx::query_scalar(SHARD_COUNT)
            .fetch_one(reader.connection())
            .await
            .map_err(journal_error)?;
        reader.give_back();
        stored(count).map_err(journal_error)
    }

    async fn look(&self, shards: &[ShardId]) -> Result<Vec<Holding>, JournalError> {
        if shards.is_empty() {
            return Ok(Vec::new());
        }
        let mut reader = self.readers.acquire().await.map_err(journal_error)?;
        let rows = holdings_on(reader.connection(), shards).await.map_err(journal_error)?;
        reader.give_back();
        Ok(rows)
    }

    async fn take(&self, claims: &[Claim], owner: &Owner) -> Result<Vec<Taken>, JournalError> {
        let claims = in_lock_order(claims);
        if claims.is_empty() {
            return Ok(Vec::new());
        }
        let _turn = self.turn.lock().await;
        let mut writer = self.writer.acquire().await.map_err(journal_error)?;
        let taken = match take_on(writer.connection(), &claims, owner).await {
            Ok(taken) => taken,
            // A writer holds the whole file: nobody can have appended meanwhile.
            Err(error) if met_duplicate(&error) => {
                let cause = Cause::of(error).at("a takeover met its own number");
                return Err(JournalError::Corrupt(cause));
            }
            Err(error) => return Err(journal_error(error)),
        };
        writer.give_back();
        if taken.len() < claims.len() {
            return Err(JournalError::Refused("a shard beyond those prepared".into()));
        }
        Ok(taken)
    }

    async fn renew(
        &self,
        owner: &Owner,
        acknowledged: &[(ShardId, Seq)],
    ) -> Result<Vec<ShardId>, JournalError> {
        let _turn = self.turn.lock().await;
        let mut writer = self.writer.acquire().await.map_err(journal_error)?;
        let incarnation = owner.incarnation.as_bytes().as_slice();
        sqlx::query(renew_shards("?", acknowledged, GREATEST))
            .bind(incarnation)
            .persistent(false)
            .execute(writer.connection())
            .await
            .map_err(journal_error)?;
        let owned = sqlx::query_scalar(OWNED_SHARDS)
            .bind(incarnation)
            .fetch_all(writer.connection())
            .await
            .map_err(journal_error)?;
        writer.give_back();
        Ok(owned)
    }

    async fn release(&self, owner: &Owner, shards: &[ShardId]) -> Result<(), JournalError> {
        if shards.is_empty() {
            return Ok(());
        }
        let _turn = self.turn.lock().await;
        let mut writer = self.writer.acquire().await.map_err(journal_error)?;
        sqlx::query(release_shards(shards, "?"))
            .bind(owner.incarnation.as_bytes().as_slice())
            .persistent(false)
            .execute(writer.connection())
            .await
            .map_err(journal_error)?;
        writer.give_back();
        Ok(())
    }
    async fn stop(&self, regression: &Regression) -> Result<(), JournalError> {
        let _turn = self.turn.lock().await;
        let mut writer = self.writer.acquire().await.map_err(journal_error)?;
        sqlx::query(stop_shard(regression, GREATEST))
            .persistent(false)
            .execute(writer.connection())
            .await
            .map_err(journal_error)?;
        writer.give_back();
        Ok(())
    }

    async fn accept_loss(&self, acceptance: &Acceptance) -> Result<Accepted, JournalError> {
        let _turn = self.turn.lock().await;
        let mut writer = self.writer.acquire().await.map_err(journal_error)?;
        let accepted = accept_on(writer.connection(), acceptance).await.map_err(journal_error)?;
        writer.give_back();
        Ok(accepted)
    }
}

async fn accept_on(
    connection: &mut SqliteConnection,
    acceptance: &Acceptance,
) -> Result<Accepted, sqlx::Error> {
    let shard = acceptance.shard;
    let mut transaction = connection.begin_with(BEGIN).await?;
    let rows = holdings_on(&mut transaction, &[shard]).await?;
    let row = rows.first().ok_or(sqlx::Error::RowNotFound)?;
    let ends = ends_on(&mut transaction, &[shard]).await?;
    let end = ends.get(&shard).copied().unwrap_or_default();
    let (accepted, records) = judge(acceptance, row, end);
    for batch in records.chunks(ENTRIES_PER_APPEND_MAX) {
        sqlx::query_with(insert_entries(batch.len()), bind_entries(batch)?)
            .persistent(false)
            .execute(&mut *transaction)
            .await?;
    }
    if matches!(accepted, Accepted::Lost { .. } | Accepted::Nothing) {
        let forget = forget_derived(shard, end.seq);
        for statement in forget.into_iter().chain([resume_shard(shard)]) {
            let statement = sqlx::query(sqlx::AssertSqlSafe(statement)).persistent(false);
            statement.execute(&mut *transaction).await?;
        }
    }
    transaction.commit().await?;
    Ok(accepted)
}

/// Makes the rows of an empty table, and says how many there are.
async fn prepare_on(connection: &mut SqliteConnection, count: u16) -> Result<i64, sqlx::Error> {
    let mut transaction = connection.begin_with(BEGIN).await?;
    let mut found: i64 = sqlx::query_scalar(SHARD_COUNT).fetch_one(&mut *transaction).await?;
    if found == 0 && count > 0 {
        sqlx::query(insert_shards(count)).persistent(false).execute(&mut *transaction).await?;
        found = i64::from(count);
    }
    transaction.commit().await?;
    Ok(found)
}

async fn take_on(
    connection: &mut SqliteConnection,
    claims: &[Claim],
    owner: &Owner,
) -> Result<Vec<Taken>, sqlx::Error> {
    let mut transaction = connection.begin_with(BEGIN).await?;
    let shards: Vec<ShardId> = claims.iter().map(|claim| claim.shard).collect();
    let rows = holdings_on(&mut transaction, &shards).await?;
    let mut findings = Findings::of(claims, rows);
    if !findings.free.is_empty() {
        own(&mut transaction, &mut findings, owner).await?;
    }
    transaction.commit().await?;
    Ok(findings.answers())
}

/// Sets the owner of the shards found free and writes their takeover records.
async fn own(
    connection: &mut SqliteConnection,
    findings: &mut Findings,
    owner: &Owner,
) -> Result<(), sqlx::Error> {
    let ends = ends_on(connection, &findings.free_shards()).await?;
    let records = findings.records(&ends, owner);
    for regression in findings.regressions() {
        sqlx::query(stop_shard(regression, GREATEST))
            .persistent(false)
            .execute(&mut *connection)
            .await?;
    }
    if records.is_empty() {
        return Ok(());
    }
    let taken: Vec<ShardId> = records.iter().map(|record| record.shard).collect();
    sqlx::query(own_shards(&taken, "?", "?"))
        .bind(owner.node.as_str())
        .bind(owner.incarnation.as_bytes().as_slice())
        .persistent(false)
        .execute(&mut *connection)
        .await?;
    for batch in records.chunks(ENTRIES_PER_APPEND_MAX) {
        sqlx::query_with(insert_entries(batch.len()), bind_entries(batch)?)
            .persistent(false)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

async fn holdings_on(
    connection: &mut SqliteConnection,
    shards: &[ShardId],
) -> Result<Vec<Holding>, sqlx::Error> {
    let select = sqlx::query(select_holdings(shards, "")).persistent(false);
    let rows = select.fetch_all(connection).await?;
    rows.iter().map(holding).collect()
}

fn holding(row: &SqliteRow) -> Result<Holding, sqlx::Error> {
    let number = |column: usize| stored::<u64>(row.try_get::<i64, _>(column)?);
    let node: Option<String> = row.try_get(3)?;
    let incarnation: Option<Vec<u8>> = row.try_get(4)?;
    let owner = match (node, incarnation) {
        (Some(node), Some(bytes)) => Some(Owner { node, incarnation: id(&bytes)? }),
        _ => None,
    };
    let regressed: Option<i64> = row.try_get(6)?;
    Ok(Holding {
        shard: row.try_get(0)?,
        pulse: Pulse { epoch: number(1)?, beat: number(2)? },
        owner,
        acknowledged: number(5)?,
        regressed: regressed.map(stored).transpose()?,
    })
}

/// The last entry of each log: one step from the end of the primary key for each.
async fn ends_on(
    connection: &mut SqliteConnection,
    shards: &[ShardId],
) -> Result<BTreeMap<ShardId, End>, sqlx::Error> {
    let select = sqlx::AssertSqlSafe(format!(
        "SELECT j.shard, j.seq, j.recorded_us FROM shards AS s JOIN journal AS j \
         ON j.shard = s.shard AND j.seq = (SELECT MAX(k.seq) FROM journal AS k \
         WHERE k.shard = s.shard) WHERE s.shard IN {}",
        shard_list(shards)
    ));
    let rows: Vec<(ShardId, i64, i64)> =
        sqlx::query_as(select).persistent(false).fetch_all(connection).await?;
    let mut ends = BTreeMap::new();
    for (shard, seq, recorded_us) in rows {
        ends.insert(shard, End { seq: stored(seq)?, recorded_us });
    }
    Ok(ends)
}

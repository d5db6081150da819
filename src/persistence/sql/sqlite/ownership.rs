//! Who owns which shard, in a SQLite file. Each change is one transaction that starts as a
//! writer, so that nothing it reads can move before it commits.

use std::time::Duration;

use async_trait::async_trait;
use sqlx::{Connection, SqliteConnection};

use super::appender::bind_entries;
use super::errors::{journal_error, met_duplicate, stored};
use super::reading::heads_on;
use super::{Database, NOW_US};
use crate::statements::{
    OWNED_SHARDS, SHARD_COUNT, ShardRow, in_lock_order, insert_entries, insert_shards, micros,
    own_shards, release_shards, renew_shards, select_owners, takeover,
};
use persistence::cause::Cause;
use persistence::journal::{
    ENTRIES_PER_APPEND_MAX, Entry, JournalError, Owner, Seq, ShardId, ShardLeases, Taken,
};

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

    async fn take(
        &self,
        shards: &[ShardId],
        owner: &Owner,
        lease: Duration,
        force: bool,
    ) -> Result<Vec<Taken>, JournalError> {
        let shards = in_lock_order(shards);
        if shards.is_empty() {
            return Ok(Vec::new());
        }
        let _turn = self.turn.lock().await;
        let mut writer = self.writer.acquire().await.map_err(journal_error)?;
        let taken = match take_on(writer.connection(), &shards, owner, lease, force).await {
            Ok(taken) => taken,
            // A writer holds the whole file: nobody can have appended meanwhile.
            Err(error) if met_duplicate(&error) => {
                let cause = Cause::of(error).at("a takeover met its own number");
                return Err(JournalError::Corrupt(cause));
            }
            Err(error) => return Err(journal_error(error)),
        };
        writer.give_back();
        if taken.len() < shards.len() {
            return Err(JournalError::Refused("a shard beyond those prepared".into()));
        }
        Ok(taken)
    }

    async fn renew(&self, owner: &Owner, lease: Duration) -> Result<Vec<ShardId>, JournalError> {
        let _turn = self.turn.lock().await;
        let mut writer = self.writer.acquire().await.map_err(journal_error)?;
        sqlx::query(renew_shards(NOW_US))
            .bind(micros(lease))
            .bind(owner.incarnation.as_bytes().as_slice())
            .execute(writer.connection())
            .await
            .map_err(journal_error)?;
        let owned = sqlx::query_scalar(OWNED_SHARDS)
            .bind(owner.incarnation.as_bytes().as_slice())
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
    shards: &[ShardId],
    owner: &Owner,
    lease: Duration,
    force: bool,
) -> Result<Vec<Taken>, sqlx::Error> {
    let mut transaction = connection.begin_with(BEGIN).await?;
    let rows: Vec<(ShardId, i64, Option<String>, i64)> =
        sqlx::query_as(select_owners(NOW_US, shards, ""))
            .persistent(false)
            .fetch_all(&mut *transaction)
            .await?;
    let mut taken = Vec::with_capacity(rows.len());
    let mut free = Vec::with_capacity(rows.len());
    for (shard, epoch, owner_node, remaining_us) in rows {
        let row = ShardRow { shard, epoch: stored(epoch)?, owner_node, remaining_us };
        match row.held_against(owner, force) {
            Some((node, remaining)) => taken.push(Taken::Held { shard, node, remaining }),
            None => free.push(row),
        }
    }
    if !free.is_empty() {
        taken.extend(own(&mut transaction, &free, owner, lease).await?);
    }
    transaction.commit().await?;
    taken.sort_by_key(|taken| match taken {
        Taken::Owned { shard, .. } | Taken::Held { shard, .. } => *shard,
    });
    Ok(taken)
}

/// Sets the owner of the `free` shards and writes their takeover records.
async fn own(
    connection: &mut SqliteConnection,
    free: &[ShardRow],
    owner: &Owner,
    lease: Duration,
) -> Result<Vec<Taken>, sqlx::Error> {
    let numbers: Vec<ShardId> = free.iter().map(|row| row.shard).collect();
    sqlx::query(own_shards(NOW_US, &numbers, "?", "?", "?"))
        .bind(owner.node.as_str())
        .bind(owner.incarnation.as_bytes().as_slice())
        .bind(micros(lease))
        .persistent(false)
        .execute(&mut *connection)
        .await?;
    let heads = heads_on(connection, &numbers).await?;
    let records: Vec<Entry> = free
        .iter()
        .zip(heads)
        .map(|(row, (shard, head)): (_, (_, Seq))| takeover(shard, head + 1, row.epoch + 1, owner))
        .collect();
    for batch in records.chunks(ENTRIES_PER_APPEND_MAX) {
        sqlx::query_with(insert_entries(batch.len()), bind_entries(batch)?)
            .persistent(false)
            .execute(&mut *connection)
            .await?;
    }
    Ok(records
        .iter()
        .map(|record| Taken::Owned { shard: record.shard, epoch: record.epoch, head: record.seq })
        .collect())
}

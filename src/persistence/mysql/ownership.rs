//! Who owns which shard, in a MySQL or MariaDB database.
//!
//! Rows of `shards` are always locked in the order of their numbers. The old owner's appends are
//! never locked out: the takeover record meets them at the primary key, and whoever comes second
//! there learns it.

use std::time::Duration;

use sqlx::{Executor, MySqlConnection};
use tokio::time::sleep;

use super::appender::bind_entries;
use super::errors::{Verdict, journal_error, verdict};
use super::reading::heads_on;
use super::{Database, NOW_US};
use crate::persistence::journal::{
    ENTRIES_PER_APPEND_MAX, Entry, JournalError, Owner, Seq, ShardId, Taken,
};
use crate::persistence::statements::{
    OWNED_SHARDS, SHARD_COUNT, ShardRow, in_lock_order, insert_entries, insert_shards, micros,
    own_shards, release_shards, renew_shards, select_owners, takeover,
};

/// How often all shards asked for are tried in one transaction. An old owner that goes on
/// appending to one of them makes each fail.
const TRIES_TOGETHER: u32 = 10;

/// How often one shard is tried by itself, where the time between reading the head and writing
/// behind it is one round trip.
const TRIES_ALONE: u32 = 200;

pub(super) async fn prepare(database: &Database, count: u16) -> Result<(), JournalError> {
    let mut borrowed = database.acquire().await?;
    let found = database
        .answer(prepare_on(borrowed.connection(), count))
        .await?;
    borrowed.give_back();
    if found == i64::from(count) {
        return Ok(());
    }
    Err(JournalError::Refused(format!(
        "this database was made with {found} shards and not with {count}"
    )))
}

/// Makes the rows of an empty table in one statement, and says how many there are. Where two
/// nodes do so at once, the second one meets the rows of the first.
async fn prepare_on(connection: &mut MySqlConnection, count: u16) -> Result<i64, sqlx::Error> {
    let found: i64 = sqlx::query_scalar(SHARD_COUNT)
        .fetch_one(&mut *connection)
        .await?;
    if found > 0 || count == 0 {
        return Ok(found);
    }
    let inserted = sqlx::query(insert_shards(count))
        .persistent(false)
        .execute(&mut *connection)
        .await;
    match inserted {
        Ok(_) => Ok(i64::from(count)),
        Err(error) if matches!(verdict(&error), Verdict::Duplicate | Verdict::Again) => {
            sqlx::query_scalar(SHARD_COUNT)
                .fetch_one(&mut *connection)
                .await
        }
        Err(error) => Err(error),
    }
}

pub(super) async fn take(
    database: &Database,
    shards: &[ShardId],
    owner: &Owner,
    lease: Duration,
    force: bool,
) -> Result<Vec<Taken>, JournalError> {
    let shards = in_lock_order(shards);
    let demand = Demand {
        owner,
        lease,
        force,
    };
    if let Some(taken) = demand.take(database, &shards, TRIES_TOGETHER).await? {
        return Ok(taken);
    }
    let mut taken = Vec::with_capacity(shards.len());
    for shard in &shards {
        let alone = demand
            .take(database, std::slice::from_ref(shard), TRIES_ALONE)
            .await?;
        taken.extend(alone.ok_or_else(|| {
            JournalError::Unreachable(format!(
                "shard {shard} was appended to at each of {TRIES_ALONE} tries to take it"
            ))
        })?);
    }
    Ok(taken)
}

/// Who asks for shards, and how.
struct Demand<'a> {
    owner: &'a Owner,
    lease: Duration,
    force: bool,
}

impl Demand<'_> {
    /// Takes `shards` in one transaction, begun again where it meets the old owner's appends;
    /// `None` when that happened each time.
    async fn take(
        &self,
        database: &Database,
        shards: &[ShardId],
        tries: u32,
    ) -> Result<Option<Vec<Taken>>, JournalError> {
        if shards.is_empty() {
            return Ok(Some(Vec::new()));
        }
        let mut borrowed = database.acquire().await?;
        for round in 0..tries {
            let transaction = self.transaction(borrowed.connection(), shards);
            let result = database.answer(async { Ok(transaction.await) }).await?;
            match result {
                Ok(taken) => {
                    borrowed.give_back();
                    if taken.len() < shards.len() {
                        return Err(JournalError::Refused(
                            "a shard beyond those prepared".to_owned(),
                        ));
                    }
                    return Ok(Some(taken));
                }
                Err(error) => match verdict(&error) {
                    Verdict::Duplicate | Verdict::Again => {
                        let rollback = borrowed.connection().execute("ROLLBACK");
                        database.answer(rollback).await?;
                        if verdict(&error) == Verdict::Again {
                            sleep(Duration::from_millis(1 << round.min(4))).await;
                        }
                    }
                    Verdict::Refused | Verdict::Unknown => return Err(journal_error(error)),
                },
            }
        }
        borrowed.give_back();
        Ok(None)
    }

    async fn transaction(
        &self,
        connection: &mut MySqlConnection,
        shards: &[ShardId],
    ) -> Result<Vec<Taken>, sqlx::Error> {
        connection.execute("START TRANSACTION").await?;
        let rows: Vec<(ShardId, u64, Option<String>, i64)> =
            sqlx::query_as(select_owners(NOW_US, shards, "FOR UPDATE"))
                .persistent(false)
                .fetch_all(&mut *connection)
                .await?;
        let mut taken = Vec::with_capacity(rows.len());
        let mut free = Vec::with_capacity(rows.len());
        for (shard, epoch, owner_node, remaining_us) in rows {
            let row = ShardRow {
                shard,
                epoch,
                owner_node,
                remaining_us,
            };
            match row.held_against(self.owner, self.force) {
                Some((node, remaining)) => taken.push(Taken::Held {
                    shard,
                    node,
                    remaining,
                }),
                None => free.push(row),
            }
        }
        if !free.is_empty() {
            taken.extend(self.own(connection, &free).await?);
        }
        connection.execute("COMMIT").await?;
        taken.sort_by_key(|taken| match taken {
            Taken::Owned { shard, .. } | Taken::Held { shard, .. } => *shard,
        });
        Ok(taken)
    }

    /// Sets the owner of the `free` shards and writes their takeover records.
    async fn own(
        &self,
        connection: &mut MySqlConnection,
        free: &[ShardRow],
    ) -> Result<Vec<Taken>, sqlx::Error> {
        let numbers: Vec<ShardId> = free.iter().map(|row| row.shard).collect();
        sqlx::query(own_shards(NOW_US, &numbers))
            .bind(self.owner.node.as_str())
            .bind(self.owner.incarnation.as_bytes().as_slice())
            .bind(micros(self.lease))
            .persistent(false)
            .execute(&mut *connection)
            .await?;
        let heads = heads_on(connection, &numbers).await?;
        let records: Vec<Entry> = free
            .iter()
            .zip(heads)
            .map(|(row, (shard, head)): (_, (_, Seq))| {
                takeover(shard, head + 1, row.epoch + 1, self.owner)
            })
            .collect();
        for batch in records.chunks(ENTRIES_PER_APPEND_MAX) {
            sqlx::query_with(insert_entries(batch.len()), bind_entries(batch)?)
                .persistent(false)
                .execute(&mut *connection)
                .await?;
        }
        Ok(records
            .iter()
            .map(|record| Taken::Owned {
                shard: record.shard,
                epoch: record.epoch,
                head: record.seq,
            })
            .collect())
    }
}

pub(super) async fn renew(
    database: &Database,
    owner: &Owner,
    lease: Duration,
) -> Result<Vec<ShardId>, JournalError> {
    let mut borrowed = database.acquire().await?;
    let incarnation = owner.incarnation.as_bytes().as_slice();
    let renewal = sqlx::query(renew_shards(NOW_US))
        .bind(micros(lease))
        .bind(incarnation)
        .execute(borrowed.connection());
    database.answer(renewal).await?;
    let owned = sqlx::query_scalar(OWNED_SHARDS)
        .bind(incarnation)
        .fetch_all(borrowed.connection());
    let owned = database.answer(owned).await?;
    borrowed.give_back();
    Ok(owned)
}

pub(super) async fn release(
    database: &Database,
    owner: &Owner,
    shards: &[ShardId],
) -> Result<(), JournalError> {
    if shards.is_empty() {
        return Ok(());
    }
    let mut borrowed = database.acquire().await?;
    let release = sqlx::query(release_shards(shards))
        .bind(owner.incarnation.as_bytes().as_slice())
        .persistent(false)
        .execute(borrowed.connection());
    database.answer(release).await?;
    borrowed.give_back();
    Ok(())
}

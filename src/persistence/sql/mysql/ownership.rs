//! Who owns which shard, in a MySQL or MariaDB database.
//!
//! Rows of `shards` are always locked in the order of their numbers. The fence itself needs no
//! lock: the takeover record meets the old owner's appends at the primary key, and whoever comes
//! second there learns it. Locks only see to it that a taker is not second for ever.

use std::fmt::Write as _;
use std::time::Duration;

use async_trait::async_trait;
use sqlx::{Executor, MySqlConnection, Row};
use tokio::time::sleep;

use super::appender::bind_entries;
use super::errors::{Verdict, journal_error, verdict};
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

/// How often all shards asked for are tried in one transaction that locks out nobody. Where an
/// old owner goes on appending to one of them each try meets its next append.
const TRIES_TOGETHER: u32 = 3;

/// How often one shard is tried by itself, holding up its appends for one round trip.
const TRIES_ALONE: u32 = 50;

#[async_trait]
impl ShardLeases for Database {
    async fn prepare(&self, count: u16) -> Result<(), JournalError> {
        let mut borrowed = self.acquire().await?;
        let found = self.answer(prepare_on(borrowed.connection(), count)).await?;
        borrowed.give_back();
        if found == i64::from(count) {
            return Ok(());
        }
        let problem = format!("this database was made with {found} shards and not with {count}");
        Err(JournalError::Refused(problem.into()))
    }

    async fn shard_count(&self) -> Result<u16, JournalError> {
        let mut borrowed = self.acquire().await?;
        let query = sqlx::query_scalar(SHARD_COUNT);
        let count: i64 = self.answer(query.fetch_one(borrowed.connection())).await?;
        borrowed.give_back();
        u16::try_from(count)
            .map_err(|_| JournalError::Corrupt(format!("a table of {count} shards").into()))
    }

    async fn take(
        &self,
        shards: &[ShardId],
        owner: &Owner,
        lease: Duration,
        force: bool,
    ) -> Result<Vec<Taken>, JournalError> {
        let shards = in_lock_order(shards);
        let together = Demand { owner, lease, force, heads: Heads::Read };
        if let Some(taken) = together.take(self, &shards, TRIES_TOGETHER).await? {
            return Ok(taken);
        }
        let alone = Demand { heads: Heads::Locked, ..together };
        let mut taken = Vec::with_capacity(shards.len());
        for shard in &shards {
            let one = alone.take(self, std::slice::from_ref(shard), TRIES_ALONE).await?;
            taken.extend(one.ok_or_else(|| {
                let tries = format!("it was appended to at each of {TRIES_ALONE} tries to take it");
                JournalError::Unreachable(Cause::from(tries).at(format_args!("shard {shard}")))
            })?);
        }
        Ok(taken)
    }

    async fn renew(&self, owner: &Owner, lease: Duration) -> Result<Vec<ShardId>, JournalError> {
        let mut borrowed = self.acquire().await?;
        let incarnation = owner.incarnation.as_bytes().as_slice();
        let renewal = sqlx::query(renew_shards(NOW_US))
            .bind(micros(lease))
            .bind(incarnation)
            .execute(borrowed.connection());
        self.answer(renewal).await?;
        let owned =
            sqlx::query_scalar(OWNED_SHARDS).bind(incarnation).fetch_all(borrowed.connection());
        let owned = self.answer(owned).await?;
        borrowed.give_back();
        Ok(owned)
    }

    async fn release(&self, owner: &Owner, shards: &[ShardId]) -> Result<(), JournalError> {
        if shards.is_empty() {
            return Ok(());
        }
        let mut borrowed = self.acquire().await?;
        let statement = release_shards(shards, &incarnation_literal(owner));
        let release = borrowed.connection().execute(sqlx::raw_sql(statement));
        self.answer(release).await?;
        borrowed.give_back();
        Ok(())
    }
}

/// Makes the rows of an empty table in one statement, and says how many there are. Where two
/// nodes do so at once, the second one meets the rows of the first.
async fn prepare_on(connection: &mut MySqlConnection, count: u16) -> Result<i64, sqlx::Error> {
    let found: i64 = sqlx::query_scalar(SHARD_COUNT).fetch_one(&mut *connection).await?;
    if found > 0 || count == 0 {
        return Ok(found);
    }
    let inserted = connection.execute(sqlx::raw_sql(insert_shards(count))).await;
    match inserted {
        Ok(_) => Ok(i64::from(count)),
        Err(error) if matches!(verdict(&error), Verdict::Duplicate | Verdict::Again) => {
            sqlx::query_scalar(SHARD_COUNT).fetch_one(&mut *connection).await
        }
        Err(error) => Err(error),
    }
}

/// How the head of a shard is found.
#[derive(Clone, Copy, PartialEq)]
enum Heads {
    /// As committed. The next append may be under way, and then the takeover record meets it.
    Read,
    /// With the end of the log locked: whoever appends there waits until the takeover has
    /// committed, and then finds the number taken. Without this a writer that never rests would
    /// always be one number ahead.
    Locked,
}

/// Who asks for shards, and how.
#[derive(Clone, Copy)]
struct Demand<'a> {
    owner: &'a Owner,
    lease: Duration,
    force: bool,
    heads: Heads,
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
                        return Err(JournalError::Refused("a shard beyond those prepared".into()));
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
        if self.heads == Heads::Locked {
            // For the next transaction only: at this level a lock holds the gap behind it too.
            connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ").await?;
        }
        connection.execute("START TRANSACTION").await?;
        let rows = connection
            .fetch_all(sqlx::raw_sql(select_owners(NOW_US, shards, "FOR UPDATE")))
            .await?;
        let mut taken = Vec::with_capacity(rows.len());
        let mut free = Vec::with_capacity(rows.len());
        for row in rows {
            let row = ShardRow {
                shard: row.try_get(0)?,
                epoch: row.try_get(1)?,
                owner_node: row.try_get(2)?,
                remaining_us: row.try_get(3)?,
            };
            match row.held_against(self.owner, self.force) {
                Some((node, remaining)) => {
                    taken.push(Taken::Held { shard: row.shard, node, remaining })
                }
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
        let statement = own_shards(
            NOW_US,
            &numbers,
            &text_literal(&self.owner.node),
            &incarnation_literal(self.owner),
            &micros(self.lease).to_string(),
        );
        connection.execute(sqlx::raw_sql(statement)).await?;
        let heads = match self.heads {
            Heads::Read => heads_on(connection, &numbers).await?,
            Heads::Locked => lock_heads(connection, &numbers).await?,
        };
        let records: Vec<Entry> = free
            .iter()
            .zip(heads)
            .map(|(row, (shard, head)): (_, (_, Seq))| {
                takeover(shard, head + 1, row.epoch + 1, self.owner)
            })
            .collect();
        for batch in records.chunks(ENTRIES_PER_APPEND_MAX) {
            sqlx::query_with(insert_entries(batch.len()), bind_entries(batch)?)
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

/// The heads of the shards, their logs locked at the end.
async fn lock_heads(
    connection: &mut MySqlConnection,
    shards: &[ShardId],
) -> Result<Vec<(ShardId, Seq)>, sqlx::Error> {
    let mut heads = Vec::with_capacity(shards.len());
    for shard in shards {
        let head: Option<Seq> = sqlx::query_scalar(
            "SELECT seq FROM journal WHERE shard = ? ORDER BY seq DESC LIMIT 1 FOR UPDATE",
        )
        .bind(shard)
        .fetch_optional(&mut *connection)
        .await?;
        heads.push((*shard, head.unwrap_or(0)));
    }
    Ok(heads)
}

// Statements over lists of shards differ with each list. They are sent as text, with their values
// as hexadecimal literals, which need no escaping: a prepared statement that is not kept costs a
// second round trip, and closing it delays what is sent next by the receiver's delayed
// acknowledgement (40 ms), because the driver leaves the sockets' coalescing of small packets on.

fn incarnation_literal(owner: &Owner) -> String {
    format!("x'{}'", owner.incarnation.simple())
}

fn text_literal(text: &str) -> String {
    let mut literal = String::from("_utf8mb4 x'");
    for byte in text.bytes() {
        write!(literal, "{byte:02x}").expect("writing to a string cannot fail");
    }
    literal.push('\'');
    literal
}

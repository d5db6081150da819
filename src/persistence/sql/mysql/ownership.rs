//! Who owns which shard, in a MySQL or MariaDB database.
//!
//! Rows of `shards` are always locked in the order of their numbers. The fence itself needs no
//! lock: the takeover record meets the old owner's appends at the primary key, and whoever comes
//! second there learns it. Locks only see to it that a taker is not second for ever.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use async_trait::async_trait;
use sqlx::mysql::MySqlRow;
use sqlx::{AssertSqlSafe, Executor, MySqlConnection, Row};
use tokio::time::sleep;

use super::Database;
use super::appender::bind_entries;
use super::errors::{Verdict, journal_error, verdict};
use super::session::within;
use crate::shards::{
    End, Findings, OWNED_SHARDS, SHARD_COUNT, forget_derived, in_lock_order, insert_shards, judge,
    own_shards, release_shards, renew_shards, resume_shard, select_holdings, stop_shard,
};
use crate::statements::{id, insert_entries};
use persistence::cause::Cause;
use persistence::journal::{
    Acceptance, Accepted, Claim, ENTRIES_PER_APPEND_MAX, Holding, JournalError, Owner, Pulse,
    Regression, Seq, ShardId, ShardLeases, Taken,
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

    async fn look(&self, shards: &[ShardId]) -> Result<Vec<Holding>, JournalError> {
        if shards.is_empty() {
            return Ok(Vec::new());
        }
        let mut borrowed = self.acquire().await?;
        let look = holdings_on(borrowed.connection(), shards, "");
        let rows = self.answer(look).await?;
        borrowed.give_back();
        Ok(rows)
    }

    async fn take(&self, claims: &[Claim], owner: &Owner) -> Result<Vec<Taken>, JournalError> {
        let claims = in_lock_order(claims);
        let together = Demand { owner, heads: Heads::Read };
        if let Some(taken) = together.take(self, &claims, TRIES_TOGETHER).await? {
            return Ok(taken);
        }
        let alone = Demand { owner, heads: Heads::Locked };
        let mut taken = Vec::with_capacity(claims.len());
        for claim in &claims {
            let one = alone.take(self, std::slice::from_ref(claim), TRIES_ALONE).await?;
            taken.extend(one.ok_or_else(|| {
                let tries = format!("it was appended to at each of {TRIES_ALONE} tries to take it");
                let place = format_args!("shard {}", claim.shard);
                JournalError::Unreachable(Cause::from(tries).at(place))
            })?);
        }
        Ok(taken)
    }

    async fn renew(
        &self,
        owner: &Owner,
        acknowledged: &[(ShardId, Seq)],
    ) -> Result<Vec<ShardId>, JournalError> {
        // A connection that nothing else uses: what waits elsewhere does not cost the leases.
        let beats = within(self.options.call_timeout, self.beats.acquire()).await;
        let mut borrowed = beats.map_err(journal_error)?;
        let statement = renew_shards(&incarnation_literal(owner), acknowledged, GREATEST);
        self.answer(borrowed.connection().execute(sqlx::raw_sql(statement))).await?;
        let incarnation = owner.incarnation.as_bytes().as_slice();
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

    async fn stop(&self, regression: &Regression) -> Result<(), JournalError> {
        let mut borrowed = self.acquire().await?;
        let statement = sqlx::raw_sql(stop_shard(regression, GREATEST));
        self.answer(borrowed.connection().execute(statement)).await?;
        borrowed.give_back();
        Ok(())
    }

    async fn accept_loss(&self, acceptance: &Acceptance) -> Result<Accepted, JournalError> {
        let mut borrowed = self.acquire().await?;
        let accepted = accept_on(borrowed.connection(), acceptance).await;
        // A connection that is not given back is closed, and its transaction with it.
        let accepted = accepted.map_err(journal_error)?;
        borrowed.give_back();
        Ok(accepted)
    }
}

async fn accept_on(
    connection: &mut MySqlConnection,
    acceptance: &Acceptance,
) -> Result<Accepted, sqlx::Error> {
    let shard = acceptance.shard;
    connection.execute("START TRANSACTION").await?;
    let rows = holdings_on(connection, &[shard], "FOR UPDATE").await?;
    let row = rows.first().ok_or(sqlx::Error::RowNotFound)?;
    let ends = lock_ends(connection, &[shard]).await?;
    let end = ends.get(&shard).copied().unwrap_or_default();
    let (accepted, records) = judge(acceptance, row, end);
    for batch in records.chunks(ENTRIES_PER_APPEND_MAX) {
        sqlx::query_with(insert_entries(batch.len()), bind_entries(batch)?)
            .execute(&mut *connection)
            .await?;
    }
    if matches!(accepted, Accepted::Lost { .. } | Accepted::Nothing) {
        let forget = forget_derived(shard, end.seq);
        for statement in forget.into_iter().chain([resume_shard(shard)]) {
            connection.execute(sqlx::raw_sql(AssertSqlSafe(statement))).await?;
        }
    }
    connection.execute("COMMIT").await?;
    Ok(accepted)
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
    heads: Heads,
}

impl Demand<'_> {
    /// Takes what is claimed in one transaction, begun again where it meets the old owner's
    /// appends; `None` when that happened each time.
    async fn take(
        &self,
        database: &Database,
        claims: &[Claim],
        tries: u32,
    ) -> Result<Option<Vec<Taken>>, JournalError> {
        if claims.is_empty() {
            return Ok(Some(Vec::new()));
        }
        let mut borrowed = database.acquire().await?;
        for round in 0..tries {
            let transaction = self.transaction(borrowed.connection(), claims);
            let result = database.answer(async { Ok(transaction.await) }).await?;
            match result {
                Ok(taken) => {
                    borrowed.give_back();
                    if taken.len() < claims.len() {
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
        claims: &[Claim],
    ) -> Result<Vec<Taken>, sqlx::Error> {
        if self.heads == Heads::Locked {
            // For the next transaction only: at this level a lock holds the gap behind it too.
            connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ").await?;
        }
        connection.execute("START TRANSACTION").await?;
        let shards: Vec<ShardId> = claims.iter().map(|claim| claim.shard).collect();
        let rows = holdings_on(connection, &shards, "FOR UPDATE").await?;
        let mut findings = Findings::of(claims, rows);
        if !findings.free.is_empty() {
            self.own(connection, &mut findings).await?;
        }
        connection.execute("COMMIT").await?;
        Ok(findings.answers())
    }

    /// Sets the owner of the shards found free and writes their takeover records.
    async fn own(
        &self,
        connection: &mut MySqlConnection,
        findings: &mut Findings,
    ) -> Result<(), sqlx::Error> {
        let free = findings.free_shards();
        let ends = match self.heads {
            Heads::Read => read_ends(connection, &free).await?,
            Heads::Locked => lock_ends(connection, &free).await?,
        };
        let records = findings.records(&ends, self.owner);
        for regression in findings.regressions() {
            connection.execute(sqlx::raw_sql(stop_shard(regression, GREATEST))).await?;
        }
        if records.is_empty() {
            return Ok(());
        }
        let taken: Vec<ShardId> = records.iter().map(|record| record.shard).collect();
        let node = text_literal(&self.owner.node);
        let statement = own_shards(&taken, &node, &incarnation_literal(self.owner));
        connection.execute(sqlx::raw_sql(statement)).await?;
        for batch in records.chunks(ENTRIES_PER_APPEND_MAX) {
            sqlx::query_with(insert_entries(batch.len()), bind_entries(batch)?)
                .execute(&mut *connection)
                .await?;
        }
        Ok(())
    }
}

/// The function that gives the greater of two numbers.
const GREATEST: &str = "GREATEST";

async fn holdings_on(
    connection: &mut MySqlConnection,
    shards: &[ShardId],
    lock: &str,
) -> Result<Vec<Holding>, sqlx::Error> {
    let rows = connection.fetch_all(sqlx::raw_sql(select_holdings(shards, lock))).await?;
    rows.iter().map(holding).collect()
}

fn holding(row: &MySqlRow) -> Result<Holding, sqlx::Error> {
    let node: Option<String> = row.try_get(3)?;
    let incarnation: Option<Vec<u8>> = row.try_get(4)?;
    let owner = match (node, incarnation) {
        (Some(node), Some(bytes)) => Some(Owner { node, incarnation: id(&bytes)? }),
        _ => None,
    };
    Ok(Holding {
        shard: row.try_get(0)?,
        pulse: Pulse { epoch: row.try_get(1)?, beat: row.try_get(2)? },
        owner,
        acknowledged: row.try_get(5)?,
        regressed: row.try_get(6)?,
    })
}

/// Each shard of a statement opens the table once more.
const ENDS_PER_STATEMENT: usize = 64;

/// The last entries of the shards, as committed: one step to the end of each log.
async fn read_ends(
    connection: &mut MySqlConnection,
    shards: &[ShardId],
) -> Result<BTreeMap<ShardId, End>, sqlx::Error> {
    let mut ends = BTreeMap::new();
    for part in shards.chunks(ENDS_PER_STATEMENT) {
        let steps: Vec<String> =
            part.iter().map(|shard| format!("({})", last_of(*shard))).collect();
        let statement = sqlx::raw_sql(AssertSqlSafe(steps.join(" UNION ALL ")));
        for row in connection.fetch_all(statement).await? {
            ends.insert(row.try_get(0)?, end(&row)?);
        }
    }
    Ok(ends)
}

/// The last entries of the shards, their logs locked at the end.
async fn lock_ends(
    connection: &mut MySqlConnection,
    shards: &[ShardId],
) -> Result<BTreeMap<ShardId, End>, sqlx::Error> {
    let mut ends = BTreeMap::new();
    for shard in shards {
        let statement = AssertSqlSafe(format!("{} FOR UPDATE", last_of(*shard)));
        if let Some(row) = connection.fetch_optional(sqlx::raw_sql(statement)).await? {
            ends.insert(*shard, end(&row)?);
        }
    }
    Ok(ends)
}

fn last_of(shard: ShardId) -> String {
    format!(
        "SELECT shard, seq, recorded_us FROM journal WHERE shard = {shard} ORDER BY seq DESC LIMIT 1"
    )
}

fn end(row: &MySqlRow) -> Result<End, sqlx::Error> {
    Ok(End { seq: row.try_get(1)?, recorded_us: row.try_get(2)? })
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

//! The statements that read the same in SQLite, MySQL and MariaDB, and the engine's own record
//! of a takeover. Runs nothing.

use std::fmt::Write as _;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sqlx::AssertSqlSafe;
use uuid::Uuid;

use persistence::journal::{
    ENTRIES_PER_APPEND_MAX, Entry, Epoch, Owner, SHARD_RECORD, Seq, ShardId, shard_record_id,
};
use persistence::last_versions::LOGS_PER_QUESTION_MAX;

/// The columns of the journal in the order in which rows are written and read.
macro_rules! journal_columns {
    () => {
        "shard, seq, epoch, attempt, aggregate_type, aggregate_id, version, `count`, events, \
         recorded_us"
    };
}

/// The number of parameters of one row.
pub(super) const JOURNAL_COLUMNS: usize = 10;

pub(super) const READ_SHARD: &str = concat!(
    "SELECT ",
    journal_columns!(),
    " FROM journal WHERE shard = ? AND seq > ? AND seq <= ? ORDER BY seq LIMIT ?"
);

/// The subquery is one step down the unique index, to the entry that straddles the first version.
/// SQLite only: MariaDB and MySQL walk the whole history for it, see `mysql::reading`.
pub(super) const READ_AGGREGATE: &str = concat!(
    "SELECT ",
    journal_columns!(),
    " FROM journal WHERE aggregate_type = ? AND aggregate_id = ? \
     AND version >= COALESCE((SELECT MAX(first.version) FROM journal AS first \
     WHERE first.aggregate_type = ? AND first.aggregate_id = ? AND first.version <= ?), 0) \
     AND version <= ? ORDER BY version LIMIT ?"
);

/// The place of each of `logs` logs in the question, and where it ends; no row for an empty one.
/// Binds kind and id of each. The text of each size is built once in the life of the process.
pub(super) fn select_last_versions(logs: usize) -> AssertSqlSafe<Arc<str>> {
    static TEXTS: [OnceLock<Arc<str>>; LOGS_PER_QUESTION_MAX] =
        [const { OnceLock::new() }; LOGS_PER_QUESTION_MAX];
    let text = TEXTS[logs - 1].get_or_init(|| {
        // In a derived table, because SQLite takes no ORDER BY in a part of a compound.
        let steps: Vec<String> = (0..logs)
            .map(|place| {
                format!(
                    "SELECT * FROM (SELECT {place} AS place, version + `count` - 1 AS last \
                     FROM journal WHERE aggregate_type = ? AND aggregate_id = ? \
                     ORDER BY version DESC LIMIT 1) AS log_{place}"
                )
            })
            .collect();
        steps.join(" UNION ALL ").into()
    });
    AssertSqlSafe(text.clone())
}

/// What [`select_last_versions`] found, one for each log that was asked for.
pub(super) fn in_their_places(logs: usize, found: Vec<(i64, u64)>) -> Vec<u64> {
    let mut last = vec![0; logs];
    for (place, version) in found {
        if let Some(log) = usize::try_from(place).ok().and_then(|place| last.get_mut(place)) {
            *log = version;
        }
    }
    last
}

pub(super) use journal_columns;

pub(super) const SHARD_COUNT: &str = "SELECT COUNT(*) FROM shards";

pub(super) const OWNED_SHARDS: &str =
    "SELECT shard FROM shards WHERE owner_incarnation = ? ORDER BY shard";

/// The one `INSERT` of `rows` rows. The text of each size is built once in the life of the
/// process; both databases take the same.
pub(super) fn insert_entries(rows: usize) -> AssertSqlSafe<Arc<str>> {
    static TEXTS: [OnceLock<Arc<str>>; ENTRIES_PER_APPEND_MAX] =
        [const { OnceLock::new() }; ENTRIES_PER_APPEND_MAX];
    let text = TEXTS[rows - 1].get_or_init(|| {
        let mut text =
            String::from(concat!("INSERT INTO journal (", journal_columns!(), ") VALUES "));
        for row in 0..rows {
            text.push_str(if row == 0 { "" } else { "," });
            text.push_str("(?,?,?,?,?,?,?,?,?,?)");
        }
        text.into()
    });
    AssertSqlSafe(text.clone())
}

/// `(1,2,3)`: numbers need no binding, and a list has no fixed number of parameters.
pub(super) fn shard_list(shards: &[ShardId]) -> String {
    let mut list = String::with_capacity(shards.len() * 4 + 2);
    for shard in shards {
        list.push(if list.is_empty() { '(' } else { ',' });
        write!(list, "{shard}").expect("writing to a string cannot fail");
    }
    list.push(')');
    list
}

/// The rows of `shards` with what their leases have left; `now` is the expression for the
/// database's clock in microseconds, `lock` what makes the rows stay as they were read.
pub(super) fn select_owners(now: &str, shards: &[ShardId], lock: &str) -> AssertSqlSafe<String> {
    AssertSqlSafe(format!(
        "SELECT shard, epoch, owner_node, lease_until_us - {now} FROM shards WHERE shard IN {} \
         ORDER BY shard {lock}",
        shard_list(shards)
    ))
}

/// Gives `shards` to a node; `node`, `incarnation` and `lease_us` are literals or parameters.
pub(super) fn own_shards(
    now: &str,
    shards: &[ShardId],
    node: &str,
    incarnation: &str,
    lease_us: &str,
) -> AssertSqlSafe<String> {
    AssertSqlSafe(format!(
        "UPDATE shards SET epoch = epoch + 1, owner_node = {node}, \
         owner_incarnation = {incarnation}, lease_until_us = {now} + {lease_us} WHERE shard IN {}",
        shard_list(shards)
    ))
}

/// Binds lease, incarnation.
pub(super) fn renew_shards(now: &str) -> AssertSqlSafe<String> {
    AssertSqlSafe(format!(
        "UPDATE shards SET lease_until_us = {now} + ? WHERE owner_incarnation = ?"
    ))
}

/// Gives up what `incarnation`, a literal or a parameter, holds of `shards`.
pub(super) fn release_shards(shards: &[ShardId], incarnation: &str) -> AssertSqlSafe<String> {
    AssertSqlSafe(format!(
        "UPDATE shards SET owner_node = NULL, owner_incarnation = NULL, lease_until_us = 0 \
         WHERE shard IN {} AND owner_incarnation = {incarnation}",
        shard_list(shards)
    ))
}

/// The rows `(0),(1),…` of the shards that a new database gets.
pub(super) fn insert_shards(count: u16) -> AssertSqlSafe<String> {
    let rows: Vec<String> = (0..count).map(|shard| format!("({shard})")).collect();
    AssertSqlSafe(format!("INSERT INTO shards (shard) VALUES {}", rows.join(",")))
}

/// The record that a new owner appends behind the head, so that every number its predecessor
/// could use next is taken.
pub(super) fn takeover(shard: ShardId, seq: Seq, epoch: Epoch, owner: &Owner) -> Entry {
    let events = serde_json::json!([{
        "schema": 1,
        "type": "TakenOver",
        "data": { "node": owner.node, "incarnation": owner.incarnation },
        "meta": {},
    }]);
    Entry {
        shard,
        seq,
        epoch,
        attempt: 0,
        aggregate_type: Arc::from(SHARD_RECORD),
        aggregate_id: shard_record_id(shard),
        version: seq,
        count: 1,
        events: events.to_string(),
        recorded_us: now_us(),
    }
}

/// A stored id.
pub(super) fn id(bytes: &[u8]) -> Result<Uuid, sqlx::Error> {
    Uuid::from_slice(bytes).map_err(|error| sqlx::Error::Decode(error.into()))
}

/// Microseconds since 1970 UTC by this machine's clock.
pub(super) fn now_us() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    micros(since)
}

/// Whole microseconds, at most what a column holds.
pub(super) fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

/// The shards asked for, each once, in the order in which rows are locked.
pub(super) fn in_lock_order(shards: &[ShardId]) -> Vec<ShardId> {
    let mut ordered = shards.to_vec();
    ordered.sort_unstable();
    ordered.dedup();
    ordered
}

/// The row of a shard as a taker finds it, locked.
pub(super) struct ShardRow {
    pub(super) shard: ShardId,
    pub(super) epoch: Epoch,
    pub(super) owner_node: Option<String>,
    /// What the lease has left by the database's clock; negative once it ran out.
    pub(super) remaining_us: i64,
}

impl ShardRow {
    /// The lease that keeps `owner` from taking this shard, if one does.
    pub(super) fn held_against(&self, owner: &Owner, force: bool) -> Option<(String, Duration)> {
        let holder = self.owner_node.as_ref().filter(|holder| **holder != owner.node)?;
        let remaining = u64::try_from(self.remaining_us).ok().filter(|us| *us > 0)?;
        (!force).then(|| (holder.clone(), Duration::from_micros(remaining)))
    }
}

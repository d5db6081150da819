//! The statements on the journal and the snapshots that read the same in SQLite, MySQL and MariaDB.
//! Runs nothing.

use std::fmt::Write as _;
use std::sync::{Arc, OnceLock};

use sqlx::AssertSqlSafe;
use uuid::Uuid;

use persistence::journal::{ENTRIES_PER_APPEND_MAX, ShardId};
use persistence::last_versions::LOGS_PER_QUESTION_MAX;

/// The columns of the journal in the order in which rows are written and read.
macro_rules! journal_columns {
    () => {
        "shard, seq, epoch, attempt, aggregate_type, aggregate_id, version, `count`, events, \
         recorded_us, crc"
    };
}

/// The number of parameters of one row.
pub(super) const JOURNAL_COLUMNS: usize = 11;

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
            text.push_str("(?,?,?,?,?,?,?,?,?,?,?)");
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

/// A stored id.
pub(super) fn id(bytes: &[u8]) -> Result<Uuid, sqlx::Error> {
    Uuid::from_slice(bytes).map_err(|error| sqlx::Error::Decode(error.into()))
}

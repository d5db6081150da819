//! The statements on the journal and the snapshots that read the same in SQLite, MySQL and MariaDB.
//! Runs nothing.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::{Arc, OnceLock};

use sqlx::AssertSqlSafe;
use uuid::Uuid;

use persistence::journal::{
    ENTRIES_PER_APPEND_MAX, Entry, LOGS_READ_AT_ONCE_BYTES, LOGS_READ_AT_ONCE_MAX, ShardId,
};
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

/// How many logs one statement reads: few numbers, because each is a prepared statement of its
/// own. Who asks for fewer names one of them again.
pub(super) const LOG_SIZES: [usize; 3] = [8, 32, LOGS_READ_AT_ONCE_MAX];

/// Reads whole logs of one kind, in whatever order. Binds the kind, so many ids, the last version.
/// `journal` is how the table is named, with a hint where one is needed.
pub(super) fn read_logs(journal: &str, logs: usize) -> String {
    let ids = vec!["?"; logs].join(",");
    format!(
        concat!(
            "SELECT ",
            journal_columns!(),
            " FROM {} WHERE aggregate_type = ? AND aggregate_id IN ({}) AND version <= ?"
        ),
        journal, ids
    )
}

/// The ids that a statement of one of [`LOG_SIZES`] is run with.
pub(super) fn padded(ids: &[Uuid]) -> Vec<Uuid> {
    let size = LOG_SIZES.into_iter().find(|size| *size >= ids.len()).unwrap_or(ids.len());
    let mut padded = ids.to_vec();
    padded.resize(size, ids.last().copied().unwrap_or_default());
    padded
}

/// Entries of several logs on their way to their places.
pub(super) struct Logs {
    found: HashMap<Uuid, Vec<Entry>>,
    bytes: usize,
}

impl Logs {
    pub(super) fn new() -> Self {
        Self { found: HashMap::new(), bytes: 0 }
    }

    /// False where all of them together are too much.
    pub(super) fn push(&mut self, entry: Entry) -> bool {
        self.bytes += entry.weight();
        self.found.entry(entry.aggregate_id).or_default().push(entry);
        self.bytes <= LOGS_READ_AT_ONCE_BYTES
    }

    /// In the order asked for.
    pub(super) fn of(mut self, ids: &[Uuid]) -> Vec<Vec<Entry>> {
        let mut log = |id: &Uuid| {
            let mut log = self.found.remove(id).unwrap_or_default();
            log.sort_unstable_by_key(|entry| entry.version);
            log
        };
        ids.iter().map(&mut log).collect()
    }
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

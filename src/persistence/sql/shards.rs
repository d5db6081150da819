//! The statements on `shards` that read the same in SQLite, MySQL and MariaDB, what a row of it
//! means to a taker, and the record that a new owner writes. Runs nothing.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sqlx::AssertSqlSafe;

use super::statements::shard_list;
use persistence::journal::{
    Acceptance, Accepted, Claim, Entry, Epoch, Holding, Owner, Regression, SHARD_RECORD, Seq,
    ShardId, Taken, shard_record_id,
};

pub(super) const SHARD_COUNT: &str = "SELECT COUNT(*) FROM shards";

pub(super) const OWNED_SHARDS: &str =
    "SELECT shard FROM shards WHERE owner_incarnation = ? ORDER BY shard";

/// The rows of `shards`; `lock` is what makes them stay as they were read.
pub(super) fn select_holdings(shards: &[ShardId], lock: &str) -> AssertSqlSafe<String> {
    AssertSqlSafe(format!(
        "SELECT shard, epoch, beat, owner_node, owner_incarnation, acknowledged, regressed_to \
         FROM shards WHERE shard IN {} ORDER BY shard {lock}",
        shard_list(shards)
    ))
}

/// Gives `shards` to a node; `node` and `incarnation` are literals or parameters.
pub(super) fn own_shards(
    shards: &[ShardId],
    node: &str,
    incarnation: &str,
) -> AssertSqlSafe<String> {
    AssertSqlSafe(format!(
        "UPDATE shards SET epoch = epoch + 1, owner_node = {node}, \
         owner_incarnation = {incarnation} WHERE shard IN {}",
        shard_list(shards)
    ))
}

/// Raises the beat of what `incarnation`, a literal or a parameter, holds, and with it what was
/// acknowledged. `greatest` is the function of that meaning.
pub(super) fn renew_shards(
    incarnation: &str,
    acknowledged: &[(ShardId, Seq)],
    greatest: &str,
) -> AssertSqlSafe<String> {
    let mut text = String::from("UPDATE shards SET beat = beat + 1");
    if !acknowledged.is_empty() {
        write!(text, ", acknowledged = {greatest}(acknowledged, CASE shard").expect(WRITTEN);
        for (shard, seq) in acknowledged {
            write!(text, " WHEN {shard} THEN {seq}").expect(WRITTEN);
        }
        text.push_str(" ELSE 0 END)");
    }
    write!(text, " WHERE owner_incarnation = {incarnation}").expect(WRITTEN);
    AssertSqlSafe(text)
}

const WRITTEN: &str = "writing to a string cannot fail";

/// Gives up what `incarnation`, a literal or a parameter, holds of `shards`.
pub(super) fn release_shards(shards: &[ShardId], incarnation: &str) -> AssertSqlSafe<String> {
    AssertSqlSafe(format!(
        "UPDATE shards SET owner_node = NULL, owner_incarnation = NULL \
         WHERE shard IN {} AND owner_incarnation = {incarnation}",
        shard_list(shards)
    ))
}

/// Records that a log went backwards, unless it is long enough (again).
pub(super) fn stop_shard(regression: &Regression, greatest: &str) -> AssertSqlSafe<String> {
    let Regression { shard, acknowledged, found, gone_on } = regression;
    let mut so = format!(
        "COALESCE((SELECT MAX(journal.seq) FROM journal WHERE journal.shard = {shard}), 0) \
         < {acknowledged}"
    );
    if let Some(epoch) = gone_on {
        let next = found + 1;
        write!(
            so,
            " OR EXISTS (SELECT 1 FROM journal WHERE journal.shard = {shard} \
             AND journal.seq = {next} AND journal.epoch = {epoch})"
        )
        .expect(WRITTEN);
    }
    AssertSqlSafe(format!(
        "UPDATE shards SET owner_node = NULL, owner_incarnation = NULL, regressed_to = {found}, \
         acknowledged = {greatest}(acknowledged, {acknowledged}) WHERE shard = {shard} AND ({so})"
    ))
}

/// The rows `(0),(1),…` of the shards that a new database gets.
pub(super) fn insert_shards(count: u16) -> AssertSqlSafe<String> {
    let rows: Vec<String> = (0..count).map(|shard| format!("({shard})")).collect();
    AssertSqlSafe(format!("INSERT INTO shards (shard) VALUES {}", rows.join(",")))
}

/// The claims, each shard once, in the order in which rows are locked.
pub(super) fn in_lock_order(claims: &[Claim]) -> Vec<Claim> {
    let mut ordered = claims.to_vec();
    ordered.sort_unstable_by_key(|claim| claim.shard);
    ordered.dedup_by_key(|claim| claim.shard);
    ordered
}

/// The last entry of a shard.
#[derive(Clone, Copy, Default)]
pub(super) struct End {
    pub(super) seq: Seq,
    pub(super) recorded_us: i64,
}

/// What a taker makes of the rows that it has locked.
#[derive(Default)]
pub(super) struct Findings {
    /// What is not to be taken.
    pub(super) settled: Vec<Taken>,
    /// What is free, and what is known to have been acknowledged there.
    pub(super) free: Vec<(Holding, Seq)>,
}

impl Findings {
    pub(super) fn of(claims: &[Claim], rows: Vec<Holding>) -> Self {
        let claims: BTreeMap<_, _> = claims.iter().map(|claim| (claim.shard, claim)).collect();
        let mut findings = Self::default();
        for row in rows {
            let Some(claim) = claims.get(&row.shard) else { continue };
            if let Some(regression) = row.regression() {
                findings.settled.push(Taken::Regressed(regression));
            } else if row.owner.is_some() && row.pulse != claim.seen {
                findings.settled.push(Taken::Held(row));
            } else {
                let acknowledged = row.acknowledged.max(claim.acknowledged);
                findings.free.push((row, acknowledged));
            }
        }
        findings
    }

    /// The shards whose logs must be looked at.
    pub(super) fn free_shards(&self) -> Vec<ShardId> {
        self.free.iter().map(|(row, _)| row.shard).collect()
    }

    /// Settles those whose log is too short, and gives the takeover records of the others.
    pub(super) fn records(&mut self, ends: &BTreeMap<ShardId, End>, owner: &Owner) -> Vec<Entry> {
        let mut records = Vec::with_capacity(self.free.len());
        for (row, acknowledged) in std::mem::take(&mut self.free) {
            let end = ends.get(&row.shard).copied().unwrap_or_default();
            if end.seq < acknowledged {
                let shard = row.shard;
                let (found, gone_on) = (end.seq, None);
                let regression = Regression { shard, acknowledged, found, gone_on };
                self.settled.push(Taken::Regressed(regression));
                continue;
            }
            let record = takeover(&row, end, owner);
            self.settled.push(Taken::Owned {
                shard: record.shard,
                epoch: record.epoch,
                head: record.seq,
                recorded_us: record.recorded_us,
            });
            records.push(record);
        }
        records
    }

    /// Those that were found too short just now or before.
    pub(super) fn regressions(&self) -> impl Iterator<Item = &Regression> {
        self.settled.iter().filter_map(|taken| match taken {
            Taken::Regressed(regression) => Some(regression),
            _ => None,
        })
    }

    /// The answers, in the order of shards.
    pub(super) fn answers(mut self) -> Vec<Taken> {
        self.settled.sort_by_key(Taken::shard);
        self.settled
    }
}

/// The record that a new owner appends behind the head, so that every number its predecessor
/// could use next is taken. It says from whom the shard was taken, for whoever asks later why it
/// went to and fro.
fn takeover(row: &Holding, end: End, owner: &Owner) -> Entry {
    let data = serde_json::json!({
        "node": owner.node,
        "incarnation": owner.incarnation,
        "from": row.owner.as_ref().map(|former| former.node.as_str()),
    });
    record(row, end.seq + 1, end, "TakenOver", &data)
}

/// The records of a loss that an operator accepted, one for each number that was lost.
pub(super) fn losses(row: &Holding, end: End, reason: &str) -> Vec<Entry> {
    let (through, acknowledged) = (end.seq, row.acknowledged);
    let data = serde_json::json!({
        "through": through, "acknowledged": acknowledged, "reason": reason,
    });
    (through + 1..=acknowledged).map(|seq| record(row, seq, end, "LossAccepted", &data)).collect()
}

fn record(row: &Holding, seq: Seq, end: End, kind: &str, data: &serde_json::Value) -> Entry {
    shard_record((row.shard, seq), row.pulse.epoch + 1, end, kind, data)
}

/// A record of the engine's own behind the end of a log, of the epoch that begins with it.
pub(super) fn shard_record(
    (shard, seq): (ShardId, Seq),
    epoch: Epoch,
    end: End,
    kind: &str,
    data: &serde_json::Value,
) -> Entry {
    let events = serde_json::json!([{ "type": kind, "data": data }]);
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
        // Time never goes back along a log, whatever this machine's clock says.
        recorded_us: now_us().max(end.recorded_us),
    }
}

/// What an operator's acceptance comes to, given the row and the end of the log, both locked; the
/// records to be written where it is a loss.
pub(super) fn judge(acceptance: &Acceptance, row: &Holding, end: End) -> (Accepted, Vec<Entry>) {
    if row.regressed.is_none() {
        return (Accepted::NotStopped, Vec::new());
    }
    if end.seq >= row.acknowledged {
        return (Accepted::Nothing, Vec::new());
    }
    if end.seq != acceptance.through {
        return (Accepted::EndsAt(end.seq), Vec::new());
    }
    let lost = Accepted::Lost { first: end.seq + 1, last: row.acknowledged };
    (lost, losses(row, end, &acceptance.reason))
}

/// Lets a stopped shard be taken, in an epoch of its own.
pub(super) fn resume_shard(shard: ShardId) -> String {
    format!("UPDATE shards SET epoch = epoch + 1, regressed_to = NULL WHERE shard = {shard}")
}

/// The checkpoints of followers, which stand at no entry of a shard …
pub(super) const FORGET_CHECKPOINTS: &str = "DELETE FROM snapshots WHERE seq = 0";
/// … and what is left of snapshots that are gone.
pub(super) const FORGET_CHUNKS: &str = "DELETE FROM snapshot_chunks WHERE NOT EXISTS (SELECT 1 FROM snapshots AS s \
     WHERE s.aggregate_type = snapshot_chunks.aggregate_type \
     AND s.aggregate_id = snapshot_chunks.aggregate_id \
     AND s.state_schema = snapshot_chunks.state_schema \
     AND s.version = snapshot_chunks.version)";

/// Throws away what was derived from lost entries: the checkpoints of followers, which stand at no
/// entry of a shard, and snapshots and keys of what the log does not hold.
pub(super) fn forget_derived(shard: ShardId, through: Seq) -> [String; 3] {
    [
        format!("{FORGET_CHECKPOINTS} OR (shard = {shard} AND seq > {through})"),
        FORGET_CHUNKS.to_owned(),
        "DELETE FROM key_segments WHERE last_version > COALESCE((SELECT MAX(j.version + j.`count` - 1) \
         FROM journal AS j WHERE j.aggregate_type = key_segments.aggregate_type \
         AND j.aggregate_id = key_segments.aggregate_id), 0)"
            .to_owned(),
    ]
}

/// Microseconds since 1970 UTC by this machine's clock.
fn now_us() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

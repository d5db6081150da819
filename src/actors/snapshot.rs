//! Writes and reads snapshots with their key segments, off the hot path. Everything here is a
//! shortcut: whatever is missing or damaged is read from the log instead.

use super::activation::Activation;
use super::core::SnapshotJob;
use super::keys::{KeyIndex, RETENTION};
use super::recovery::{Recovered, RecoveryError, is_kept, segments};
use super::shard::NodeServices;
use domain::aggregate::Aggregate;
use domain::id::AggregateId;
use persistence::cause::{Cause, chain};
use persistence::journal::{JournalError, PageLimit, Seq};
use persistence::snapshots::packing::Packing;
use persistence::snapshots::thinning::Thinning;
use persistence::snapshots::{Reach, SnapshotHead};

/// Key segments read at a time.
const SEGMENTS_PER_PAGE: u32 = 64;
/// The newest snapshots, which are never thinned out.
const NEWEST_KEPT: usize = 2;
/// Older ones stand so many intervals apart: a past state is replayed from the one before it, and
/// some two thousand events take a few milliseconds.
const INTERVALS_APART: u64 = 2;

/// Stores what the job holds; true if it is stored.
pub async fn store<A: Aggregate>(activation: &Activation<A>, job: &SnapshotJob<A::State>) -> bool {
    let services = &activation.shard.services;
    let _turn = services.snapshot_writes.acquire().await.expect("the semaphore is never closed");
    let recorded_us = services.now().timestamp_micros();
    let head = SnapshotHead {
        aggregate_type: A::TYPE.to_owned(),
        aggregate_id: activation.id.0,
        state_schema: A::STATE_SCHEMA,
        version: job.version,
        shard: activation.shard.id,
        seq: job.seq,
        recorded_us,
    };
    let segments = segments(&head, job.first_key_version, &job.keys);
    let apart = services.limits.snapshot_interval.saturating_mul(INTERVALS_APART);
    let thinning = Thinning { newest: NEWEST_KEPT, apart: Some(apart) };
    let state = Packing::of(job.state.clone());
    if let Err(error) = services.snapshots.save(&head, state, &segments, thinning).await {
        tracing::warn!(error = %chain(&error), kind = A::TYPE, id = %activation.id, "snapshot not stored");
        return false;
    }
    let twice_us = 2 * i64::try_from(RETENTION.as_micros()).expect("a day fits");
    let pruned = services
        .snapshots
        .prune_key_segments(A::TYPE, activation.id.0, recorded_us - twice_us)
        .await;
    if let Err(error) = pruned {
        tracing::warn!(error = %chain(&error), kind = A::TYPE, id = %activation.id, "old key segments not removed");
    }
    true
}

/// The newest usable snapshot of what the log holds up to this version and this entry, with the
/// keys up to it; the state before the first event if there is none.
pub async fn load<A: Aggregate>(
    services: &NodeServices,
    id: AggregateId,
    (version, head): (u64, Seq),
    now_us: i64,
) -> Result<Recovered<A>, JournalError> {
    let Some((snapshot, state)) = newest::<A>(services, id, Reach::version(version), head).await?
    else {
        return Ok(Recovered::default());
    };
    let mut recovered = Recovered::from_snapshot(state, snapshot.version, snapshot.seq);
    if !is_kept(snapshot.recorded_us, now_us) {
        return Ok(recovered);
    }
    let first_missing = match read_segments(services, id, now_us, &mut recovered).await {
        Ok(first_missing) => first_missing,
        Err(JournalError::Corrupt(cause)) => {
            tracing::warn!(cause = %chain(&cause), kind = A::TYPE, %id, "key segments damaged, reading keys from the log");
            recovered.keys = KeyIndex::default();
            1
        }
        Err(error) => return Err(error),
    };
    read_keys_from_log(services, id, first_missing, now_us, &mut recovered).await?;
    Ok(recovered)
}

/// The newest snapshot within reach that can be read and names no entry behind `head`: one that
/// does was stored by a new owner of the shard, of which this one knows nothing yet.
pub async fn newest<A: Aggregate>(
    services: &NodeServices,
    id: AggregateId,
    mut reach: Reach,
    head: Seq,
) -> Result<Option<(SnapshotHead, A::State)>, JournalError> {
    loop {
        let found = services.snapshots.newest(A::TYPE, id.0, A::STATE_SCHEMA, reach).await?;
        let Some(mut snapshot) = found else { return Ok(None) };
        snapshot.head.seq = services.slots.seq_at_home(id, snapshot.head.shard, snapshot.head.seq);
        let version = snapshot.head.version;
        if snapshot.head.seq <= head {
            match snapshot.state.open_aside().await {
                Ok(state) => return Ok(Some((snapshot.head, state))),
                Err(error) => {
                    tracing::warn!(error = %chain(&error), kind = A::TYPE, %id, version, "snapshot unreadable, taking the one before or the log");
                }
            }
        }
        let Some(before) = version.checked_sub(1) else { return Ok(None) };
        reach.version_max = before;
    }
}

/// Reads the stored segments; returns the first version from which keys must come from the log.
async fn read_segments<A: Aggregate>(
    services: &NodeServices,
    id: AggregateId,
    now_us: i64,
    recovered: &mut Recovered<A>,
) -> Result<u64, JournalError> {
    let since_us = now_us - i64::try_from(RETENTION.as_micros()).expect("a day fits");
    let mut covered: Option<u64> = None;
    let mut after = 0;
    loop {
        let page = services
            .snapshots
            .key_segments(A::TYPE, id.0, since_us, after, SEGMENTS_PER_PAGE)
            .await?;
        let Some(last) = page.last() else { break };
        after = last.first_version;
        for segment in page {
            if covered.is_some_and(|covered| segment.first_version > covered + 1) {
                return Err(JournalError::Corrupt("a key segment is missing".into()));
            }
            recovered.keys_from_segment(&segment.fingerprints, segment.recorded_us);
            covered = covered.max(Some(segment.last_version));
        }
    }
    Ok(covered.map_or(1, |covered| covered + 1))
}

async fn read_keys_from_log<A: Aggregate>(
    services: &NodeServices,
    id: AggregateId,
    first: u64,
    now_us: i64,
    recovered: &mut Recovered<A>,
) -> Result<(), JournalError> {
    let through = recovered.version;
    let mut from = first;
    while from <= through {
        let page = services
            .journal
            .read_aggregate(A::TYPE, id.0, from, through, PageLimit::default())
            .await?;
        let Some(last) = page.last() else { break };
        from = last.last_version() + 1;
        for entry in &page {
            recovered
                .keys_from_entry(entry, now_us)
                .map_err(|error: RecoveryError| JournalError::Corrupt(Cause::of(error)))?;
        }
    }
    Ok(())
}

//! Writes and reads snapshots with their key segments, off the hot path. Everything here is a
//! shortcut: whatever is missing or damaged is read from the log instead.

use super::activation::Activation;
use super::core::SnapshotJob;
use super::keys::RETENTION;
use super::recovery::{Recovered, RecoveryError, is_kept, segment_bytes};
use super::shard::NodeServices;
use domain::aggregate::Aggregate;
use domain::id::AggregateId;
use persistence::cause::{Cause, chain};
use persistence::journal::{JournalError, PageLimit};
use persistence::snapshots::{KeySegment, Snapshot};

/// Key segments read at a time.
const SEGMENTS_PER_PAGE: u32 = 64;

/// Stores what the job holds; true if it is stored.
pub async fn store<A: Aggregate>(activation: &Activation<A>, job: &SnapshotJob<A::State>) -> bool {
    let services = &activation.shard.services;
    let _turn = services.snapshot_writes.acquire().await.expect("the semaphore is never closed");
    let state = job.state.clone();
    let state = tokio::task::spawn_blocking(move || serde_json::to_vec(&state)).await;
    let state = match state {
        Ok(Ok(state)) => state,
        other => {
            tracing::error!(kind = A::TYPE, id = %activation.id, ?other, "state cannot be written as JSON");
            return false;
        }
    };
    let recorded_us = services.now().timestamp_micros();
    let snapshot = Snapshot {
        aggregate_type: A::TYPE.to_owned(),
        aggregate_id: activation.id.0,
        shard: activation.shard.id,
        version: job.version,
        seq: job.seq,
        recorded_us,
        state_schema: A::STATE_SCHEMA,
        state,
    };
    let segment = KeySegment {
        aggregate_type: A::TYPE.to_owned(),
        aggregate_id: activation.id.0,
        first_version: job.first_key_version,
        last_version: job.version,
        recorded_us,
        fingerprints: segment_bytes(&job.keys),
    };
    if let Err(error) = services.snapshots.save(&snapshot, Some(&segment)).await {
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

/// The newest usable snapshot with the keys up to it; the state before the first event if there
/// is none.
pub async fn load<A: Aggregate>(
    services: &NodeServices,
    id: AggregateId,
    now_us: i64,
) -> Result<Recovered<A>, JournalError> {
    let found = services.snapshots.load(A::TYPE, id.0, A::STATE_SCHEMA).await?;
    let Some(snapshot) = found else {
        return Ok(Recovered::default());
    };
    let state = match serde_json::from_slice(&snapshot.state) {
        Ok(state) => state,
        Err(error) => {
            tracing::warn!(%error, kind = A::TYPE, %id, "snapshot unreadable, replaying the log");
            return Ok(Recovered::default());
        }
    };
    let mut recovered = Recovered::from_snapshot(state, snapshot.version, snapshot.seq);
    if !is_kept(snapshot.recorded_us, now_us) {
        return Ok(recovered);
    }
    let first_missing = match read_segments(services, id, now_us, &mut recovered).await {
        Ok(first_missing) => first_missing,
        Err(JournalError::Corrupt(cause)) => {
            tracing::warn!(cause = %chain(&cause), kind = A::TYPE, %id, "key segments damaged, reading keys from the log");
            recovered.keys = super::keys::KeyIndex::default();
            1
        }
        Err(error) => return Err(error),
    };
    read_keys_from_log(services, id, first_missing, now_us, &mut recovered).await?;
    Ok(recovered)
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

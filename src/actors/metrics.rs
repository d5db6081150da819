//! What is told of live aggregates, of what waits for them and of what they refuse.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use telemetry::metrics::SECONDS;

use crate::aggregate_ref::AskError;
use crate::shard::{NodeServices, Shard};
use domain::aggregate::Refusal;

telemetry::metrics! { "actors":
    /// Commands and reads that were let in and are not answered yet.
    gauge ADMITTED = "admitted_commands";
    /// The same on the shard that has most of them.
    gauge BUSIEST_SHARD = "busiest_shard_commands";
    /// Bytes of commands that were let in and are not answered yet.
    gauge ADMITTED_BYTES = "admitted_bytes";
    /// Aggregates in memory.
    gauge LIVE = "live_aggregates";
    /// Commands that a full bound kept out: of the `mailbox`, the `shard`, the `node`.
    counter TURNED_AWAY = "turned_away_commands" by "bound";
    /// Commands that the rules refused.
    counter REFUSALS = "refusals" by "kind", "code";
    /// Commands without an outcome, or without one that is known.
    counter FAULTS = "faults" by "kind", "code";
    /// Aggregates that were started.
    counter ACTIVATIONS = "activations";
    /// Aggregates that left memory: idle, over, or to make room.
    counter PASSIVATIONS = "passivations";
    /// Those of them that had to make room for others.
    counter EVICTIONS = "evictions";
    /// How long it took to read a state from its log and snapshot.
    histogram RECOVERY_SECONDS = "recovery_seconds" by "outcome" with SECONDS;
    /// Actors that failed; each is started again, unless it is quarantined.
    counter FAILURES = "failures" by "kind";
    /// Aggregates that were taken out of service, because they failed again and again or an
    /// operator said so.
    counter QUARANTINES = "quarantines" by "kind";
    /// Snapshots that were written.
    counter SNAPSHOTS = "snapshots" by "outcome";
}

/// Tells what the bounds of a node know anyhow.
pub(crate) fn observe(services: &Arc<NodeServices>, shards: &Arc<Vec<Arc<Shard>>>) {
    let admitted = |shard: &Arc<Shard>| shard.admitted.load(Ordering::Relaxed) as f64;
    ADMITTED.observe(shards, move |shards| shards.iter().map(admitted).sum());
    BUSIEST_SHARD.observe(shards, move |shards| shards.iter().map(admitted).fold(0.0, f64::max));
    ADMITTED_BYTES.observe(services, |node| node.admitted_bytes.load(Ordering::Relaxed) as f64);
    LIVE.observe(services, |node| node.live.load(Ordering::Relaxed) as f64);
}

/// Counts why a command of this kind of aggregate has no success to show.
pub(crate) fn count_failure<X: Refusal>(kind: &str, error: &AskError<X>) {
    match error {
        AskError::Refused(refusal) => REFUSALS.with([kind, refusal.code()]).inc(),
        AskError::Fault(fault) => FAULTS.with([kind, fault.code()]).inc(),
    }
}

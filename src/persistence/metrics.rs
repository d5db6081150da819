//! What the group-commit writer tells of its work.

use std::time::Duration;

use telemetry::metrics::{BYTES, COUNTS, SECONDS};

use crate::journal::{Appended, Entry};

telemetry::metrics! { "persistence":
    /// Entries that one statement wrote: what had queued up behind the last one.
    histogram BATCH_ENTRIES = "batch_entries" with COUNTS;
    /// Bytes of events that one statement wrote.
    histogram BATCH_BYTES = "batch_bytes" with BYTES;
    /// How long the database took for one statement, which is one transaction.
    histogram COMMIT_SECONDS = "commit_seconds" by "outcome" with SECONDS;
    /// Events that are durable.
    counter EVENTS = "events";
    /// How often an append met the entry of another owner, who has the shard now.
    counter FENCES = "fences";
    /// How often a log was found to have lost entries that were acknowledged.
    counter REGRESSIONS = "regressions";
    /// How often the replica of the read tables did not answer; lists are read from the primary then.
    counter REPLICA_FAILURES = "replica_failures";
    /// Keys of persons that were made.
    counter PERSON_KEYS_MADE = "person_keys_made";
    /// Keys of persons that one statement asked for: what had queued up behind the last one.
    histogram PERSON_KEY_BATCH = "person_key_batch_entries" with COUNTS;
}

/// Counts one append, whatever came of it.
pub(crate) fn count_append(entries: &[Entry], outcome: &Appended, took: Duration) {
    COMMIT_SECONDS.with([outcome.name()]).observe_time(took);
    if matches!(outcome, Appended::Committed) {
        let bytes: usize = entries.iter().map(|entry| entry.events.len()).sum();
        BATCH_ENTRIES.observe(entries.len() as f64);
        BATCH_BYTES.observe(bytes as f64);
        EVENTS.add(entries.iter().map(|entry| u64::from(entry.count)).sum());
    }
}

//! The shortcuts through the logs: snapshots and what stands beside them.

use super::Verifier;
use crate::progress::Progress;
use actors::facts::{KINDS, Kind};
use persistence::cause::chain;
use persistence::journal::{JournalError, PageLimit};
use persistence::snapshots::{Listed, Snapshot};
use uuid::Uuid;

/// Snapshots read at a time; each may be large.
const SNAPSHOTS_PER_PAGE: u32 = 16;
/// Key segments read at a time.
const SEGMENTS_PER_PAGE: u32 = 64;
/// One key in a segment.
const KEY_BYTES: usize = 16;

impl Verifier<'_> {
    /// Every snapshot of every kind, and the checkpoints of followers.
    pub(super) async fn shortcuts(&mut self) {
        let mut progress = Progress::new("events replayed for snapshots", 0);
        for kind in KINDS {
            self.each(kind.name, Some(kind), &mut progress).await;
        }
        for checkpoints in CHECKPOINT_KINDS {
            self.each(checkpoints, None, &mut progress).await;
        }
        progress.finish();
    }

    async fn each(&mut self, name: &str, kind: Option<&Kind>, progress: &mut Progress) {
        let mut after = None;
        loop {
            let page = match self.snapshots.list(name, after, SNAPSHOTS_PER_PAGE).await {
                Ok(page) if page.is_empty() => return,
                Ok(page) => page,
                Err(error) => {
                    let from =
                        after.map_or_else(|| "the first".to_owned(), |id: Uuid| id.to_string());
                    let place = format!("snapshots of {name} from {from} on");
                    return self.found(place, format!("they cannot be read: {}", chain(&error)));
                }
            };
            for listed in page {
                self.tally.snapshots += 1;
                let id = listed.aggregate_id();
                after = Some(id);
                match (listed, kind) {
                    (Listed::Damaged { reason, .. }, _) => {
                        self.found(format!("snapshot of {name}/{id}"), reason);
                    }
                    (Listed::Sound(snapshot), Some(kind)) => {
                        self.replay(kind, &snapshot, progress).await;
                        self.segments(kind, id).await;
                    }
                    (Listed::Sound(_), None) => {}
                }
            }
        }
    }

    /// Whether a snapshot is the state that its aggregate's log leads to.
    async fn replay(&mut self, kind: &Kind, snapshot: &Snapshot, progress: &mut Progress) {
        if snapshot.state_schema != kind.state_schema {
            self.tally.snapshots_outdated += 1;
            return;
        }
        let (id, end) = (snapshot.aggregate_id, snapshot.version);
        let place = || format!("snapshot of {}/{id}", kind.name);
        let mut replay = (kind.replay)();
        let mut last = (0, 0);
        while replay.version() < end {
            let from = replay.version() + 1;
            let page =
                self.journal.read_aggregate(kind.name, id, from, end, PageLimit::default()).await;
            let page = match page {
                Ok(page) if page.is_empty() => {
                    let problem =
                        format!("it stands at version {end}, the log ends at {}", replay.version());
                    return self.found(place(), problem);
                }
                Ok(page) => page,
                Err(error) => {
                    return self
                        .found(place(), format!("its log cannot be read: {}", chain(&error)));
                }
            };
            for entry in &page {
                if let Err(error) = replay.apply(entry) {
                    return self
                        .found(place(), format!("its log cannot be replayed: {}", chain(&error)));
                }
                progress.advance(entry.count.into());
                last = (entry.shard, entry.seq);
            }
        }
        if replay.version() != end {
            let problem = format!("it stands at version {end}, in the middle of an entry");
            return self.found(place(), problem);
        }
        if (snapshot.shard, snapshot.seq) != last {
            let (shard, seq) = last;
            let problem = format!(
                "it names entry {} of shard {}, but version {end} is entry {seq} of shard {shard}",
                snapshot.seq, snapshot.shard
            );
            self.found(place(), problem);
        }
        if !replay.equals(&snapshot.state) {
            self.found(place(), format!("it is not what the log leads to at version {end}"));
        }
    }

    /// Whether the remembered keys of an aggregate can be read and lie where they say.
    async fn segments(&mut self, kind: &Kind, id: Uuid) {
        let place = || format!("keys of {}/{id}", kind.name);
        let mut after = 0;
        loop {
            let page =
                self.snapshots.key_segments(kind.name, id, i64::MIN, after, SEGMENTS_PER_PAGE);
            let page = match page.await {
                Ok(page) if page.is_empty() => return,
                Ok(page) => page,
                Err(JournalError::Corrupt(cause)) => {
                    return self.found(place(), chain(&cause).to_string());
                }
                Err(error) => {
                    return self.found(place(), format!("they cannot be read: {}", chain(&error)));
                }
            };
            for segment in page {
                self.tally.key_segments += 1;
                after = segment.first_version;
                let versions = segment.first_version..=segment.last_version;
                let keys = segment.fingerprints.chunks_exact(KEY_BYTES);
                let lie_within = keys.remainder().is_empty()
                    && keys.clone().all(|key| {
                        let (_, version) = key.split_at(8);
                        let version = version.try_into().expect("eight bytes");
                        versions.contains(&u64::from_le_bytes(version))
                    });
                if !lie_within {
                    let problem = format!(
                        "the segment of versions {} to {} holds others",
                        segment.first_version, segment.last_version
                    );
                    self.found(place(), problem);
                }
            }
        }
    }
}

/// Under which names followers keep their checkpoints; they are checked for damage alone.
const CHECKPOINT_KINDS: [&str; 2] = ["view", "follower"];

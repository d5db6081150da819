//! The shortcuts through the logs: snapshots and what stands beside them.

use super::Verifier;
use crate::progress::Progress;
use actors::facts::{KINDS, Kind, Replay};
use domain::id::AggregateId;
use persistence::cause::chain;
use persistence::journal::{JournalError, PageLimit, Seq, ShardId};
use persistence::snapshots::{Listed, Snapshot, SnapshotPlace};
use uuid::Uuid;

/// Places of snapshots read at a time.
const PLACES_PER_PAGE: u32 = 256;
/// Key segments read at a time.
const SEGMENTS_PER_PAGE: u32 = 64;
/// One key in a segment.
const KEY_BYTES: usize = 16;

/// The replay of the aggregate whose snapshots come one after another, each later than the one
/// before: its log is read once, however many there are.
struct Running {
    id: Uuid,
    replay: Box<dyn Replay>,
    last: (ShardId, Seq),
    /// It was found that the log cannot be replayed any further.
    stuck: bool,
}

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
        let mut running: Option<Running> = None;
        loop {
            let page = match self.snapshots.places(name, after, PLACES_PER_PAGE).await {
                Ok(page) if page.is_empty() => return,
                Ok(page) => page,
                Err(error) => {
                    let from = after.map_or_else(
                        || "the first".to_owned(),
                        |place: SnapshotPlace| place.aggregate_id.to_string(),
                    );
                    let place = format!("snapshots of {name} from {from} on");
                    return self.found(place, format!("they cannot be read: {}", chain(&error)));
                }
            };
            for place in page {
                let id = place.aggregate_id;
                let is_new = after.is_none_or(|after: SnapshotPlace| after.aggregate_id != id);
                after = Some(place);
                if let Some(kind) = kind.filter(|_| is_new) {
                    self.segments(kind, id).await;
                }
                self.snapshot(name, kind, place, &mut running, progress).await;
            }
        }
    }

    async fn snapshot(
        &mut self,
        name: &str,
        kind: Option<&Kind>,
        place: SnapshotPlace,
        running: &mut Option<Running>,
        progress: &mut Progress,
    ) {
        let at = format!("snapshot of {name}/{} at version {}", place.aggregate_id, place.version);
        let listed = match self.snapshots.at(name, place).await {
            // A server beside us has thinned it out.
            Ok(None) => return,
            Ok(Some(listed)) => listed,
            Err(error) => return self.found(at, format!("it cannot be read: {}", chain(&error))),
        };
        self.tally.snapshots += 1;
        match (listed, kind) {
            (Listed::Damaged { reason }, _) => self.found(at, reason),
            (Listed::Sound(snapshot), Some(kind)) if place.state_schema == kind.state_schema => {
                let begin =
                    |id| Running { id, replay: (kind.replay)(), last: (0, 0), stuck: false };
                let id = place.aggregate_id;
                let behind = |one: &Running| one.id != id || one.replay.version() > place.version;
                if running.as_ref().is_none_or(behind) {
                    *running = Some(begin(id));
                }
                let running = running.as_mut().expect("it was just begun");
                if let Err(problem) = self.replay(kind, &snapshot, running, progress).await {
                    self.found(at, problem);
                }
            }
            (Listed::Sound(_), Some(_)) => self.tally.snapshots_outdated += 1,
            (Listed::Sound(_), None) => {}
        }
    }

    /// Whether a snapshot is the state that its aggregate's log leads to; if not, why.
    async fn replay(
        &self,
        kind: &Kind,
        snapshot: &Snapshot,
        running: &mut Running,
        progress: &mut Progress,
    ) -> Result<(), String> {
        let (head, end) = (&snapshot.head, snapshot.head.version);
        let Running { id, replay, last, stuck } = running;
        while replay.version() < end && !*stuck {
            let from = replay.version() + 1;
            let page =
                self.journal.read_aggregate(kind.name, *id, from, end, PageLimit::default()).await;
            let page =
                page.map_err(|error| format!("its log cannot be read: {}", chain(&error)))?;
            if page.is_empty() {
                return Err(format!(
                    "it stands at version {end}, the log ends at {}",
                    replay.version()
                ));
            }
            for entry in &page {
                if let Err(error) = replay.apply(entry) {
                    *stuck = true;
                    return Err(format!("its log cannot be replayed: {}", chain(&error)));
                }
                progress.advance(entry.count.into());
                *last = (entry.shard, entry.seq);
            }
        }
        if replay.version() != end {
            return Err(if *stuck {
                format!("its log cannot be replayed beyond version {}", replay.version())
            } else {
                format!("it stands at version {end}, in the middle of an entry")
            });
        }
        let at_home = |shard, seq| self.slots.seq_at_home(AggregateId(*id), shard, seq);
        let same_place = at_home(head.shard, head.seq) == at_home(last.0, last.1);
        if (head.shard, head.seq) != *last && !(self.slots.have_moved() && same_place) {
            let (shard, seq) = last;
            return Err(format!(
                "it names entry {} of shard {}, but version {end} is entry {seq} of shard {shard}",
                head.seq, head.shard
            ));
        }
        let state = snapshot.state.open();
        let state =
            state.map_err(|error| format!("its state cannot be read: {}", chain(&error)))?;
        if replay.equals(state) {
            return Ok(());
        }
        Err(format!("it is not what the log leads to at version {end}"))
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

//! The pure core of an aggregate actor: what is tentative, what is confirmed, who waits for what.
//!
//! It decides commands on the *tentative* state (all that was decided so far), hands entries to the
//! writer, and moves the *confirmed* state only when told that an entry is durable. It does no IO,
//! reads no clock and sends nothing: replies come back to the caller as [`Released`] data. The
//! simulator drives this very code.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::actors::keys::{KeyIndex, Page, fingerprint};
use crate::actors::recovery::Recovered;
use crate::domain::aggregate::{Aggregate, Context};
use crate::domain::id::AggregateId;
use crate::persistence::codec::{self, Meta};
use crate::persistence::journal::{Epoch, Seq, ShardId};
use crate::persistence::writer::lane::{Cut, Dropped};

/// An entry is sealed when it holds this many events …
const EVENTS_PER_ENTRY_MAX: u32 = 1_024;
/// … or about this many bytes.
const ENTRY_BYTES_MAX: usize = 512 << 10;
/// Keys since the last snapshot that are held at most; beyond it keyed commands wait for one.
const FRESH_KEYS_MAX: usize = 2 << 20;

/// What comes with a command beside its content.
#[derive(Clone, Debug)]
pub struct CommandMeta {
    /// The id of this try.
    pub command_id: Uuid,
    /// At most `codec::KEY_BYTES_MAX` bytes; valid for one principal and one aggregate.
    pub key: Option<Arc<str>>,
    pub correlation_id: Uuid,
    pub causation_id: Option<Uuid>,
    pub principal: Arc<str>,
    pub trace: Option<Arc<str>>,
    /// Decide only if the aggregate stands at this version.
    pub expected_version: Option<u64>,
}

/// A command on its way through the core; `R` is what the reply goes to.
#[derive(Debug)]
pub struct Request<A: Aggregate, R> {
    pub command: A::Command,
    pub meta: CommandMeta,
    /// XXH3-64 of the command's JSON.
    pub input_hash: u64,
    pub reply: R,
    /// Versions up to here were searched in the log and do not hold the key.
    pub examined: u64,
}

/// The place of an entry in the log, and the version it led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Committed {
    pub version: u64,
    pub shard: ShardId,
    pub seq: Seq,
}

/// What a caller is told.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict<X> {
    Done(Committed),
    Refused(X),
    VersionConflict {
        expected: u64,
        actual: u64,
    },
    KeyReused,
    /// No room to remember another key at present.
    KeysFull,
    Dropped(Dropped),
}

/// Replies to be sent now.
pub type Released<A, R> = Vec<(R, Verdict<<A as Aggregate>::Refusal>)>;

/// What became of a request.
pub enum Decided<A: Aggregate, R> {
    /// It rests on nothing that could still be lost: answer now.
    Answer(R, Verdict<A::Refusal>),
    /// Its answer will come out of `committed` or `dropped`.
    Waits,
    /// The key may have been used in these versions: search the log there and nowhere else, then
    /// give either the answer found or the request again with `examined` raised to `through`.
    Search { request: Request<A, R>, pages: Vec<Page>, through: u64 },
}

/// Confirmed state as a reader sees it.
#[derive(Clone, Debug)]
pub struct Reading<S> {
    pub state: S,
    pub version: u64,
    pub shard: ShardId,
    /// The last entry of this aggregate; 0 if it has none.
    pub seq: Seq,
}

/// What is to be stored as a snapshot.
pub struct SnapshotJob<S> {
    pub state: S,
    pub version: u64,
    pub seq: Seq,
    pub first_key_version: u64,
    pub keys: Vec<(u64, u64)>,
}

struct OpenEntry<A: Aggregate, R> {
    first_version: u64,
    count: u32,
    events: Vec<u8>,
    /// The state behind its last event, once sealed.
    after: Option<A::State>,
    waiters: Vec<(R, Outcome<A::Refusal>)>,
    keys: Vec<(u64, u64)>,
}

/// A verdict whose entry has no number yet.
enum Outcome<X> {
    Done { version: u64 },
    Other(Verdict<X>),
}

struct PendingKey {
    principal: Arc<str>,
    key: Arc<str>,
    input_hash: u64,
    version: u64,
    /// Which entry it waits in, counted from the start of this life.
    entry: u64,
}

/// Fingerprints are hashes already.
#[derive(Default)]
pub struct Passthrough(u64);
impl Hasher for Passthrough {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, _: &[u8]) {
        unreachable!("only u64 keys are hashed");
    }
    fn write_u64(&mut self, value: u64) {
        self.0 = value;
    }
}
type PendingKeys = HashMap<u64, PendingKey, BuildHasherDefault<Passthrough>>;

/// Where and in which ownership an aggregate lives.
#[derive(Clone, Debug)]
pub struct Home {
    pub node: Arc<str>,
    pub shard: ShardId,
    pub epoch: Epoch,
}

/// See the module.
pub struct AggregateCore<A: Aggregate, R> {
    id: AggregateId,
    home: Home,
    /// False before the first recovery and after anything was dropped.
    ready: bool,
    confirmed: A::State,
    confirmed_version: u64,
    confirmed_seq: Seq,
    tentative: A::State,
    tentative_version: u64,
    keys: KeyIndex,
    pending_keys: PendingKeys,
    /// Uncommitted entries; the first is in the writer's hands if `handed_out`. Boxed, for a queue
    /// keeps its room when it is empty, and an entry holds a whole state.
    entries: VecDeque<Box<OpenEntry<A, R>>>,
    handed_out: bool,
    entries_committed: u64,
    fresh_keys: Vec<(u64, u64)>,
    snapshot_version: u64,
    #[cfg(test)]
    pub shortcut: Option<crate::simulator::Shortcut>,
}

impl<A: Aggregate, R> AggregateCore<A, R> {
    pub fn new(id: AggregateId, home: Home) -> Self {
        Self {
            id,
            home,
            ready: false,
            confirmed: A::State::default(),
            confirmed_version: 0,
            confirmed_seq: 0,
            tentative: A::State::default(),
            tentative_version: 0,
            keys: KeyIndex::default(),
            pending_keys: PendingKeys::default(),
            entries: VecDeque::new(),
            handed_out: false,
            entries_committed: 0,
            fresh_keys: Vec::new(),
            snapshot_version: 0,
            #[cfg(test)]
            shortcut: None,
        }
    }

    /// False: nothing may be decided before [`install`](Self::install).
    pub fn is_ready(&self) -> bool {
        self.ready
    }

    /// Nothing waits for a commit.
    pub fn is_settled(&self) -> bool {
        self.entries.is_empty()
    }

    pub fn home(&self) -> &Home {
        &self.home
    }

    /// Bytes that grow with use, for the node's budget: buffers and keys, not the state.
    pub fn weight(&self) -> usize {
        self.keys.weight() + self.fresh_keys.capacity() * 16
    }

    /// Takes what was recovered from snapshot and log as the truth. Only while nothing waits.
    pub fn install(&mut self, recovered: Recovered<A>) {
        assert!(self.entries.is_empty(), "recovery while entries wait");
        #[cfg(test)]
        let recovered = self.shorten(recovered);
        self.confirmed = recovered.state;
        self.confirmed_version = recovered.version;
        self.confirmed_seq = recovered.seq;
        self.tentative = self.confirmed.clone();
        self.tentative_version = self.confirmed_version;
        self.keys = recovered.keys;
        self.fresh_keys = recovered.fresh_keys;
        self.snapshot_version = recovered.snapshot_version;
        self.pending_keys = PendingKeys::default();
        self.ready = true;
    }

    /// The confirmed state: never what could still be lost.
    pub fn read(&self) -> Reading<A::State> {
        Reading {
            state: self.confirmed.clone(),
            version: self.confirmed_version,
            shard: self.home.shard,
            seq: self.confirmed_seq,
        }
    }

    /// Decides one command. The caller has seen to it that the core is ready.
    pub fn decide(&mut self, request: Request<A, R>, now: DateTime<Utc>) -> Decided<A, R> {
        debug_assert!(self.ready, "decide before recovery");
        let mut mark = None;
        if let Some(key) = &request.meta.key {
            let mark_of_key = fingerprint(&request.meta.principal, key);
            if let Some(pending) = self.pending_keys.get(&mark_of_key) {
                let same = pending.key == *key && pending.principal == request.meta.principal;
                let outcome = if same && pending.input_hash == request.input_hash {
                    Outcome::Done { version: pending.version }
                } else {
                    Outcome::Other(Verdict::KeyReused)
                };
                let entry = pending.entry;
                return self.wait_in(entry, request.reply, outcome);
            }
            let mut pages = self.keys.probe(mark_of_key);
            // Only what is confirmed and was not searched before. What lies beyond may stand in the
            // log already: answered from there, it would be known before it can be read here.
            for (first, last) in &mut pages {
                *first = (*first).max(request.examined + 1);
                *last = (*last).min(self.confirmed_version);
            }
            pages.retain(|(first, last)| first <= last);
            if !pages.is_empty() {
                return Decided::Search { request, pages, through: self.confirmed_version };
            }
            if !self.keys.has_room() || self.fresh_keys.len() >= FRESH_KEYS_MAX {
                return Decided::Answer(request.reply, Verdict::KeysFull);
            }
            mark = Some(mark_of_key);
        }
        let outcome = self.judge(&request, now);
        match outcome {
            Ok(events) if events.is_empty() && mark.is_none() => {
                let version = self.tentative_version;
                self.after_what_is_pending(request.reply, Outcome::Done { version })
            }
            Ok(events) => self.record(request, events, mark, now),
            Err(verdict) => self.after_what_is_pending(request.reply, Outcome::Other(verdict)),
        }
    }

    fn judge(
        &self,
        request: &Request<A, R>,
        now: DateTime<Utc>,
    ) -> Result<Vec<A::Event>, Verdict<A::Refusal>> {
        if let Some(expected) = request.meta.expected_version
            && expected != self.tentative_version
        {
            return Err(Verdict::VersionConflict { expected, actual: self.tentative_version });
        }
        let context = Context {
            now,
            command_id: request.meta.command_id,
            principal: Arc::clone(&request.meta.principal),
            aggregate_id: self.id,
            version: self.tentative_version,
        };
        A::decide(&self.tentative, &request.command, &context).map_err(Verdict::Refused)
    }

    /// Applies what was decided to the tentative state and adds it to the entry being gathered.
    fn record(
        &mut self,
        request: Request<A, R>,
        events: Vec<A::Event>,
        mark: Option<u64>,
        now: DateTime<Utc>,
    ) -> Decided<A, R> {
        let first_version = self.tentative_version + 1;
        self.seal_if_full();
        if self.entries.is_empty() || self.entries.back().is_some_and(|entry| entry.after.is_some())
        {
            self.entries.push_back(Box::new(OpenEntry::starting_at(first_version)));
        }
        let entry_number = self.entries_committed + self.entries.len() as u64 - 1;
        let meta = Meta {
            command_id: request.meta.command_id,
            key: request.meta.key,
            input_hash: mark.map(|_| request.input_hash),
            correlation_id: request.meta.correlation_id,
            causation_id: request.meta.causation_id,
            principal: request.meta.principal,
            node: Arc::clone(&self.home.node),
            epoch: self.home.epoch,
            trace: request.meta.trace,
        };
        let entry = self.entries.back_mut().expect("one was just made sure of");
        for event in &events {
            A::apply(&mut self.tentative, event);
            codec::push_event(&mut entry.events, Some(event), &meta);
        }
        if events.is_empty() {
            codec::push_event::<A::Event>(&mut entry.events, None, &meta);
        }
        let count = u32::try_from(events.len().max(1)).expect("a decision has few events");
        entry.count += count;
        self.tentative_version += u64::from(count);
        let version = self.tentative_version;
        if let (Some(mark), Some(key)) = (mark, meta.key) {
            self.keys.insert(mark, first_version, now.timestamp_micros());
            entry.keys.push((mark, first_version));
            let pending = PendingKey {
                principal: meta.principal,
                key,
                input_hash: request.input_hash,
                version,
                entry: entry_number,
            };
            self.pending_keys.insert(mark, pending);
        }
        #[cfg(test)]
        if self.shortcut == Some(crate::simulator::Shortcut::ReplyBeforeCommit) {
            let committed = Committed { version, shard: self.home.shard, seq: self.confirmed_seq };
            return Decided::Answer(request.reply, Verdict::Done(committed));
        }
        entry.waiters.push((request.reply, Outcome::Done { version }));
        Decided::Waits
    }

    fn seal_if_full(&mut self) {
        if let Some(entry) = self.entries.back_mut()
            && entry.after.is_none()
            && (entry.count >= EVENTS_PER_ENTRY_MAX || entry.events.len() >= ENTRY_BYTES_MAX)
        {
            entry.after = Some(self.tentative.clone());
        }
    }

    /// Answers when everything decided so far is durable; now, if it is.
    fn after_what_is_pending(&mut self, reply: R, outcome: Outcome<A::Refusal>) -> Decided<A, R> {
        #[cfg(test)]
        if self.shortcut == Some(crate::simulator::Shortcut::RefusalEarly) {
            return Decided::Answer(reply, self.placed(outcome, self.confirmed_seq));
        }
        if self.entries.is_empty() {
            return Decided::Answer(reply, self.placed(outcome, self.confirmed_seq));
        }
        let last = self.entries_committed + self.entries.len() as u64 - 1;
        self.wait_in(last, reply, outcome)
    }

    fn wait_in(&mut self, entry: u64, reply: R, outcome: Outcome<A::Refusal>) -> Decided<A, R> {
        let index = usize::try_from(entry - self.entries_committed).expect("few entries wait");
        self.entries[index].waiters.push((reply, outcome));
        Decided::Waits
    }

    fn placed(&self, outcome: Outcome<A::Refusal>, seq: Seq) -> Verdict<A::Refusal> {
        match outcome {
            Outcome::Done { version } => {
                Verdict::Done(Committed { version, shard: self.home.shard, seq })
            }
            Outcome::Other(verdict) => verdict,
        }
    }

    /// Hands out the oldest entry; see [`crate::persistence::writer::lane::Cell::cut`].
    pub fn cut(&mut self) -> Option<Cut> {
        assert!(!self.handed_out, "the entry before was not settled");
        let entry = self.entries.front_mut()?;
        if entry.after.is_none() {
            entry.after = Some(self.tentative.clone());
        }
        self.handed_out = true;
        Some(Cut {
            aggregate_type: A::TYPE.into(),
            aggregate_id: self.id.0,
            version: entry.first_version,
            count: entry.count,
            events: codec::finish(std::mem::take(&mut entry.events)),
        })
    }

    /// The entry handed out is durable: confirms it and releases what waited in it.
    pub fn committed(&mut self, seq: Seq) -> Released<A, R> {
        let Some(entry) = self.take_handed_out() else {
            return Vec::new();
        };
        self.confirmed = entry.after.expect("a cut entry is sealed");
        self.confirmed_version = entry.first_version + u64::from(entry.count) - 1;
        self.confirmed_seq = seq;
        for (mark, _) in &entry.keys {
            self.pending_keys.remove(mark);
        }
        self.fresh_keys.extend_from_slice(&entry.keys);
        self.entries_committed += 1;
        let mut released = Vec::with_capacity(entry.waiters.len());
        for (reply, outcome) in entry.waiters {
            released.push((reply, self.placed(outcome, seq)));
        }
        released
    }

    /// The entry handed out did not happen: it and everything behind it are gone, and nothing is
    /// decided before the next recovery.
    pub fn dropped(&mut self, reason: &Dropped) -> Released<A, R> {
        self.handed_out = false;
        self.ready = false;
        let mut released = Vec::new();
        for entry in std::mem::take(&mut self.entries) {
            for (reply, _) in entry.waiters {
                released.push((reply, Verdict::Dropped(reason.clone())));
            }
        }
        self.pending_keys = PendingKeys::default();
        #[cfg(test)]
        if self.shortcut == Some(crate::simulator::Shortcut::KeepTentative) {
            self.ready = true;
            return released;
        }
        self.tentative = self.confirmed.clone();
        self.tentative_version = self.confirmed_version;
        released
    }

    /// The actor failed in the middle of a decision: what is not sealed may be half done and is
    /// dropped; what is sealed goes its way. Nothing is decided before the next recovery.
    pub fn failed(&mut self) -> Released<A, R> {
        self.ready = false;
        let Some(entry) = self.entries.pop_back_if(|entry| entry.after.is_none()) else {
            return Vec::new();
        };
        let reason = Verdict::Dropped(Dropped::Failed);
        entry.waiters.into_iter().map(|(reply, _)| (reply, reason.clone())).collect()
    }

    fn take_handed_out(&mut self) -> Option<Box<OpenEntry<A, R>>> {
        if !std::mem::take(&mut self.handed_out) {
            return None;
        }
        self.entries.pop_front()
    }

    /// How many events the confirmed state is ahead of the last snapshot.
    pub fn events_since_snapshot(&self) -> u64 {
        self.confirmed_version - self.snapshot_version
    }

    /// What a snapshot of the confirmed state would store. O(1) in the size of the state.
    pub fn snapshot(&mut self) -> SnapshotJob<A::State> {
        SnapshotJob {
            state: self.confirmed.clone(),
            version: self.confirmed_version,
            seq: self.confirmed_seq,
            first_key_version: self.snapshot_version + 1,
            keys: std::mem::take(&mut self.fresh_keys),
        }
    }

    /// A snapshot of this version is stored, or was not: then its keys go back to wait for the next.
    pub fn snapshot_ended(&mut self, job: SnapshotJob<A::State>, stored: bool) {
        if stored {
            self.snapshot_version = self.snapshot_version.max(job.version);
        } else {
            let newer = std::mem::replace(&mut self.fresh_keys, job.keys);
            self.fresh_keys.extend(newer);
        }
    }

    #[cfg(test)]
    fn shorten(&self, mut recovered: Recovered<A>) -> Recovered<A> {
        if self.shortcut == Some(crate::simulator::Shortcut::ForgetKeys) {
            recovered.keys = KeyIndex::default();
        }
        recovered
    }
}

impl<A: Aggregate, R> OpenEntry<A, R> {
    fn starting_at(first_version: u64) -> Self {
        Self {
            first_version,
            count: 0,
            events: Vec::new(),
            after: None,
            waiters: Vec::new(),
            keys: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fmt;

    use serde::{Deserialize, Serialize};

    use super::*;
    use crate::domain::aggregate::{DomainEvent, Refusal};

    struct Counter;

    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    #[serde(tag = "type", content = "data", rename_all_fields = "camelCase")]
    enum Counted {
        Counted { by: u32 },
    }
    impl DomainEvent for Counted {}

    #[derive(Clone, Debug, PartialEq)]
    struct Enough;
    impl fmt::Display for Enough {
        fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("it is enough")
        }
    }
    impl Refusal for Enough {
        fn code(&self) -> &'static str {
            "ENOUGH"
        }
    }

    /// Counts to three.
    impl Aggregate for Counter {
        const TYPE: &'static str = "counter";
        const STATE_SCHEMA: u32 = 1;
        type State = u32;
        type Command = u32;
        type Event = Counted;
        type Refusal = Enough;
        fn decide(state: &u32, by: &u32, _: &Context) -> Result<Vec<Counted>, Enough> {
            if state + by > 3 {
                return Err(Enough);
            }
            Ok(vec![Counted::Counted { by: *by }])
        }
        fn apply(state: &mut u32, event: &Counted) {
            let Counted::Counted { by } = event;
            *state += by;
        }
    }

    fn core(recovered: Recovered<Counter>) -> AggregateCore<Counter, u32> {
        let home = Home { node: "node".into(), shard: 0, epoch: 1 };
        let mut core = AggregateCore::new(AggregateId(Uuid::from_u128(1)), home);
        core.install(recovered);
        core
    }

    fn request(reply: u32, by: u32, key: &str) -> Request<Counter, u32> {
        let command_id = Uuid::from_u128(u128::from(reply));
        Request {
            command: by,
            meta: CommandMeta {
                command_id,
                key: Some(key.into()),
                correlation_id: command_id,
                causation_id: None,
                principal: "p".into(),
                trace: None,
                expected_version: None,
            },
            input_hash: u64::from(by),
            reply,
            examined: 0,
        }
    }

    fn now() -> DateTime<Utc> {
        DateTime::UNIX_EPOCH
    }

    fn waits(core: &mut AggregateCore<Counter, u32>, request: Request<Counter, u32>) {
        assert!(matches!(core.decide(request, now()), Decided::Waits));
    }

    #[test]
    fn a_refusal_on_tentative_state_waits_for_what_it_rests_on() {
        let mut core = core(Recovered::default());
        waits(&mut core, request(1, 3, "a"));
        waits(&mut core, request(2, 1, "b"));
        core.cut().expect("an entry is open");
        assert_eq!(core.read().state, 0, "nothing is confirmed");
        let released = core.committed(7);
        let verdicts: Vec<_> = released.into_iter().map(|(_, verdict)| verdict).collect();
        let done = Verdict::Done(Committed { version: 1, shard: 0, seq: 7 });
        assert_eq!(verdicts, [done, Verdict::Refused(Enough)]);
        assert_eq!(core.read().state, 3);
    }

    #[test]
    fn a_repeated_key_shares_the_fate_of_the_first_and_other_content_is_told_apart() {
        let mut core = core(Recovered::default());
        waits(&mut core, request(1, 1, "a"));
        waits(&mut core, request(2, 1, "a"));
        waits(&mut core, request(3, 2, "a"));
        core.cut().expect("an entry is open");
        let released = core.committed(7);
        assert_eq!(released[0].1, released[1].1);
        assert_eq!(released[2].1, Verdict::KeyReused);
        assert_eq!(core.read().state, 1);
    }

    #[test]
    fn what_is_dropped_takes_all_behind_it_along_and_needs_a_recovery() {
        let mut core = core(Recovered::default());
        waits(&mut core, request(1, 1, "a"));
        core.cut().expect("an entry is open");
        waits(&mut core, request(2, 1, "b"));
        let released = core.dropped(&Dropped::ShutOut);
        assert_eq!(released.len(), 2);
        assert!(!core.is_ready() && core.is_settled());
        assert_eq!(core.read().version, 0);
    }

    #[test]
    fn a_false_hit_on_the_page_being_filled_is_searched_once() {
        let mut recovered = Recovered::<Counter> { version: 10, ..Recovered::default() };
        recovered.keys.insert(fingerprint("p", "a"), 3, 0);
        let mut core = core(recovered);
        let decided = core.decide(request(1, 1, "a"), now());
        let Decided::Search { mut request, through, pages } = decided else {
            panic!("the key may have been used");
        };
        assert_eq!((through, &pages[..]), (10, &[(1, 10)][..]));
        request.examined = through;
        waits(&mut core, request);
    }
}

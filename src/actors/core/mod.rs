//! The pure core of an aggregate actor: what is tentative, what is confirmed, who waits for what.
//!
//! It decides commands on the *tentative* state (all that was decided so far), hands entries to the
//! writer, and moves the *confirmed* state only when told that an entry is durable. It does no IO,
//! reads no clock and sends nothing: replies come back to the caller as [`Released`] data. The
//! simulator drives this very code.

mod pending;

use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::keyed::is_same_input;
use crate::keys::{self, KeyIndex, Page};
use crate::recovery::Recovered;
use domain::aggregate::{Aggregate, Context};
use domain::event_name::EventName;
use domain::id::AggregateId;
use domain::principal::Principal;
use pending::{Outcome, Pending, PendingKey};
use persistence::codec::{self, Meta};
use persistence::journal::{Epoch, Seq, ShardId};
use persistence::shortcut::{Planted, Shortcut};
use persistence::writer::lane::{Cut, Dropped};
use projections::position::Position;
use telemetry::trace::is_sampled;

/// Keys since the last snapshot that are held at most; beyond it keyed commands wait for one.
const FRESH_KEYS_MAX: usize = 2 << 20;

/// What comes with a command beside its content. Crosses between nodes with it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CommandMeta {
    /// The id of this try.
    pub command_id: Uuid,
    /// At most `codec::KEY_BYTES_MAX` bytes; valid for one principal and one aggregate.
    pub key: Option<Arc<str>>,
    pub correlation_id: Uuid,
    /// The event that it follows from.
    pub cause: Option<EventName>,
    pub principal: Arc<Principal>,
    pub trace: Option<Arc<str>>,
    /// Decide only if the aggregate stands at this version.
    pub expected_version: Option<u64>,
    /// Only what it would do is asked for: it never gets as far as a core, and crosses by a wish of
    /// its own.
    #[serde(skip)]
    pub dry_run: bool,
}

/// A command on its way through the core; `R` is what the reply goes to.
#[derive(Debug)]
pub struct Request<A: Aggregate, R> {
    /// Nothing: only the outcome of the key is asked for.
    pub command: Option<A::Command>,
    pub meta: CommandMeta,
    /// A keyed hash of the JSON of what the key guards: the command, or the part that the client
    /// sent. Anything where there is no key.
    pub input_hash: u64,
    pub reply: R,
    /// Versions up to here were searched in the log and do not hold the key.
    pub examined: u64,
}

/// The place of an entry in the log, and the version it led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Committed {
    pub version: u64,
    pub shard: ShardId,
    pub seq: Seq,
}

impl Committed {
    /// What has come as far has seen it.
    pub fn position(&self) -> Position {
        Position::of(self.shard, self.seq)
    }
}

/// What a caller is told. Between nodes it crosses as what the caller makes of it: `Committed` or an
/// `AskError`.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict<X> {
    Done(Committed),
    Refused(X),
    VersionConflict {
        expected: u64,
        actual: u64,
    },
    KeyReused,
    /// Told only to who asks for the outcome of a key: no command that is done or pending used it.
    KeyUnused,
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

/// What is confirmed.
#[derive(Clone, Debug)]
pub struct Confirmed<S> {
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
    /// Nothing was ever installed, so that this life has written nothing.
    fresh: bool,
    confirmed: A::State,
    confirmed_version: u64,
    confirmed_seq: Seq,
    keys: KeyIndex,
    fresh_keys: Vec<(u64, u64)>,
    snapshot_version: u64,
    /// What is tentative; nothing while the confirmed state is all there is.
    pending: Option<Box<Pending<A, R>>>,
    pub planted: Planted,
}

impl<A: Aggregate, R> AggregateCore<A, R> {
    pub fn new(id: AggregateId, home: Home) -> Self {
        Self {
            id,
            home,
            ready: false,
            fresh: true,
            confirmed: A::State::default(),
            confirmed_version: 0,
            confirmed_seq: 0,
            keys: KeyIndex::default(),
            fresh_keys: Vec::new(),
            snapshot_version: 0,
            pending: None,
            planted: Planted::default(),
        }
    }

    /// False: nothing may be decided before [`install`](Self::install).
    pub fn is_ready(&self) -> bool {
        self.ready
    }

    /// Whether its log is what it was when this life began: nobody else writes it.
    pub fn is_fresh(&self) -> bool {
        self.fresh
    }

    /// Nothing waits for a commit.
    pub fn nothing_pending(&self) -> bool {
        self.pending.as_ref().is_none_or(|pending| pending.entries.is_empty())
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
        assert!(self.nothing_pending(), "recovery while entries wait");
        self.confirmed = recovered.state;
        self.confirmed_version = recovered.version;
        self.confirmed_seq = recovered.seq;
        self.keys = recovered.keys;
        if self.planted.is(Shortcut::ForgetKeys) {
            self.keys = KeyIndex::default();
        }
        self.fresh_keys = recovered.fresh_keys;
        self.snapshot_version = recovered.snapshot_version;
        self.pending = None;
        self.ready = true;
        self.fresh = false;
    }

    /// The confirmed state: never what could still be lost.
    pub fn read(&self) -> Confirmed<A::State> {
        Confirmed {
            state: self.confirmed.clone(),
            version: self.confirmed_version,
            shard: self.home.shard,
            seq: self.confirmed_seq,
        }
    }

    /// Decides one command, or tells the outcome of a key. The caller has seen to it that the core
    /// is ready.
    pub fn decide(&mut self, request: Request<A, R>, now: DateTime<Utc>) -> Decided<A, R> {
        debug_assert!(self.ready, "decide before recovery");
        let mut fingerprint = None;
        if let Some(key) = &request.meta.key {
            let fingerprint_of_key = keys::fingerprint(&request.meta.principal, key);
            if let Some(pending) = &mut self.pending
                && let Some(known) = pending.keys.get(&fingerprint_of_key)
            {
                let same =
                    known.key == *key && known.principal.shares_scope_with(&request.meta.principal);
                let outcome = if same && is_same_input(known.input_hash, request.input_hash) {
                    Outcome::Done { version: known.version }
                } else {
                    Outcome::Other(Verdict::KeyReused)
                };
                let entry = known.entry;
                pending.wait_in(entry, request.reply, outcome);
                return Decided::Waits;
            }
            if self.planted.is(Shortcut::UnusedUnlessPending) && request.command.is_none() {
                return Decided::Answer(request.reply, Verdict::KeyUnused);
            }
            let mut pages = self.keys.probe(fingerprint_of_key);
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
            fingerprint = Some(fingerprint_of_key);
        }
        let Some(command) = &request.command else {
            // Rests on nothing that is pending: whatever becomes of that, it did not use the key.
            return Decided::Answer(request.reply, Verdict::KeyUnused);
        };
        if fingerprint.is_some() && !self.has_room_for_a_key() {
            return Decided::Answer(request.reply, Verdict::KeysFull);
        }
        match self.judge(command, &request.meta, now) {
            Ok(events) if events.is_empty() && fingerprint.is_none() => {
                let (_, version) = self.tentative();
                self.after_what_is_pending(request.reply, Outcome::Done { version })
            }
            Ok(events) => self.record(request, events, fingerprint, now),
            Err(verdict) => self.after_what_is_pending(request.reply, Outcome::Other(verdict)),
        }
    }

    /// The state that everything decided so far led to, and its version.
    fn tentative(&self) -> (&A::State, u64) {
        match &self.pending {
            Some(pending) => (&pending.state, pending.version),
            None => (&self.confirmed, self.confirmed_version),
        }
    }

    fn has_room_for_a_key(&self) -> bool {
        self.keys.has_room() && self.fresh_keys.len() < FRESH_KEYS_MAX
    }

    fn judge(
        &self,
        command: &A::Command,
        meta: &CommandMeta,
        now: DateTime<Utc>,
    ) -> Result<Vec<A::Event>, Verdict<A::Refusal>> {
        let (state, version) = self.tentative();
        if let Some(expected) = meta.expected_version
            && expected != version
        {
            return Err(Verdict::VersionConflict { expected, actual: version });
        }
        let context = Context {
            now,
            command_id: meta.command_id,
            principal: Arc::clone(&meta.principal),
            aggregate_id: self.id,
            version,
        };
        A::decide(state, command, &context).map_err(Verdict::Refused)
    }

    /// Applies what was decided to the tentative state and adds it to the entry being gathered.
    fn record(
        &mut self,
        request: Request<A, R>,
        events: Vec<A::Event>,
        fingerprint: Option<u64>,
        now: DateTime<Utc>,
    ) -> Decided<A, R> {
        // Two versions of one persistent value: to hold both costs what differs, and nothing at all
        // while nothing is pending.
        let pending = self.pending.get_or_insert_with(|| {
            Box::new(Pending::behind(&self.confirmed, self.confirmed_version))
        });
        pending.open();
        let entry_number = pending.last();
        let first_version = pending.version + 1;
        let CommandMeta { command_id, correlation_id, cause, .. } = request.meta;
        let (command_id, correlation_id, cause) =
            Meta::of((A::TYPE, self.id.0), command_id, correlation_id, cause);
        let meta = Meta {
            command_id,
            key: request.meta.key,
            input_hash: fingerprint.map(|_| request.input_hash),
            correlation_id,
            cause,
            principal: request.meta.principal,
            trace: request.meta.trace,
        };
        let Pending { state, version, keys, entries, .. } = &mut **pending;
        let entry = entries.back_mut().expect("one was just opened");
        entry.traced |= meta.trace.as_deref().is_some_and(is_sampled);
        events.iter().for_each(|event| A::apply(state, event));
        // A keyed command that changed nothing is an event of its own: its key must be remembered,
        // and after a crash nothing but the log knows keys.
        codec::push_command(&mut entry.events, entry.count, &events, &meta);
        let count = u32::try_from(events.len().max(1)).expect("a decision has few events");
        entry.count += count;
        *version += u64::from(count);
        let version = *version;
        if let (Some(fingerprint), Some(key)) = (fingerprint, meta.key) {
            self.keys.insert(fingerprint, first_version, now.timestamp_micros());
            entry.keys.push((fingerprint, first_version));
            let pending_key = PendingKey {
                principal: meta.principal,
                key,
                input_hash: request.input_hash,
                version,
                entry: entry_number,
            };
            keys.insert(fingerprint, pending_key);
        }
        if self.planted.is(Shortcut::ReplyBeforeCommit) {
            let committed = Committed { version, shard: self.home.shard, seq: self.confirmed_seq };
            return Decided::Answer(request.reply, Verdict::Done(committed));
        }
        entry.waiters.push((request.reply, Outcome::Done { version }));
        Decided::Waits
    }

    /// Answers when everything decided so far is durable; now, if it is.
    fn after_what_is_pending(&mut self, reply: R, outcome: Outcome<A::Refusal>) -> Decided<A, R> {
        // A refusal may rest on events that are still being written ("sold out" by a sale that is
        // lost a moment later): told early, it could have been false.
        if self.planted.is(Shortcut::RefusalEarly) {
            return Decided::Answer(reply, self.placed(outcome, self.confirmed_seq));
        }
        match &mut self.pending {
            Some(pending) if !pending.entries.is_empty() => {
                pending.wait_in(pending.last(), reply, outcome);
                Decided::Waits
            }
            _ => Decided::Answer(reply, self.placed(outcome, self.confirmed_seq)),
        }
    }

    fn placed(&self, outcome: Outcome<A::Refusal>, seq: Seq) -> Verdict<A::Refusal> {
        match outcome {
            Outcome::Done { version } => {
                Verdict::Done(Committed { version, shard: self.home.shard, seq })
            }
            Outcome::Other(verdict) => verdict,
        }
    }

    /// Hands out the oldest entry; see [`persistence::writer::lane::Cell::cut`].
    pub fn cut(&mut self) -> Option<Cut> {
        let entry = self.pending.as_mut()?.hand_out()?;
        Some(Cut {
            aggregate_type: A::TYPE.into(),
            aggregate_id: self.id.0,
            version: entry.first_version,
            count: entry.count,
            events: codec::finish(std::mem::take(&mut entry.events)),
            traced: entry.traced,
        })
    }

    /// The entry handed out is durable: confirms it and releases what waited in it.
    pub fn committed(&mut self, seq: Seq) -> Released<A, R> {
        let Some(pending) = &mut self.pending else {
            return Vec::new();
        };
        let Some(entry) = pending.take_committed() else {
            return Vec::new();
        };
        if pending.entries.is_empty() {
            self.pending = None;
        }
        self.confirmed = entry.after.expect("a cut entry is sealed");
        self.confirmed_version = entry.first_version + u64::from(entry.count) - 1;
        self.confirmed_seq = seq;
        if self.fresh_keys.is_empty() {
            self.fresh_keys.reserve_exact(entry.keys.len());
        }
        self.fresh_keys.extend_from_slice(&entry.keys);
        let mut released = Vec::with_capacity(entry.waiters.len());
        for (reply, outcome) in entry.waiters {
            released.push((reply, self.placed(outcome, seq)));
        }
        released
    }

    /// The entry handed out did not happen: it and everything behind it are gone, and nothing is
    /// decided before the next recovery.
    pub fn dropped(&mut self, reason: &Dropped) -> Released<A, R> {
        self.ready = false;
        let mut released = Vec::new();
        let Some(mut pending) = self.pending.take() else {
            return released;
        };
        // What came behind it was decided on a state that never was, and goes with it.
        for entry in pending.entries.drain(..) {
            for (reply, _) in entry.waiters {
                released.push((reply, Verdict::Dropped(reason.clone())));
            }
        }
        if self.planted.is(Shortcut::KeepTentative) {
            self.ready = true;
            pending.handed_out = false;
            pending.keys.clear();
            self.pending = Some(pending);
        }
        released
    }

    /// The actor failed in the middle of a decision: what is not sealed may be half done and is
    /// dropped; what is sealed goes its way. Nothing is decided before the next recovery.
    pub fn failed(&mut self) -> Released<A, R> {
        self.ready = false;
        let Some(pending) = &mut self.pending else {
            return Vec::new();
        };
        let Some(entry) = pending.entries.pop_back_if(|entry| entry.after.is_none()) else {
            return Vec::new();
        };
        let reason = Verdict::Dropped(Dropped::Failed);
        entry.waiters.into_iter().map(|(reply, _)| (reply, reason.clone())).collect()
    }

    /// How many events the confirmed state is ahead of the last snapshot; none where a log that went
    /// backwards was read again while a snapshot of what is gone was being written.
    pub fn events_since_snapshot(&self) -> u64 {
        self.confirmed_version.saturating_sub(self.snapshot_version)
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
}

#[cfg(test)]
mod tests;

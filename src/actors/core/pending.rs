//! The tentative pending of one aggregate: what was decided and is not durable yet, the state it
//! leads to, and who waits for it. An aggregate has one only while something of it is pending.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

use super::Verdict;
use domain::aggregate::Aggregate;
use domain::principal::Principal;

/// An entry is sealed when it holds this many events …
const EVENTS_PER_ENTRY_MAX: u32 = 1_024;
/// … or about this many bytes.
const ENTRY_BYTES_MAX: usize = 512 << 10;

/// See the module.
pub(super) struct Pending<A: Aggregate, R> {
    /// The confirmed state moved over everything that was decided since.
    pub state: A::State,
    pub version: u64,
    pub keys: PendingKeys,
    /// Uncommitted entries; the first is in the writer's hands if `handed_out`. Boxed, for an entry
    /// holds a whole state.
    pub entries: VecDeque<Box<OpenEntry<A, R>>>,
    pub handed_out: bool,
    /// Entries of this pending that were committed: the number of the first one that waits.
    committed: u64,
    /// Bytes of the last entry, a guess at those of the next.
    entry_bytes: usize,
}

/// An entry being gathered, or sealed and waiting for its turn.
pub(super) struct OpenEntry<A: Aggregate, R> {
    pub first_version: u64,
    pub count: u32,
    pub events: Vec<u8>,
    /// The state behind its last event, once sealed.
    pub after: Option<A::State>,
    pub waiters: Vec<(R, Outcome<A::Refusal>)>,
    pub keys: Vec<(u64, u64)>,
    /// A sampled command was decided in it.
    pub traced: bool,
}

/// A verdict whose entry has no number yet.
pub(super) enum Outcome<X> {
    Done { version: u64 },
    Other(Verdict<X>),
}

/// A key whose command is not durable yet.
pub(super) struct PendingKey {
    pub principal: Arc<Principal>,
    pub key: Arc<str>,
    pub input_hash: u64,
    pub version: u64,
    /// The number of the entry it waits in.
    pub entry: u64,
}

pub(super) type PendingKeys = HashMap<u64, PendingKey, BuildHasherDefault<Passthrough>>;

/// Fingerprints are hashes already.
#[derive(Default)]
pub(super) struct Passthrough(u64);
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

impl<A: Aggregate, R> Pending<A, R> {
    /// Nothing decided yet.
    pub fn behind(state: &A::State, version: u64) -> Self {
        Self {
            state: state.clone(),
            version,
            keys: PendingKeys::default(),
            entries: VecDeque::new(),
            handed_out: false,
            committed: 0,
            entry_bytes: 0,
        }
    }

    /// The number of the last entry. Only while there is one.
    pub fn last(&self) -> u64 {
        self.committed + self.entries.len() as u64 - 1
    }

    /// The entry that takes the next decision: the last one, unless it is sealed or full.
    pub fn open(&mut self) -> &mut OpenEntry<A, R> {
        if let Some(entry) = self.entries.back_mut()
            && entry.after.is_none()
            && (entry.count >= EVENTS_PER_ENTRY_MAX || entry.events.len() >= ENTRY_BYTES_MAX)
        {
            entry.after = Some(self.state.clone());
        }
        if self.entries.back().is_none_or(|entry| entry.after.is_some()) {
            let entry = OpenEntry {
                first_version: self.version + 1,
                count: 0,
                events: Vec::with_capacity(self.entry_bytes),
                after: None,
                waiters: Vec::new(),
                keys: Vec::new(),
                traced: false,
            };
            self.entries.push_back(Box::new(entry));
        }
        self.entries.back_mut().expect("one was just made sure of")
    }

    /// Waits for the fate of an entry.
    pub fn wait_in(&mut self, entry: u64, reply: R, outcome: Outcome<A::Refusal>) {
        let index = usize::try_from(entry - self.committed).expect("few entries wait");
        self.entries[index].waiters.push((reply, outcome));
    }

    /// Seals the oldest entry and puts it into the writer's hands.
    pub fn hand_out(&mut self) -> Option<&mut OpenEntry<A, R>> {
        assert!(!self.handed_out, "the entry before was not settled");
        let entry = self.entries.front_mut()?;
        if entry.after.is_none() {
            entry.after = Some(self.state.clone());
        }
        self.handed_out = true;
        // A little more, so that an entry as large as the last one need not move to grow.
        self.entry_bytes = entry.events.len() / 8 * 9;
        Some(entry)
    }

    /// Takes the entry that is in the writer's hands out, because it is durable.
    pub fn take_committed(&mut self) -> Option<Box<OpenEntry<A, R>>> {
        if !std::mem::take(&mut self.handed_out) {
            return None;
        }
        let entry = self.entries.pop_front()?;
        self.committed += 1;
        for (fingerprint, _) in &entry.keys {
            self.keys.remove(fingerprint);
        }
        Some(entry)
    }
}

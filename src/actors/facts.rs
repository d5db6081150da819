//! Stored events of all kinds, decoded for followers and for verification.

use super::recovery::{Recovered, RecoveryError};
use domain::aggregate::Aggregate;
use persistence::codec::{self, CodecError};
use persistence::journal::Entry;
use projections::Fact;

/// A kind of aggregate, for whoever meets it by its stored name.
pub struct Kind {
    pub name: &'static str,
    /// The version of the shape of its snapshots.
    pub state_schema: u32,
    /// Decodes an entry's events; `None` stands for one that carries no fact.
    pub decode: fn(&str) -> Result<Vec<Option<Fact>>, CodecError>,
    /// Begins a replay from the first event.
    pub replay: fn() -> Box<dyn Replay>,
}

/// A replay of one aggregate of some kind.
pub trait Replay: Send {
    fn apply(&mut self, entry: &Entry) -> Result<(), RecoveryError>;
    fn version(&self) -> u64;
    /// Whether this is the state reached.
    fn equals(&self, state: serde_json::Value) -> bool;
    /// The state reached, as JSON.
    fn to_json(&self) -> serde_json::Value;
}

impl<A: Aggregate> Replay for Recovered<A> {
    fn apply(&mut self, entry: &Entry) -> Result<(), RecoveryError> {
        if entry.version != self.version + 1 {
            return Err(RecoveryError::Gap { after: self.version, found: entry.version });
        }
        self.apply_until(entry, u64::MAX, u64::MAX)
    }

    fn version(&self) -> u64 {
        self.version
    }

    fn equals(&self, state: serde_json::Value) -> bool {
        serde_json::from_value::<A::State>(state).is_ok_and(|state| state == self.state)
    }

    fn to_json(&self) -> serde_json::Value {
        serde_json::to_value(&self.state).expect("states serialize")
    }
}

macro_rules! table {
    ($($kind:ident = $aggregate:ty,
        public($($id:ident $prefix:literal $node:ident)?), fact($($fact:ident)?);)+) => {
        /// Every kind that is stored.
        pub static KINDS: &[Kind] = &[$(
            Kind {
                name: <$aggregate as Aggregate>::TYPE,
                state_schema: <$aggregate as Aggregate>::STATE_SCHEMA,
                decode: |events| decode_as::<$aggregate>(events, fact!($($fact)?)),
                replay: || Box::new(Recovered::<$aggregate>::default()),
            },
        )+];
    };
}

macro_rules! fact {
    ($fact:ident) => {
        |event| Some(Fact::$fact(event))
    };
    () => {
        |_| None
    };
}

sagas::kinds!(table);

/// The kind of a stored name, if this program knows it.
pub fn kind_named(name: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.name == name)
}

/// Why an entry carries nothing that a follower could use.
#[derive(Debug, thiserror::Error)]
pub enum FactError {
    #[error("no aggregate is of the kind {0}")]
    UnknownKind(String),
    #[error(transparent)]
    Codec(#[from] CodecError),
}

/// Why nothing is known of an entry, where no aggregate of this program is of its kind.
pub fn unknown_kind(entry: &Entry) -> Option<FactError> {
    let known = kind_named(&entry.aggregate_type).is_some();
    (!known).then(|| FactError::UnknownKind(entry.aggregate_type.to_string()))
}

/// The facts of an entry, one for each of its versions.
pub fn decode(entry: &Entry) -> Result<Vec<Option<Fact>>, FactError> {
    let kind = kind_named(&entry.aggregate_type)
        .ok_or_else(|| FactError::UnknownKind(entry.aggregate_type.to_string()))?;
    Ok((kind.decode)(&entry.events)?)
}

fn decode_as<A: Aggregate>(
    events: &str,
    fact: fn(A::Event) -> Option<Fact>,
) -> Result<Vec<Option<Fact>>, CodecError> {
    let mut all = Vec::new();
    codec::decode_events::<A>(events, |event| all.push(event.and_then(fact)))?;
    Ok(all)
}

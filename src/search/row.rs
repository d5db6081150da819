//! What the index keeps of a product, and how each of its events moves it. Whoever follows the log
//! folds events into rows; the index stores a row whole beside the words by which it is found, so
//! that the next event finds what it changes without asking anybody.

use serde::{Deserialize, Serialize};

use domain::aggregate::Aggregate as _;
use domain::id::AggregateId;
use domain::products::product::{Event, Product, State};

/// A product as of one of its versions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Row {
    pub id: AggregateId,
    pub product: State,
    pub version: u64,
    /// Where the last of its events stands.
    pub shard: u16,
    pub seq: u64,
    /// Microseconds since 1970 UTC, like the other time.
    pub created_us: i64,
    pub changed_us: i64,
}

/// Where an event stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct At {
    pub id: AggregateId,
    pub version: u64,
    pub shard: u16,
    pub seq: u64,
    pub recorded_us: i64,
}

/// What became of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It is in the row now.
    Now,
    /// It was in it already: a reader that begins again from an older place meets rows that are ahead
    /// of it.
    Before,
    /// Others are missing before it.
    Gap,
}

impl Row {
    /// What there is before the first event.
    pub fn before(at: At) -> Self {
        Self {
            id: at.id,
            product: State::default(),
            version: 0,
            shard: at.shard,
            seq: at.seq,
            created_us: at.recorded_us,
            changed_us: at.recorded_us,
        }
    }

    /// Takes the next event; any other changes nothing.
    pub fn take(&mut self, at: At, event: &Event) -> Taken {
        if at.version <= self.version {
            return Taken::Before;
        }
        if at.version != self.version + 1 {
            return Taken::Gap;
        }
        Product::apply(&mut self.product, event);
        self.version = at.version;
        (self.shard, self.seq) = (at.shard, at.seq);
        self.changed_us = at.recorded_us;
        Taken::Now
    }
}

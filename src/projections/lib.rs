//! Read models as pure rules: facts in, changed rows out. One file a view. They know no journal
//! and no clock; the view actor feeds them every fact exactly once, in shard order.

pub mod cursor;
pub mod position;
pub mod position_token;

pub mod assignments;
pub mod audit_lines;
pub mod closed_locations;
pub mod open_sagas;
pub mod outgoing;
pub mod plan;
pub mod table;
pub mod tally;
pub mod tables;
pub mod timers;
pub mod webhook_endpoints;

#[cfg(test)]
pub mod testing;

use std::any::Any;

use domain::aggregate::Aggregate;
use domain::id::AggregateId;

/// Where a fact stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Place {
    pub aggregate_id: AggregateId,
    /// The version that this event led to.
    pub version: u64,
    /// Microseconds since 1970 UTC.
    pub recorded_us: i64,
}

/// A read model kept in memory by a view actor, rebuilt from the log or from a checkpoint.
pub trait Projection:
    Clone + Default + Send + Sync + serde::Serialize + serde::de::DeserializeOwned + 'static
{
    /// The stored name of its checkpoints: ASCII, at most 32 bytes.
    const NAME: &'static str;
    /// Raise it when the shape of the rows or the rules change: the view is rebuilt.
    const SCHEMA: u32;

    /// Whether an entry that holds events of this kind from this version on matters here.
    /// Asked before anything is decoded.
    fn wants(aggregate_type: &str, version: u64) -> bool;

    fn apply(&mut self, place: Place, fact: &Fact);

    /// How many rows there are.
    fn rows(&self) -> usize;
}

macro_rules! facts {
    ($($kind:ident = $aggregate:ty,
        public($($id:ident $prefix:literal $node:ident)?), fact($($fact:ident)?);)+) => {
        /// An event of any kind that is followed.
        #[derive(Clone, Debug, PartialEq)]
        pub enum Fact {
            $($($fact(<$aggregate as Aggregate>::Event),)?)+
        }

        impl Fact {
            /// The event, if it is one of this kind of aggregate.
            pub fn of<A: Aggregate>(&self) -> Option<&A::Event> {
                let event: &dyn Any = match self {
                    $($(Self::$fact(event) => event,)?)+
                };
                event.downcast_ref()
            }
        }
    };
}

sagas::kinds!(facts);

//! What tests of views share: a history of facts, applied as they happen.
//!
//! Only tests see this file.

use std::collections::HashMap;

use super::{Fact, Place, Projection};
use domain::id::AggregateId;
use domain::money::{Currency, Money};

pub fn id(number: u128) -> AggregateId {
    AggregateId(uuid::Uuid::from_u128(number))
}

pub fn euro(minor: i64) -> Money {
    Money::new(minor, Currency::from_code("EUR").expect("a currency"))
}

/// The view after everything that happened so far; one second passes with each fact.
#[derive(Default)]
pub struct History<P> {
    pub view: P,
    versions: HashMap<AggregateId, u64>,
    seconds: i64,
}

impl<P: Projection> History<P> {
    pub fn happens(&mut self, aggregate_id: AggregateId, fact: Fact) -> &mut Self {
        let version = self.versions.entry(aggregate_id).or_default();
        *version += 1;
        self.seconds += 1;
        let recorded_us = self.seconds * 1_000_000;
        self.view.apply(Place { aggregate_id, version: *version, recorded_us }, &fact);
        self
    }
}

/// What comes back from a checkpoint.
pub fn round_trip<P: Projection>(view: &P) -> P {
    let stored = serde_json::to_vec(view).expect("views serialize");
    serde_json::from_slice(&stored).expect("a checkpoint can be read back")
}

//! Views: projections kept in memory by a follower, and published whole with the position they
//! stand at, so that queries never wait in a mailbox.

use std::marker::PhantomData;

use super::checkpoint;
use super::follower::{Follower, FollowerRef};
use persistence::journal::Entry;
use projections::{Fact, Place, Projection};

/// What queries hold.
pub type ViewRef<P> = FollowerRef<P>;

/// See the module.
pub struct View<P>(PhantomData<fn() -> P>);

impl<P> Default for View<P> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<P: Projection> Follower for View<P> {
    const NAME: checkpoint::Name =
        checkpoint::Name { kind: "view", name: P::NAME, schema: P::SCHEMA };
    const READS_ON_AT_STOP: bool = true;

    type Content = P;

    fn wants(aggregate_type: &str, version: u64) -> bool {
        P::wants(aggregate_type, version)
    }

    fn take(&mut self, rows: &mut P, _: &Entry, place: Place, fact: Fact) {
        rows.apply(place, &fact);
    }
}

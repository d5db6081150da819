//! A seeded simulation of several owners over a database that loses answers. Test only.
//!
//! It drives the production cores ([`Lane`](crate::persistence::writer::lane::Lane),
//! [`AggregateCore`](crate::actors::core::AggregateCore),
//! [`Recovered`](crate::actors::recovery::Recovered),
//! [`Tenancy`](crate::cluster::tenancy::Tenancy)) through lost answers, late statements, takeovers,
//! crashes, pauses and retries elsewhere, and checks the promises at every step. Nothing here waits,
//! reads a clock or draws chance from anywhere but the seed, so that every run can be replayed:
//! `EMPORIUM_SEED=n cargo test --lib simulator::tests::replay -- --nocapture`.

mod cell;
mod checks;
mod client;
mod database;
mod node;
mod random;
mod stock;
mod trace;
mod world;

#[cfg(test)]
mod tests;

/// Ways of doing it wrong that the simulator must catch; see `docs/semantics.md`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shortcut {
    NoTakeoverRecord,
    BelieveAbsent,
    HeadAgainAfterDuplicate,
    ReloadPastBarrier,
    ReplyBeforeCommit,
    RefusalEarly,
    KeepTentative,
    ReadAfterLease,
    ForgetKeys,
    CompareEpochsOnly,
}

//! A seeded simulation of several owners over a database that loses answers. Test only.
//!
//! It drives the production cores (`Lane`,
//! `AggregateCore`,
//! `Recovered`,
//! `Ownership`) through lost answers, late statements, takeovers,
//! crashes, pauses and retries elsewhere, and checks the promises at every step. Nothing here waits,
//! reads a clock or draws chance from anywhere but the seed, so that every run can be replayed:
//! `EMPORIUM_SEED=n cargo test -p emporium-simulator replay -- --nocapture`.

#![cfg(test)]

mod cell;
mod checks;
mod client;
mod database;
mod node;
mod random;
mod stock;
mod trace;
mod world;

mod tests;

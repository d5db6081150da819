//! What nodes say to each other: frames on one long-lived stream from each node to each other one, by
//! gRPC under mutual TLS. Moves bytes and knows neither aggregates nor who owns what.
//!
//! A node *links* to another ([`link`]) and sends it calls; the other [`server`] answers them. Who is
//! at the other end is what the certificates say, and never what a frame says ([`identity`]). Beside
//! the links hangs a doorbell ([`bell`]), which anybody may ring, and beside that a [`tally`] of what was asked for.

pub mod wire;
pub mod identity;
pub mod certificates;
pub mod server;
pub mod link;
pub mod bell;
pub mod tally;
pub mod metrics;
#[cfg(test)]
mod tests;

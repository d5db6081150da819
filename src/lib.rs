//! Emporium: the map of the house, in reading order.

// What comes from outside may be anything; `expect` names the invariant of what does not.
#![cfg_attr(not(test), warn(clippy::unwrap_used))]

pub mod domain;
pub mod sagas;
pub mod projections;
pub mod payments;
pub mod persistence;
pub mod actors;
pub mod supervisors;
pub mod cluster;
pub mod auth;
pub mod graphql;
pub mod http;
pub mod telemetry;
pub mod config;
pub mod load;
pub mod cli;
pub mod app;
#[cfg(test)]
mod simulator;

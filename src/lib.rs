//! Emporium: the map of the house, in reading order.

pub mod domain;
pub mod sagas;
pub mod projections;
pub mod payments;
pub mod persistence;
pub mod actors;
pub mod supervisors;
pub mod cluster;
#[cfg(test)]
mod simulator;
pub mod auth;
pub mod graphql;
pub mod http;

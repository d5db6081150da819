//! Emporium: the map of the house, in reading order.

pub mod actors;
pub mod cluster;
pub mod domain;
pub mod persistence;
#[cfg(test)]
mod simulator;
pub mod supervisors;

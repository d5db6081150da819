//! Emporium: the map of the house, in reading order.

pub mod domain;
pub mod sagas;

//! The tables that lists are answered from: one file each.

mod owners;
pub mod orders;
pub mod users;
pub mod products;
pub mod variants;
pub mod locations;
pub mod stock;
pub mod holds;
pub mod sagas;
pub mod calendars;
pub mod events;
pub mod audit;

//! The context access: who there is, what they may be, and what may be permitted to them.

pub mod permission;
pub mod scope;
pub mod shipped;
pub mod role_name;
pub mod belongs;
pub mod owner;

pub mod email_reservation;
pub mod user;
pub mod administrators;
pub mod role;
pub mod group;
pub mod account;
pub mod preferences;
pub mod denials;
pub mod person;

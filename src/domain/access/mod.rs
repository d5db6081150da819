//! The context access: who there is, and what they may be.

pub mod email_reservation;
pub mod user;

//! Process managers as pure rules: what has to happen next across aggregates, and what to undo
//! when it cannot. No IO, clock or randomness; what is to be done leaves as data.

mod kinds;

pub mod saga;
pub mod reaction;
pub mod checkout;
pub mod registration;
pub mod transfer;
pub mod inbox;
pub mod job;

#[cfg(test)]
mod testing;

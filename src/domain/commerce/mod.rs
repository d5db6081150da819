//! The context commerce: who buys what, and for how much.

pub mod order;
pub mod payment;

//! The search as whole: what is found and in which order, what a crash leaves, what is bounded.

mod lasting;
mod ranking;
mod reading;
mod volume;

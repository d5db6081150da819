//! The engine over real databases: what callers are promised, whatever fails underneath.

mod bell;
mod rates;
mod commands;
mod failures;
mod fencing;
mod lifecycle;
mod ownership;
mod past;
mod quarantine;
mod questions;
mod tail;
mod together;

//! What can be seen of a running program from outside: [`logs`], [`metrics`] for Prometheus.
//! Whoever has something to tell declares it in the `metrics.rs` of its own room; this room keeps
//! the means and knows none of the others.

pub mod logs;
pub mod metrics;
mod options;

pub use logs::{LogFormat, LogOptions, start};
pub use options::TelemetryOptions;

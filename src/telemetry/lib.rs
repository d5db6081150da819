//! What can be seen of a running program from outside: [`logs`], [`mod@metrics`] for Prometheus,
//! [`trace`] for a collector. Whoever has something to count declares it in the `metrics.rs` of its
//! own room; this room keeps the means and knows none of the others.

pub mod folding;
pub mod logs;
pub mod metrics;
pub mod trace;
pub mod metrics_of_traces;
mod options;

pub use logs::{LogFormat, LogOptions, start};
pub use options::{OtlpProtocol, TelemetryOptions};

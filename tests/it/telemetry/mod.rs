//! What can be seen of a running server from outside.

mod metrics;
#[cfg(feature = "otlp")]
mod traces;

//! The section `[telemetry]` of the configuration.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

/// What is told to whom; each can be configured under `[telemetry]` by the same name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TelemetryOptions {
    /// Where `/metrics` is served, and nothing else; beside everything else where this is not set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metrics_listen: Option<SocketAddr>,
}

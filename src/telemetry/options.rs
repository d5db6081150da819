//! The section `[telemetry]` of the configuration.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// How spans reach the collector.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OtlpProtocol {
    #[default]
    Grpc,
    /// Protobuf over HTTP.
    Http,
}

/// What is told to whom; each can be configured under `[telemetry]` by the same name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TelemetryOptions {
    /// Where `/metrics` is served, and nothing else; beside everything else where this is not set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metrics_listen: Option<SocketAddr>,
    /// The collector that traces go to; without one there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub otlp_endpoint: Option<String>,
    pub otlp_protocol: OtlpProtocol,
    /// Certificates of authorities, in PEM, that the collector is believed by, besides those that browsers know.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub otlp_authorities: Option<PathBuf>,
    /// The part of requests that is traced where the client does not say: 0 none, 1 all.
    pub sample_ratio: f64,
}

impl Default for TelemetryOptions {
    fn default() -> Self {
        Self {
            metrics_listen: None,
            otlp_endpoint: None,
            otlp_protocol: OtlpProtocol::default(),
            otlp_authorities: None,
            sample_ratio: 0.01,
        }
    }
}

impl TelemetryOptions {
    /// The first key whose value is of no use, with what would be right.
    pub fn problem(&self) -> Option<(&'static str, String)> {
        if !(0.0..=1.0).contains(&self.sample_ratio) {
            let right = format!("{} is not from 0 to 1", self.sample_ratio);
            return Some(("telemetry.sample_ratio", right));
        }
        let (endpoint, authorities) = (self.otlp_endpoint.as_deref(), &self.otlp_authorities);
        let is_host = |rest: &str| !rest.trim_matches('/').is_empty();
        let is_secured =
            endpoint.is_some_and(|it| it.strip_prefix("https://").is_some_and(is_host));
        let is_plain = endpoint.is_some_and(|it| it.strip_prefix("http://").is_some_and(is_host));
        if endpoint.is_some() && !is_secured && !is_plain {
            let right = "expected http://host:port, or https://host:port";
            return Some(("telemetry.otlp_endpoint", right.to_owned()));
        }
        if authorities.is_some() && !is_secured {
            let right = "it is of no use without an otlp_endpoint that begins with https://";
            return Some(("telemetry.otlp_authorities", right.to_owned()));
        }
        None
    }
}

//! The bounds of the entrance, each with its default. The page docs/bounds.md lists them with all
//! others.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// See the module; each can be configured under `[http]` by the same name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HttpLimits {
    /// The longest head of a request.
    pub head_bytes_max: usize,
    /// The longest body of a request.
    pub body_bytes_max: usize,
    /// Bytes of all requests that are being read or answered, of their bodies and of what is read ahead
    /// of them; a client may have a quarter of it.
    pub bodies_bytes_max: usize,
    /// Values of lists that have no pages, such as the prices of variants, in one reply.
    pub reply_values_max: usize,
    /// The longest reply to a query.
    pub reply_bytes_max: usize,
    /// Bytes of long replies that are on their way; a query beyond it is turned away.
    pub replies_bytes_max: usize,
    /// Replies from this length on are compressed where the client takes that; 0: none.
    pub compress_from_bytes: usize,
    /// Connections of one worker at once; more wait in the system's queue.
    pub connections_max: usize,
    /// Connections of one client at once; more are closed at once.
    pub connections_per_client_max: usize,
    /// Requests that are being answered at one time; more are turned away at once.
    pub requests_max: usize,
    /// The same of one client, with those that are being read.
    pub requests_per_client_max: usize,
    /// Requests that wait at one time, for a view or for the end of a checkout: beside those that are
    /// being answered.
    pub waits_max: usize,
    /// The same of one client.
    pub waits_per_client_max: usize,
    /// Subscriptions that are open at one time; more are refused.
    pub subscriptions_max: usize,
    /// The same of one client.
    pub subscriptions_per_client_max: usize,
    /// What one principal may ask for in a second, by what its operations cost, ten seconds of it at once; 0: as
    /// much as it likes.
    pub cost_per_second_max: u64,
    /// The same of all who ask from one address.
    pub cost_per_second_per_client_max: u64,
    /// The same of those there who do not say who they are.
    pub cost_per_second_anonymous_max: u64,
    /// The longest time that a request may take, whatever it asks for.
    pub deadline_ms: u64,
    /// How long a client may take to send the head of a request.
    pub head_timeout_ms: u64,
    /// How long a client may take to send the body of one.
    pub body_timeout_ms: u64,
    /// How long a client may take nothing, or next to nothing, of what is there for it.
    pub write_timeout_ms: u64,
    /// How long requests in flight may go on once the server is told to stop.
    #[serde(skip)]
    pub shutdown_seconds: u64,
}

impl Default for HttpLimits {
    fn default() -> Self {
        Self {
            head_bytes_max: 32 << 10,
            body_bytes_max: 1 << 20,
            bodies_bytes_max: 64 << 20,
            reply_values_max: 100_000,
            reply_bytes_max: 16 << 20,
            replies_bytes_max: 256 << 20,
            compress_from_bytes: 4_096,
            connections_max: 25_000,
            connections_per_client_max: 4_096,
            requests_max: 4_096,
            requests_per_client_max: 2_048,
            waits_max: 4_096,
            waits_per_client_max: 1_024,
            subscriptions_max: 20_000,
            subscriptions_per_client_max: 2_000,
            cost_per_second_max: 10_000_000,
            cost_per_second_per_client_max: 20_000_000,
            cost_per_second_anonymous_max: 200_000,
            deadline_ms: 15_000,
            head_timeout_ms: 5_000,
            body_timeout_ms: 10_000,
            write_timeout_ms: 10_000,
            shutdown_seconds: 10,
        }
    }
}

impl HttpLimits {
    pub(crate) fn head_timeout(&self) -> Duration {
        Duration::from_millis(self.head_timeout_ms)
    }

    pub(crate) fn body_timeout(&self) -> Duration {
        Duration::from_millis(self.body_timeout_ms)
    }

    pub(crate) fn write_timeout(&self) -> Duration {
        Duration::from_millis(self.write_timeout_ms)
    }

    pub(crate) fn deadline(&self) -> Duration {
        Duration::from_millis(self.deadline_ms)
    }
}

//! `[webhooks]` and `[streams]`: how whoever is outside is told; `[inbox]`: how he tells.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Settings;
use super::secret::RedisUrl;
use actors::outbox::OutboxSetup;
use http::clients::Network;
use messaging::{InboxOptions, StreamOptions};

/// The longest name of a stream, or beginning of such names, in bytes.
const NAME_BYTES_MAX: usize = 64;
const RIGHT_NAME: &str = "expected 1 to 64 visible ASCII characters";

fn is_no_name(name: &str) -> bool {
    !(1..=NAME_BYTES_MAX).contains(&name.len()) || !name.bytes().all(|byte| byte.is_ascii_graphic())
}

/// `[streams]`: the Redis in which programs outside read what happened, if there is one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StreamsSection {
    /// It keeps what it was told for as long as programs outside may need to read it: none that evicts keys.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redis: Option<RedisUrl>,
    /// What the names of its keys begin with: `PREFIX:events:SHARD`.
    pub prefix: String,
    /// Entries of one stream, about; the oldest make room.
    pub length_max: u64,
    /// A Redis that comes back empty is told what was recorded in so many seconds before.
    pub refill_seconds: u64,
}

impl Default for StreamsSection {
    fn default() -> Self {
        let prefix = "emporium".to_owned();
        Self { redis: None, prefix, length_max: 100_000, refill_seconds: 86_400 }
    }
}

impl StreamsSection {
    fn options(&self) -> Option<StreamOptions> {
        let Self { redis, prefix, length_max, refill_seconds } = self;
        let (url, prefix) = (redis.as_ref()?.0.reveal().to_owned(), prefix.clone());
        let (length_max, refill_seconds) = (*length_max, *refill_seconds);
        Some(StreamOptions { url, prefix, length_max, refill_seconds })
    }

    fn problem(&self) -> Option<(&'static str, String)> {
        is_no_name(&self.prefix).then(|| ("streams.prefix", RIGHT_NAME.to_owned()))
    }

    /// Every number with the range that makes sense for it, both ends included.
    pub(super) fn ranges(&self) -> [(&'static str, u64, (u64, u64)); 2] {
        [
            ("streams.length_max", self.length_max, (1_000, 1_000_000_000)),
            ("streams.refill_seconds", self.refill_seconds, (0, 315_360_000)),
        ]
    }
}

/// `[inbox]`: the stream of Redis into which programs outside write messages, if there is one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct InboxSection {
    /// Whoever may write there is believed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redis: Option<RedisUrl>,
    pub stream: String,
}

impl Default for InboxSection {
    fn default() -> Self {
        Self { redis: None, stream: "emporium:inbox".to_owned() }
    }
}

impl InboxSection {
    /// `consumer`: what the node is called.
    pub fn options(&self, consumer: &str) -> Option<InboxOptions> {
        let url = self.redis.as_ref()?.0.reveal().to_owned();
        let (stream, consumer) = (self.stream.clone(), consumer.to_owned());
        Some(InboxOptions { url, stream, consumer })
    }

    fn problem(&self) -> Option<(&'static str, String)> {
        is_no_name(&self.stream).then(|| ("inbox.stream", RIGHT_NAME.to_owned()))
    }
}

impl Settings {
    pub fn outbox(&self) -> OutboxSetup {
        // What cannot be read was refused when the configuration was loaded.
        let networks = self.webhooks.allowed_networks.iter();
        let networks: Vec<Network> = networks.filter_map(|network| network.parse().ok()).collect();
        OutboxSetup {
            webhooks: self.webhooks.clone(),
            allowed: Arc::new(move |address| {
                networks.iter().any(|network| network.contains(address))
            }),
            streams: self.streams.options(),
        }
    }

    /// The first key whose value is of no use, with what would be right.
    pub(super) fn problem_of_outbox(&self) -> Option<(&'static str, String)> {
        let mut networks = self.webhooks.allowed_networks.iter();
        let unreadable = networks.find_map(|network| network.parse::<Network>().err());
        match unreadable {
            Some(problem) => Some(("webhooks.allowed_networks", problem)),
            None => self
                .webhooks
                .problem()
                .or_else(|| self.streams.problem())
                .or_else(|| self.inbox.problem()),
        }
    }
}

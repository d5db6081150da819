//! The sections of the configuration, with their defaults and the ranges of their values.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Settings;
use super::secret::{DatabaseUrl, RedisUrl};
use actors::shard::SHARDS_MAX;
use cluster::ownership::LeaseTerms;
use cluster::placement::WEIGHT_MAX;
use http::clients::Network;
use http::{HttpLimits, HttpPolicy};
use persistence::homes::{Homes, HomesError};

/// The longest name of a node, in bytes: the column that keeps it.
const NODE_NAME_BYTES_MAX: usize = 64;
/// The longest address of a node, in bytes: the column that keeps it.
const ADDRESS_BYTES_MAX: usize = 255;
/// The most writer connections of one node.
const LANES_MAX: u16 = 64;
/// Shards of a new database where nothing is said: each log is a place of its own in the tables, and
/// one writer pays for each place that a commit touches …
const SHARDS_OF_SQLITE: u16 = 16;
/// … while a server's are spread over its nodes.
const SHARDS_OF_MYSQL: u16 = 256;
/// Writer connections where nothing is said: SQLite has one writer at a time …
const LANES_OF_SQLITE: u16 = 1;
/// … and a server commits on several at once.
const LANES_OF_MYSQL: u16 = 4;

/// A hundred years: longer is never.
const RETENTION_DAYS_MAX: u64 = 36_500;

/// What stands before the first section; each has a flag of its own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct General {
    /// Where HTTP is served; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The directory of the embedded database.
    pub data: PathBuf,
    /// A MySQL or MariaDB database in place of the embedded one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub database: Option<DatabaseUrl>,
    /// Further ones, each of which has the logs of some shards.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub databases: Vec<LogDatabase>,
    /// The Redis server by which nodes hear sooner of each other.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redis: Option<RedisUrl>,
    /// To try it out: demo data, and users of every role whose passwords are printed.
    pub demo: bool,
}

impl Default for General {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)),
            data: PathBuf::from("data"),
            database: None,
            databases: Vec::new(),
            redis: None,
            demo: false,
        }
    }
}

/// `[[databases]]`: a database that has the logs of some shards.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogDatabase {
    pub url: DatabaseUrl,
    /// Numbers and runs of them: `8, 16-31`.
    pub shards: String,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NodeSection {
    /// The name of this node; no two that live may have the same. Without one it is the host's,
    /// with a random part that is kept in the data directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The number of shards of the whole system, 1,024 at most; fixed when the database is made.
    /// Without one it is the database's own, and in a new one what its kind serves best.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shards: Option<u16>,
    /// Writer connections; each shard is pinned to one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lanes: Option<u16>,
}

/// `[cluster]`: how nodes reach each other. Without an address this node is alone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ClusterSection {
    /// Where this node listens to others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<SocketAddr>,
    /// Where others reach it, `host:port`, where that is not the address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advertise: Option<String>,
    /// The directory with `ca.pem`, and the certificate and the key of this node.
    pub certificates: PathBuf,
    /// How many shards it has beside others.
    pub weight: u16,
}

impl Default for ClusterSection {
    fn default() -> Self {
        let certificates = PathBuf::from("certificates");
        Self { address: None, advertise: None, certificates, weight: 1 }
    }
}

impl Settings {
    /// The first key that keeps this node from being one of several, with what would be right.
    fn problem_among_nodes(&self) -> Option<(&'static str, String)> {
        let ClusterSection { address, advertise, .. } = &self.cluster;
        if address.is_none() {
            let alone = "says nothing without cluster.address".to_owned();
            return advertise.as_ref().map(|_| ("cluster.advertise", alone));
        }
        if self.general.database.is_none() {
            let right = "nodes share a database: set database, or leave this out";
            return Some(("cluster.address", right.to_owned()));
        }
        let name = self.node.name.as_deref().unwrap_or_default();
        let is_part = |part: &str| {
            let may_be =
                |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
            !part.is_empty()
                && !part.starts_with('-')
                && !part.ends_with('-')
                && part.bytes().all(may_be)
        };
        if !name.split('.').all(is_part) {
            let right = "a node among others has a name that its certificate carries: small letters, \
                         digits, hyphens and dots, such as node-1";
            return Some(("node.name", right.to_owned()));
        }
        let is_reachable = |address: &String| {
            let port = address.rsplit_once(':').and_then(|(_, port)| port.parse::<u16>().ok());
            address.len() <= ADDRESS_BYTES_MAX && port.is_some_and(|port| port > 0)
        };
        if advertise.as_ref().is_some_and(|address| !is_reachable(address)) {
            let right = "expected a host and a port, such as node-1.internal:7946";
            return Some(("cluster.advertise", right.to_owned()));
        }
        let nowhere = address.is_some_and(|address| address.ip().is_unspecified());
        (nowhere && advertise.is_none()).then(|| {
            let right = "others cannot reach every address of this machine: say by which one";
            ("cluster.advertise", right.to_owned())
        })
    }
}

/// `[read]`: where the tables stand that lists are answered from.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ReadSection {
    /// A MySQL or MariaDB database for them, in place of the one that has the log; beside an embedded
    /// log they have a file of their own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub database: Option<DatabaseUrl>,
    /// A replica of that database, kept by the server: lists are read from it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replica: Option<DatabaseUrl>,
}

/// `[http]`: what is listed, with the type of each, are the bounds of [`HttpLimits`] by their names.
macro_rules! http_section {
    ($($bound:ident: $type:ty,)+) => {
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct HttpSection {
            /// Threads that serve HTTP; 0 means one for each core.
            pub workers: usize,
            /// How long a node that stops may take to finish what is in flight.
            pub drain_seconds: u64,
            /// `/graphiql` is there without `--demo` too.
            pub explorer: bool,
            /// Names by which the server may be called; none named: by any, but for a demo.
            pub hosts: Vec<String>,
            /// Sites whose pages may ask.
            pub cors_origins: Vec<String>,
            /// Proxies, by address or network, that are believed about whom they speak for.
            pub trusted_proxies: Vec<String>,
            $(pub $bound: $type,)+
        }

        impl Default for HttpSection {
            fn default() -> Self {
                let limits = HttpLimits::default();
                Self {
                    workers: 0,
                    drain_seconds: 20,
                    explorer: false,
                    hosts: Vec::new(),
                    cors_origins: Vec::new(),
                    trusted_proxies: Vec::new(),
                    $($bound: limits.$bound,)+
                }
            }
        }

        impl HttpSection {
            pub fn limits(&self) -> HttpLimits {
                HttpLimits {
                    $($bound: self.$bound,)+
                    // Half of the time is for what follows: views, snapshots, leases.
                    shutdown_seconds: self.drain_seconds.div_ceil(2),
                }
            }
        }
    };
}

http_section! {
    head_bytes_max: usize,
    body_bytes_max: usize,
    bodies_bytes_max: usize,
    reply_values_max: usize,
    reply_bytes_max: usize,
    replies_bytes_max: usize,
    compress_from_bytes: usize,
    connections_max: usize,
    connections_per_client_max: usize,
    requests_max: usize,
    requests_per_client_max: usize,
    waits_max: usize,
    waits_per_client_max: usize,
    subscriptions_max: usize,
    subscriptions_per_client_max: usize,
    cost_per_second_max: u64,
    cost_per_second_per_client_max: u64,
    cost_per_second_anonymous_max: u64,
    deadline_ms: u64,
    head_timeout_ms: u64,
    body_timeout_ms: u64,
    write_timeout_ms: u64,
}

impl HttpSection {
    /// Whom the entrance lets in; `access_ratio` stands in another section.
    pub fn policy(&self, access_ratio: f64) -> HttpPolicy {
        // What cannot be read was refused when the configuration was loaded.
        let networks = self.trusted_proxies.iter().filter_map(|network| network.parse().ok());
        HttpPolicy {
            explorer: self.explorer,
            hosts: self.hosts.clone(),
            cors_origins: self.cors_origins.clone(),
            trusted_proxies: networks.collect(),
            access_ratio,
        }
    }

    /// The first key whose value is of no use, with what would be right.
    fn problem(&self) -> Option<(&'static str, String)> {
        let network = |text: &String| text.parse::<Network>().err();
        if let Some(problem) = self.trusted_proxies.iter().find_map(network) {
            return Some(("http.trusted_proxies", problem));
        }
        let is_origin = |origin: &String| {
            let name = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
            name.is_some_and(|name| !name.is_empty() && !name.contains(['/', '*', ' ']))
        };
        if let Some(wrong) = self.cors_origins.iter().find(|origin| !is_origin(origin)) {
            let right = format!("{wrong} is no origin, such as https://shop.example");
            return Some(("http.cors_origins", right));
        }
        let is_host = |host: &String| !host.is_empty() && !host.contains([':', '/', '*', ' ']);
        let wrong = self.hosts.iter().find(|host| !is_host(host))?;
        Some(("http.hosts", format!("{wrong} is no name of a host without a port")))
    }

    /// Threads that serve HTTP, as set or one for each core.
    pub fn threads(&self) -> usize {
        match self.workers {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            workers => workers,
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SecuritySection {
    /// The file of the master key, which must be there; without it, one in the data directory, made
    /// at the first start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_file: Option<PathBuf>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LeaseSection {
    /// How long the holder of a shard must be silent before another takes it.
    pub seconds: u64,
}

impl Default for LeaseSection {
    fn default() -> Self {
        Self { seconds: LeaseTerms::default().lease.as_secs() }
    }
}

impl LeaseSection {
    pub fn terms(&self) -> LeaseTerms {
        LeaseTerms { lease: Duration::from_secs(self.seconds) }
    }
}

impl Settings {
    /// Writer connections, as set or as the database can use them.
    pub fn lanes(&self) -> u16 {
        self.node.lanes.unwrap_or(match self.general.database {
            None => LANES_OF_SQLITE,
            Some(_) => LANES_OF_MYSQL,
        })
    }

    /// Shards of a database that is made now, as set or as its kind can use them.
    pub fn shards_of_new(&self) -> u16 {
        self.node.shards.unwrap_or(match self.general.database {
            None => SHARDS_OF_SQLITE,
            Some(_) => SHARDS_OF_MYSQL,
        })
    }

    /// Which database has which shard; none of the further ones says nothing that can be used, which was
    /// checked.
    pub fn homes(&self) -> Homes {
        self.read_homes().unwrap_or_default()
    }

    fn read_homes(&self) -> Result<Homes, HomesError> {
        Homes::read(self.general.databases.iter().map(|database| database.shards.as_str()))
    }

    fn problem_of_databases(&self) -> Option<String> {
        let (first, others) = (&self.general.database, &self.general.databases);
        let Some(first) = first else {
            let alone = "the logs of other shards stand in database: set that, or leave this out";
            return (!others.is_empty()).then(|| alone.to_owned());
        };
        let urls: Vec<_> =
            std::iter::once(first).chain(others.iter().map(|one| &one.url)).collect();
        let is_twice = |(place, url): (usize, &&DatabaseUrl)| urls[..place].contains(url);
        if urls.iter().enumerate().any(is_twice) {
            return Some("two of these are one database: each has logs of its own".to_owned());
        }
        let homes = match self.read_homes() {
            Ok(homes) => homes,
            Err(error) => return Some(error.to_string()),
        };
        let (shards, highest) = (self.node.shards, homes.highest()?);
        let Some(shards) = shards else {
            return Some("say how many shards there are, too: node.shards".to_owned());
        };
        (highest >= shards).then(|| {
            format!(
                "shard {highest} is named, and there are {shards}, 0 to {} (node.shards)",
                shards.saturating_sub(1)
            )
        })
    }

    /// The first key whose value is of the right type and of no use, with what would be right.
    pub(super) fn problem(&self) -> Option<(&'static str, String)> {
        let is_name = |name: &String| {
            (1..=NODE_NAME_BYTES_MAX).contains(&name.len())
                && name.bytes().all(|byte| byte.is_ascii_graphic())
        };
        if self.node.name.as_ref().is_some_and(|name| !is_name(name)) {
            let right = format!("expected 1 to {NODE_NAME_BYTES_MAX} visible ASCII characters");
            return Some(("node.name", right));
        }
        if self.general.data.as_os_str().is_empty() {
            return Some(("data", "expected a directory".to_owned()));
        }
        if let Some(problem) = self.problem_of_databases() {
            return Some(("databases", problem));
        }
        if let Some(problem) = self.payments.problem().or_else(|| self.http.problem()) {
            return Some(problem);
        }
        if let Some(problem) = self.auth.problem().or_else(|| self.mail.problem()) {
            return Some(problem);
        }
        if let Some(problem) = self.problem_of_outbox() {
            return Some(problem);
        }
        if let Some(problem) = self.problem_among_nodes() {
            return Some(problem);
        }
        if let Some(problem) = self.log.problem() {
            return Some(problem);
        }
        if let Some(problem) = self.telemetry.problem() {
            return Some(problem);
        }
        let out_of_range = |(key, value, range): &(&'static str, u64, (u64, u64))| {
            let (lowest, highest) = *range;
            (*value < lowest || *value > highest)
                .then(|| (*key, format!("{value} is not from {lowest} to {highest}")))
        };
        let ranges = (self.ranges(), self.auth.ranges(), self.streams.ranges());
        ranges.0.iter().chain(&ranges.1).chain(&ranges.2).find_map(out_of_range)
    }

    /// Every number with the range that makes sense for it, both ends included.
    fn ranges(&self) -> Vec<(&'static str, u64, (u64, u64))> {
        let (limits, http) = (&self.limits, &self.http);
        let many = u64::MAX;
        vec![
            ("node.shards", self.shards_of_new().into(), (1, SHARDS_MAX.into())),
            ("node.lanes", self.lanes().into(), (1, LANES_MAX.into())),
            ("cluster.weight", self.cluster.weight.into(), (1, WEIGHT_MAX.into())),
            ("http.workers", self.http.workers as u64, (0, 1_024)),
            ("http.drain_seconds", self.http.drain_seconds, (1, 3_600)),
            ("http.head_bytes_max", http.head_bytes_max as u64, (1_024, 96 << 10)),
            ("http.body_bytes_max", http.body_bytes_max as u64, (1_024, 64 << 20)),
            ("http.bodies_bytes_max", http.bodies_bytes_max as u64, (4_096, many)),
            ("http.reply_values_max", http.reply_values_max as u64, (1, many)),
            ("http.reply_bytes_max", http.reply_bytes_max as u64, (1_024, many)),
            ("http.replies_bytes_max", http.replies_bytes_max as u64, (1 << 20, many)),
            ("http.compress_from_bytes", http.compress_from_bytes as u64, (0, 64 << 20)),
            ("http.connections_max", http.connections_max as u64, (1, 1_000_000)),
            (
                "http.connections_per_client_max",
                http.connections_per_client_max as u64,
                (1, 1_000_000),
            ),
            ("http.requests_max", http.requests_max as u64, (1, 1_000_000)),
            ("http.requests_per_client_max", http.requests_per_client_max as u64, (1, 1_000_000)),
            ("http.waits_max", http.waits_max as u64, (0, 1_000_000)),
            ("http.waits_per_client_max", http.waits_per_client_max as u64, (0, 1_000_000)),
            ("http.subscriptions_max", http.subscriptions_max as u64, (0, 1_000_000)),
            (
                "http.subscriptions_per_client_max",
                http.subscriptions_per_client_max as u64,
                (0, 1_000_000),
            ),
            ("http.cost_per_second_max", http.cost_per_second_max, (0, 1_000_000_000)),
            (
                "http.cost_per_second_per_client_max",
                http.cost_per_second_per_client_max,
                (0, 1_000_000_000),
            ),
            (
                "http.cost_per_second_anonymous_max",
                http.cost_per_second_anonymous_max,
                (0, 1_000_000_000),
            ),
            ("http.deadline_ms", http.deadline_ms, (100, 600_000)),
            ("http.head_timeout_ms", http.head_timeout_ms, (100, 600_000)),
            ("http.body_timeout_ms", http.body_timeout_ms, (100, 600_000)),
            ("http.write_timeout_ms", http.write_timeout_ms, (100, 600_000)),
            ("lease.seconds", self.lease.seconds, (1, 600)),
            ("graphql.tokens_max", self.graphql.tokens_max as u64, (1, 1_000_000)),
            ("graphql.depth_max", self.graphql.depth_max as u64, (1, 1_000)),
            ("graphql.page_max", self.graphql.page_max.try_into().unwrap_or(0), (1, 10_000)),
            ("checkout.drivers_max", self.checkout.drivers_max as u64, (1, 100_000)),
            ("checkout.open_max", self.checkout.open_max as u64, (1, 10_000_000)),
            ("checkout.queue_max", self.checkout.queue_max as u64, (1, 10_000_000)),
            ("checkout.payment_timeout_ms", self.checkout.payment_timeout_ms, (100, 600_000)),
            (
                "retention.closed_users_days",
                self.retention.closed_users_days.unwrap_or(1).into(),
                (1, RETENTION_DAYS_MAX),
            ),
            (
                "retention.guests_days",
                self.retention.guests_days.unwrap_or(1).into(),
                (1, RETENTION_DAYS_MAX),
            ),
            ("limits.mailbox_max", limits.mailbox_max as u64, (1, many)),
            ("limits.shard_commands_max", limits.shard_commands_max as u64, (1, many)),
            ("limits.node_bytes_max", limits.node_bytes_max as u64, (1 << 20, many)),
            ("limits.live_max", limits.live_max as u64, (1, many)),
            ("limits.idle_seconds", limits.idle_seconds, (1, 86_400)),
            ("limits.recoveries_max", limits.recoveries_max as u64, (1, 10_000)),
            ("limits.past_reads_max", limits.past_reads_max as u64, (1, 10_000)),
            ("limits.snapshot_interval", limits.snapshot_interval, (10, 1_000_000)),
            ("limits.checkpoint_entries", limits.checkpoint_entries, (10, many)),
            ("limits.deadline_ms", limits.deadline_ms, (10, 600_000)),
            ("limits.strikes_max", limits.strikes_max.into(), (1, 1_000)),
            ("limits.strike_window_seconds", limits.strike_window_seconds, (1, 86_400)),
            ("limits.denials_after_ms", limits.denials_after_ms, (1, 3_600_000)),
            ("limits.feed_bytes_max", limits.feed_bytes_max as u64, (1, many)),
            ("limits.replaced_rows_seconds", limits.replaced_rows_seconds, (0, 86_400)),
            ("limits.table_turn_bytes", limits.table_turn_bytes as u64, (1, 1 << 30)),
        ]
    }
}

//! The configuration: what can be set, where each value came from, and whether it makes sense.
//!
//! Flags beat the environment, the environment beats the file, the file beats the defaults.
//! Whatever cannot be used is an error that names the key and its place; nothing is ignored. Opens
//! no database and starts nothing.

mod auth;
mod mail;
mod outbox;
pub mod sections;
pub mod secret;
mod sources;

use std::collections::BTreeMap;

use serde::Serialize;
use serde::de::DeserializeOwned;
use toml::{Table, Value};

pub use self::mail::MailSection;
pub use self::outbox::{InboxSection, StreamsSection};
pub use auth::AuthSection;

use actors::checkout::CheckoutOptions;
use actors::retention::RetentionOptions;
use actors::search::SearchOptions;
use actors::shard::Limits;
use graphql::DocumentLimits;
use messaging::WebhookOptions;
use payments::providers::PaymentsOptions;
use sections::{
    ClusterSection, General, HttpSection, LeaseSection, NodeSection, ReadSection, SecuritySection,
};
use telemetry::{LogOptions, TelemetryOptions};

pub use sources::{DEFAULT_FILE, Flag, Sources};

/// Everything that can be set, complete and checked.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Settings {
    #[serde(flatten)]
    pub general: General,
    pub node: NodeSection,
    pub cluster: ClusterSection,
    pub read: ReadSection,
    pub security: SecuritySection,
    pub auth: AuthSection,
    pub mail: MailSection,
    pub http: HttpSection,
    pub graphql: DocumentLimits,
    pub checkout: CheckoutOptions,
    pub payments: PaymentsOptions,
    pub search: SearchOptions,
    pub webhooks: WebhookOptions,
    pub streams: StreamsSection,
    pub inbox: InboxSection,
    pub retention: RetentionOptions,
    pub lease: LeaseSection,
    pub limits: Limits,
    pub log: LogOptions,
    pub telemetry: TelemetryOptions,
}

/// A value that cannot be used.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{key} ({origin}): {problem}")]
pub struct ConfigError {
    /// `section.key` as in the file.
    pub key: String,
    /// Where the value came from: a file, a variable, a flag.
    pub origin: String,
    /// What is wrong, and what would be right.
    pub problem: String,
}

/// The settings with the places they came from; what is not listed has its default.
#[derive(Clone, Debug)]
pub struct Loaded {
    pub settings: Settings,
    pub origins: BTreeMap<String, String>,
}

/// The sections of the file; `""` is what stands before the first of them.
const SECTIONS: [&str; 20] = [
    "",
    "node",
    "cluster",
    "read",
    "security",
    "auth",
    "mail",
    "http",
    "graphql",
    "checkout",
    "payments",
    "search",
    "webhooks",
    "streams",
    "inbox",
    "retention",
    "lease",
    "limits",
    "log",
    "telemetry",
];

/// Reads all sources, latest word last, and checks the result.
pub fn load(sources: &Sources) -> Result<Loaded, ConfigError> {
    let mut sections: BTreeMap<&str, Table> =
        SECTIONS.iter().map(|name| (*name, Table::new())).collect();
    let mut origins = BTreeMap::new();
    for given in sources.collect()? {
        let (section, field) = given.key.split_once('.').unwrap_or(("", &given.key));
        let fail =
            |problem| ConfigError { key: given.key.clone(), origin: given.origin.clone(), problem };
        let Some(table) = sections.get_mut(section) else {
            return Err(fail(unknown_section()));
        };
        let value = accepted(section, field, &given.candidates()).map_err(fail)?;
        table.insert(field.to_owned(), value);
        origins.insert(given.key, given.origin);
    }
    let settings = assemble(sections);
    match settings.problem() {
        None => Ok(Loaded { settings, origins }),
        Some((key, problem)) => {
            let origin = origins.get(key).cloned().unwrap_or_else(|| "default".to_owned());
            Err(ConfigError { key: key.to_owned(), origin, problem })
        }
    }
}

fn unknown_section() -> String {
    let named: Vec<String> =
        SECTIONS.iter().skip(1).map(|section| format!("[{section}]")).collect();
    format!("there is no such section; there are {}", named.join(", "))
}

/// The first of the candidates that the field takes, or what is wrong with the last.
fn accepted(section: &str, field: &str, candidates: &[Value]) -> Result<Value, String> {
    let mut problem = String::new();
    for value in candidates {
        match try_field(section, field, value.clone()) {
            Ok(()) => return Ok(value.clone()),
            Err(found) => problem = found,
        }
    }
    Err(problem)
}

fn try_field(section: &str, field: &str, value: Value) -> Result<(), String> {
    fn alone<T: DeserializeOwned>(table: Table) -> Result<(), String> {
        table.try_into::<T>().map(|_| ()).map_err(|error| in_plain_words(error.message()))
    }
    let table = Table::from_iter([(field.to_owned(), value)]);
    match section {
        "" => alone::<General>(table),
        "node" => alone::<NodeSection>(table),
        "cluster" => alone::<ClusterSection>(table),
        "read" => alone::<ReadSection>(table),
        "security" => alone::<SecuritySection>(table),
        "auth" => alone::<AuthSection>(table),
        "mail" => alone::<MailSection>(table),
        "http" => alone::<HttpSection>(table),
        "graphql" => alone::<DocumentLimits>(table),
        "checkout" => alone::<CheckoutOptions>(table),
        "search" => alone::<SearchOptions>(table),
        "payments" => alone::<PaymentsOptions>(table),
        "webhooks" => alone::<WebhookOptions>(table),
        "streams" => alone::<StreamsSection>(table),
        "inbox" => alone::<InboxSection>(table),
        "retention" => alone::<RetentionOptions>(table),
        "lease" => alone::<LeaseSection>(table),
        "limits" => alone::<Limits>(table),
        "log" => alone::<LogOptions>(table),
        _ => alone::<TelemetryOptions>(table),
    }
}

fn assemble(mut sections: BTreeMap<&str, Table>) -> Settings {
    fn section<T: DeserializeOwned>(table: Table) -> T {
        table.try_into().expect("each field was tried alone")
    }
    let mut take = |name| sections.remove(name).expect("every section has a table");
    Settings {
        general: section(take("")),
        node: section(take("node")),
        cluster: section(take("cluster")),
        read: section(take("read")),
        security: section(take("security")),
        auth: section(take("auth")),
        mail: section(take("mail")),
        http: section(take("http")),
        graphql: section(take("graphql")),
        checkout: section(take("checkout")),
        payments: section(take("payments")),
        search: section(take("search")),
        webhooks: section(take("webhooks")),
        streams: section(take("streams")),
        inbox: section(take("inbox")),
        retention: section(take("retention")),
        lease: section(take("lease")),
        limits: section(take("limits")),
        log: section(take("log")),
        telemetry: section(take("telemetry")),
    }
}

/// The words of the deserializer name types of the program; people set numbers and text.
fn in_plain_words(message: &str) -> String {
    let mut words = message.replace("unknown field", "unknown key");
    for (theirs, ours) in [
        ("expected usize", "expected a whole number, 0 or more"),
        ("expected u64", "expected a whole number, 0 or more"),
        ("expected u32", "expected a whole number from 0 to 4294967295"),
        ("expected u16", "expected a whole number from 0 to 65535"),
        ("expected i64", "expected a whole number"),
        ("expected a boolean", "expected true or false"),
        ("invalid socket address syntax", "expected an address and port, such as 127.0.0.1:8080"),
    ] {
        words = words.replace(theirs, ours);
    }
    words
}

#[cfg(test)]
mod tests;

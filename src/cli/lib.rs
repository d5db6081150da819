//! The command line: what can be asked of the program, and how the answers are printed. A contract
//! that scripts rely on. Names no database and starts no node: `bootstrap` hands it what it works on.

pub mod actor;
pub mod audit;
pub mod check;
pub mod cluster;
pub mod job;
pub mod journal_read;
pub mod journal_verify;
pub mod output;
pub mod progress;
pub mod projection;
pub mod saga;
pub mod timer;
pub mod outbox;
pub mod secret;
pub mod shard;
mod subject;
pub mod user;

use std::path::PathBuf;
use std::process::ExitCode;

use chrono::{DateTime, Utc};
use clap::{Args, Parser, Subcommand, ValueEnum};
use domain::access::permission::Permission;
use uuid::Uuid;

use config::{ConfigError, Flag, Sources};
#[cfg(feature = "load")]
use load::{LoadError, options::LoadArguments};
pub use subject::Subject;

/// An enterprise commerce backend: users, orders, stock and calendars as supervised actors.
///
/// Exit status: 0 done, 1 failed, 2 wrong usage or configuration.
#[derive(Debug, Parser)]
#[command(name = "emporium", version)]
pub struct Arguments {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve GraphQL until told to stop.
    Serve(ServeArguments),
    /// Bring the tables of the database to the shape that this program knows.
    Migrate {
        #[command(flatten)]
        storage: StorageArguments,
        /// From now on write what only this version and later ones can read. No older one can
        /// start on the database any more: for when all nodes run this one, and shall stay.
        #[arg(long)]
        raise: bool,
    },
    /// Print the schema of the API.
    Schema {
        /// Only what one context adds to it.
        #[arg(long)]
        context: Option<SchemaContext>,
    },
    /// Read the log of events.
    #[command(subcommand)]
    Journal(JournalCommand),
    /// Who belongs to the system and has which shards, and what is wished of that.
    #[command(subcommand)]
    Cluster(ClusterCommand),
    /// Who holds which shard; accept that one has lost entries.
    #[command(subcommand)]
    Shard(ShardCommand),
    /// How far what follows the logs is, what it has set aside; have a table filled anew.
    #[command(subcommand)]
    Projection(ProjectionCommand),
    /// Who did what: whether the audit is as it was written, and all of it.
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Make new secrets of the installation.
    #[command(subcommand)]
    Secret(SecretCommand),
    /// Change the master key, by which all other keys are wrapped.
    #[command(subcommand)]
    Keys(KeysCommand),
    /// Who signs in here; tokens by which somebody proves who he is.
    #[command(subcommand)]
    User(UserCommand),
    /// Look after the actors of a running server.
    #[command(subcommand)]
    Actor(ActorCommand),
    /// Look after the sagas of a running server: checkouts, transfers of stock.
    #[command(subcommand)]
    Saga(SagaCommand),
    /// Look after the jobs of a running server: exports, tables filled anew.
    #[command(subcommand)]
    Job(job::JobCommand),
    /// Look after what waits for its time on a running server: holds that run out, drafts that end.
    #[command(subcommand)]
    Timer(timer::TimerCommand),
    /// Who outside is told by a running server what happened, how far, and what he did not take.
    #[command(subcommand)]
    Outbox(outbox::OutboxCommand),
    #[cfg(feature = "load")]
    Load(LoadArguments),
    /// Load a running server and check it (this build has none of it: `make release`).
    #[cfg(not(feature = "load"))]
    Load {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
        ignored: Vec<String>,
    },
    /// Print the configuration that holds, or what is wrong with it.
    Check {
        #[command(flatten)]
        settings: ServeArguments,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
}

/// Where the configuration and the database are.
#[derive(Args, Clone, Debug, Default)]
pub struct StorageArguments {
    /// The configuration file; cluster.toml here, if there is one.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The directory of the embedded database.
    #[arg(long, value_name = "DIR")]
    pub data: Option<String>,
    /// A MySQL or MariaDB database, mysql://user:password@host:port/database.
    #[arg(long, value_name = "URL")]
    pub database: Option<String>,
}

#[derive(Args, Clone, Debug, Default)]
pub struct ServeArguments {
    #[command(flatten)]
    pub storage: StorageArguments,
    /// To try it out: makes demo data, and users of every role whose passwords are printed.
    #[arg(long)]
    pub demo: bool,
    /// Where to serve HTTP, such as 127.0.0.1:8080; port 0 takes a free one.
    #[arg(long, value_name = "ADDR")]
    pub listen: Option<String>,
    /// The Redis server of a cluster. One node alone does not use it.
    #[arg(long, value_name = "URL")]
    pub redis: Option<String>,
}

/// The contexts of the schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SchemaContext {
    Access,
    Products,
    Commerce,
    Scheduling,
    Operations,
}

#[derive(Debug, Subcommand)]
pub enum JournalCommand {
    /// Print events, oldest first within each shard.
    Read(JournalReadArguments),
    /// Re-read everything and say what is not as it must be.
    Verify {
        #[command(flatten)]
        storage: StorageArguments,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Args, Clone, Debug)]
pub struct JournalReadArguments {
    #[command(flatten)]
    pub storage: StorageArguments,
    /// Only this shard.
    #[arg(long, value_name = "N")]
    pub shard: Option<u16>,
    /// Only this aggregate, such as order/0192….
    #[arg(long, value_name = "TYPE/ID", conflicts_with = "shard")]
    pub aggregate: Option<AggregateName>,
    /// Only entries behind this number of each shard.
    #[arg(long, value_name = "SEQ", default_value_t = 0)]
    pub after: u64,
    /// At most so many events.
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub limit: u64,
    /// Print one JSON object a line.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Subcommand)]
pub enum ClusterCommand {
    /// List the nodes, with how many shards each has.
    Status {
        #[command(flatten)]
        storage: StorageArguments,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Have a node give its shards to the others. It goes on answering requests.
    Drain {
        #[command(flatten)]
        storage: StorageArguments,
        #[arg(value_name = "NODE")]
        node: String,
        /// Only print what would move.
        #[arg(long)]
        dry_run: bool,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Let a drained node have its share again.
    Undrain {
        #[command(flatten)]
        storage: StorageArguments,
        #[arg(value_name = "NODE")]
        node: String,
        /// Only print what would move.
        #[arg(long)]
        dry_run: bool,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Pin a shard to a node, whatever is computed; without a node, end that.
    Move {
        #[command(flatten)]
        storage: StorageArguments,
        #[arg(value_name = "SHARD")]
        shard: u16,
        #[arg(value_name = "NODE")]
        node: Option<String>,
        /// Only print what would move.
        #[arg(long)]
        dry_run: bool,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// End all pins and have every shard where it is computed, and wait until it is there.
    Rebalance {
        #[command(flatten)]
        storage: StorageArguments,
        /// Only print what would move.
        #[arg(long)]
        dry_run: bool,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Make an authority where there is none, and a certificate and a key for each node.
    Certs {
        /// Where they are kept; the authority's key stays there, and no node needs it.
        #[arg(long, value_name = "DIR", default_value = "certificates")]
        out: String,
        #[arg(value_name = "NODE", required = true)]
        nodes: Vec<String>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Subcommand)]
pub enum ShardCommand {
    /// List the shards with their holders, and those that are stopped (JOURNAL_REGRESSED).
    List {
        #[command(flatten)]
        storage: StorageArguments,
        /// Only those that are stopped.
        #[arg(long)]
        stopped: bool,
        /// Print one JSON object a line.
        #[arg(long)]
        json: bool,
    },
    /// Let a stopped shard go on without the acknowledged entries that its log has lost.
    AcceptLoss {
        #[command(flatten)]
        storage: StorageArguments,
        #[arg(value_name = "N")]
        shard: u16,
        /// The number that its log ends with: all behind it is given up.
        #[arg(long, value_name = "SEQ")]
        through: u64,
        /// Why, for whoever reads the log later.
        #[arg(long, default_value = "")]
        reason: String,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// Make every row again from the log, and say what is missing, foreign, changed or unbound; exit status 1
    /// where anything is.
    Verify {
        #[command(flatten)]
        storage: StorageArguments,
        /// Print one JSON object a line.
        #[arg(long)]
        json: bool,
    },
    /// Print every row, the oldest first.
    Export {
        #[command(flatten)]
        storage: StorageArguments,
        /// What a line is.
        #[arg(long, value_enum, default_value = "jsonl")]
        format: audit::Format,
        /// From this time on, such as 2026-03-01T00:00:00Z.
        #[arg(long, value_name = "TIME")]
        from: Option<DateTime<Utc>>,
        /// Up to this time, which is left out.
        #[arg(long, value_name = "TIME")]
        before: Option<DateTime<Utc>>,
    },
}

#[derive(Debug, Subcommand)]
pub enum ProjectionCommand {
    /// List the tables, views and reactions with how far they have read, and what waits.
    Status {
        #[command(flatten)]
        storage: StorageArguments,
        /// Print one JSON object a line.
        #[arg(long)]
        json: bool,
    },
    /// List what was set aside because it could not be read or applied.
    Parked {
        #[command(flatten)]
        storage: StorageArguments,
        /// Only what this one has set aside.
        #[arg(value_name = "NAME")]
        name: Option<String>,
        /// Print one JSON object a line.
        #[arg(long)]
        json: bool,
    },
    /// Have what was set aside tried again; exit status 1 where some of it still cannot be read.
    Replay {
        #[command(flatten)]
        storage: StorageArguments,
        #[arg(value_name = "NAME")]
        name: String,
        /// Only of this aggregate, such as order/0192….
        #[arg(long, value_name = "TYPE/ID")]
        aggregate: Option<AggregateName>,
        /// Print one JSON object a line.
        #[arg(long)]
        json: bool,
    },
    /// Have a table filled anew from the logs, beside the rows that answer meanwhile.
    Rebuild {
        #[command(flatten)]
        storage: StorageArguments,
        #[arg(value_name = "NAME")]
        name: String,
        /// Ask for it, and do not wait for its end.
        #[arg(long)]
        no_wait: bool,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Subcommand)]
pub enum SecretCommand {
    /// Make a new generation of a secret, for what is made from then on. No node may run meanwhile.
    Rotate {
        #[command(flatten)]
        storage: StorageArguments,
        /// What the secret is for: ids, inputs or tokens.
        #[arg(value_name = "PURPOSE")]
        purpose: String,
        /// Although shards are still held: whoever held them has died.
        #[arg(long)]
        holders_died: bool,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Subcommand)]
pub enum KeysCommand {
    /// Wrap all keys by a new master key and take the old one away; beside nodes that run. What was begun and
    /// ended in between is taken up.
    Rotate {
        #[command(flatten)]
        storage: StorageArguments,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Subcommand)]
pub enum UserCommand {
    /// Let somebody sign in by a name (an e-mail address, say): prints a password, once.
    Create {
        #[command(flatten)]
        storage: StorageArguments,
        /// What is typed to sign in.
        #[arg(value_name = "LOGIN")]
        login: String,
        /// The user who that is; a new one without it.
        #[arg(long, value_name = "ID")]
        user: Option<Uuid>,
        /// It is a program: LOGIN is its client_id, and what is printed its client_secret.
        #[arg(long)]
        client: bool,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Give somebody another password, print it once, and end all sessions.
    Reset {
        #[command(flatten)]
        storage: StorageArguments,
        #[arg(value_name = "LOGIN")]
        login: String,
        /// LOGIN is the client_id of a program.
        #[arg(long)]
        client: bool,
        /// Do without a second factor, too: the device is lost.
        #[arg(long)]
        second_factor: bool,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Say that a subject of another issuer is a user who is there already; he is a user of his own otherwise.
    Link {
        #[command(flatten)]
        storage: StorageArguments,
        /// The user's id.
        #[arg(value_name = "USER")]
        user: Subject,
        /// The issuer, letter by letter as its tokens have it (iss).
        #[arg(long, value_name = "URL")]
        issuer: String,
        /// What the issuer calls him (sub).
        #[arg(long, value_name = "SUBJECT")]
        subject: String,
    },
    /// Say that a subject of another issuer is a user of his own again.
    Unlink {
        #[command(flatten)]
        storage: StorageArguments,
        #[arg(long, value_name = "URL")]
        issuer: String,
        #[arg(long, value_name = "SUBJECT")]
        subject: String,
    },
    /// Give a user a role, at a running server, by the token of somebody who may.
    Grant {
        #[command(flatten)]
        server: ServerArguments,
        #[command(flatten)]
        role: RoleArguments,
        /// Until when he has it (RFC 3339); without end if it is not said.
        #[arg(long, value_name = "TIME")]
        until: Option<String>,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Take a role from a user, at a running server.
    Revoke {
        #[command(flatten)]
        server: ServerArguments,
        #[command(flatten)]
        role: RoleArguments,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Print an access token, alone. Also beside a running server; needs the master key.
    Token {
        #[command(flatten)]
        storage: StorageArguments,
        /// Whom it names: what is typed to sign in, a user's id, user:ID or client:ID.
        #[arg(value_name = "NAME")]
        name: String,
        /// How long it holds; a day at most.
        #[arg(long, value_name = "N", default_value_t = 3_600, value_parser = clap::value_parser!(u32).range(1..=86_400))]
        seconds: u32,
        /// What it is good for at most, whatever its bearer may: permissions, such as orders.read,stock.read.
        #[arg(long, value_name = "PERMISSIONS", value_delimiter = ',')]
        scope: Vec<Permission>,
    },
}

/// A role of a user.
#[derive(Args, Clone, Debug)]
pub struct RoleArguments {
    /// The user's id.
    #[arg(value_name = "USER")]
    pub user: Subject,
    /// The name of a role that ships, or the id of one that somebody made.
    #[arg(value_name = "ROLE")]
    pub role: String,
    /// About whose things: all, own, or the id of an account, a group or a location.
    #[arg(long, value_name = "SCOPE", default_value = "all")]
    pub scope: String,
}

#[derive(Debug, Subcommand)]
pub enum ActorCommand {
    /// List the aggregates that are quarantined, or show one.
    Inspect {
        #[command(flatten)]
        server: ServerArguments,
        /// Show this one.
        #[arg(value_name = "TYPE/ID")]
        aggregate: Option<AggregateName>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Take one aggregate out of service.
    Quarantine {
        #[command(flatten)]
        server: ServerArguments,
        #[arg(value_name = "TYPE/ID")]
        aggregate: AggregateName,
        /// Why, for whoever looks later.
        #[arg(long)]
        reason: String,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Put a quarantined aggregate back into service.
    Release {
        #[command(flatten)]
        server: ServerArguments,
        #[arg(value_name = "TYPE/ID")]
        aggregate: AggregateName,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Subcommand)]
pub enum SagaCommand {
    /// List sagas, the newest first; those that wait for an operator unless another state is said.
    List {
        #[command(flatten)]
        server: ServerArguments,
        /// Only those of this kind.
        #[arg(long, value_name = "KIND")]
        kind: Option<SagaKind>,
        /// Only those that stand so; all for every one.
        #[arg(long, value_name = "STATE", default_value = "stalled")]
        state: SagaState,
        /// At most so many.
        #[arg(long, value_name = "N", default_value_t = 100)]
        limit: u32,
        /// Print one JSON object a line.
        #[arg(long)]
        json: bool,
    },
    /// Have one go on: what it waits for was mended.
    Retry {
        #[command(flatten)]
        server: ServerArguments,
        #[arg(value_name = "KIND/ID")]
        saga: AggregateName,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// End one, and have undone what it did.
    Compensate {
        #[command(flatten)]
        server: ServerArguments,
        #[arg(value_name = "KIND/ID")]
        saga: AggregateName,
        /// Why, for whoever looks later.
        #[arg(long)]
        reason: String,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

/// The kinds of sagas.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SagaKind {
    Checkout,
    Transfer,
    #[value(name = "inbox_message")]
    InboxMessage,
    Job,
}

/// How sagas stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SagaState {
    All,
    Moving,
    Waiting,
    Stalled,
    Completed,
    Compensated,
}

#[derive(Args, Clone, Debug)]
pub struct ServerArguments {
    /// The GraphQL address of the running server.
    #[arg(
        long,
        value_name = "URL",
        env = "EMPORIUM_URL",
        default_value = "http://127.0.0.1:8080/graphql"
    )]
    pub url: String,
    /// An access token, as `emporium user token` prints one.
    #[arg(long, value_name = "TOKEN", env = "EMPORIUM_TOKEN", hide_env_values = true)]
    pub token: Option<String>,
}

/// An aggregate as it is named on the command line: `order/0192…`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AggregateName {
    pub kind: String,
    pub id: Uuid,
}

impl std::str::FromStr for AggregateName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = "expected TYPE/ID, such as order/01926f3c-8b1e-7aa0-9a55-0c2f6d1e4b77";
        let (kind, id) = text.split_once('/').ok_or(expected)?;
        let id = Uuid::parse_str(id).map_err(|error| format!("{expected}: {error}"))?;
        let known = actors::facts::KINDS.iter().map(|kind| kind.name);
        if !known.clone().any(|name| name == kind) {
            let known: Vec<_> = known.collect();
            return Err(format!("no kind is called {kind}; there are {}", known.join(", ")));
        }
        Ok(Self { kind: kind.to_owned(), id })
    }
}

impl std::fmt::Display for AggregateName {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}/{}", self.kind, self.id)
    }
}

impl StorageArguments {
    pub fn sources(&self) -> Sources {
        let mut flags = Vec::new();
        let mut flag = |name, key, value: &Option<String>| {
            flags.extend(value.clone().map(|text| Flag { name, key, text }));
        };
        flag("--data", "data", &self.data);
        flag("--database", "database", &self.database);
        Sources::of_process(self.config.clone(), flags)
    }
}

impl ServeArguments {
    pub fn sources(&self) -> Sources {
        let mut sources = self.storage.sources();
        let demo = self.demo.then(|| "true".to_owned());
        let mut flag = |name, key, value: &Option<String>| {
            sources.flags.extend(value.clone().map(|text| Flag { name, key, text }));
        };
        flag("--listen", "listen", &self.listen);
        flag("--redis", "redis", &self.redis);
        flag("--demo", "demo", &demo);
        sources
    }
}

/// Why a command did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// It was asked in a way that cannot work; exit status 2.
    #[error("{0}")]
    Usage(String),
    /// It was tried and failed; exit status 1.
    #[error("{0}")]
    Failed(String),
    /// It ran, and what it found is printed already; exit status 1.
    #[error("findings")]
    Found,
}

impl Failure {
    pub fn failed(context: &str, error: impl std::fmt::Display) -> Self {
        Self::Failed(format!("{context}: {error}"))
    }

    /// Says what is wrong on stderr, and the status to end with.
    pub fn report(&self) -> ExitCode {
        match self {
            Self::Found => {}
            Self::Usage(_) | Self::Failed(_) => eprintln!("emporium: {self}"),
        }
        ExitCode::from(if matches!(self, Self::Usage(_)) { 2 } else { 1 })
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::Usage(error.to_string())
    }
}

#[cfg(feature = "load")]
impl From<LoadError> for Failure {
    fn from(error: LoadError) -> Self {
        match error {
            LoadError::Usage(problem) => Self::Usage(problem),
            LoadError::Failed(problem) => Self::Failed(problem),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_is_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn aggregates_are_named_by_kind_and_id() {
        let id = "01926f3c-8b1e-7aa0-9a55-0c2f6d1e4b77";
        let name: AggregateName = format!("order/{id}").parse().expect("a known kind");
        assert_eq!(name.to_string(), format!("order/{id}"));
        for (wrong, hint) in
            [("order", "TYPE/ID"), ("order/7", "TYPE/ID"), (&format!("cart/{id}"), "stock_item")]
        {
            let error = wrong.parse::<AggregateName>().expect_err(wrong);
            assert!(error.contains(hint), "{error}");
        }
    }
}

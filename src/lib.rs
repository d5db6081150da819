//! Emporium, room by room. Each room is a crate that lies in the folder of its name; what one may see
//! of another is what its `Cargo.toml` says. This crate only gathers them, for the program, the
//! tests and the benches. A tour, from the rules outwards:
//!
//! The rules come first, and they are pure. [`domain`] has the aggregates: `decide` turns a command
//! into events or a refusal, `apply` moves the state. [`sagas`] has what runs across aggregates, and
//! the table of all kinds. [`projections`] turns events into the rows of lists.
//! [`search`] is the index by which products are found.
//!
//! Then what keeps and what runs them. [`persistence`] has the journal as traits and the lane, which
//! commits in groups; [`persistence_sql`] speaks to SQLite, MySQL and MariaDB. [`payments`] is the
//! port to providers, [`messaging`] takes what happened to programs outside. [`actors`] wraps each aggregate in an actor and hands out the reference that
//! callers hold. [`cluster`] decides which node owns which shard, [`peers`] carries what one node has to
//! ask another, and [`supervisors`] puts a node together and starts again what fails.
//!
//! Then the ways in. [`auth`] says who asks and [`tokens`] how that is proved, [`issuer`] signs people in and [`mail`]
//! takes letters to them, [`application`] has the use cases, which every entrance
//! asks alike, [`documents`] says what a GraphQL document means, [`graphql`] turns requests into use
//! cases and commands, and [`http`] turns bytes into requests.
//!
//! Last what surrounds the program. [`telemetry`] writes the log, [`config`] reads the settings,
//! [`cli`] prints, [`load`] loads a running server and proves what it answered, and [`bootstrap`]
//! starts it all: the one room that names databases and providers.
//!
//! To follow one command, begin at `actors::aggregate_ref::AggregateRef::ask`; ARCHITECTURE.md walks
//! one order through all rooms.

pub use domain;
pub use projections;
pub use sagas;
pub use search;

pub use actors;
pub use cluster;
pub use messaging;
pub use payments;
pub use peers;
pub use persistence;
pub use persistence_sql;
pub use supervisors;

pub use application;
pub use auth;
pub use documents;
pub use graphql;
pub use http;
pub use issuer;
pub use mail;
pub use tokens;

pub use bootstrap;
pub use cli;
pub use config;
#[cfg(feature = "load")]
pub use load;
pub use telemetry;

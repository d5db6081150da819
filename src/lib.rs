//! Emporium: the map of the house, in reading order. Each room is a crate of its own, which lies in
//! the folder of its name; what one may see of another is what its `Cargo.toml` says.

pub use actors;
pub use auth;
pub use bootstrap;
pub use cli;
pub use cluster;
pub use config;
pub use domain;
pub use graphql;
pub use http;
#[cfg(feature = "load")]
pub use load;
pub use payments;
pub use persistence;
pub use persistence_sql;
pub use projections;
pub use sagas;
pub use supervisors;
pub use telemetry;

//! The API over HTTP, a file per context, and the schema as it is committed.

mod access;
mod audit;
mod bad_input;
mod commerce;
mod cursors;
mod dry_runs;
mod history;
mod ids;
mod inputs;
mod jobs;
mod listed;
mod locations;
mod numbers;
mod operations;
mod outcomes;
pub mod permissions;
mod persons;
mod prices;
pub mod products;
mod promises;
mod scheduling;
mod schema;
mod search;
mod specification;
mod wheres;

//! The application: what the API, and every entrance that comes after it, asks of the shop alike.
//! A use case takes a [`Request`](request::Request) and typed input, asks aggregates and views, and
//! gives a typed outcome. This room knows no transport and no table, and holds none of the rules
//! of the aggregates; it knows in which order they are asked.

pub mod caller;
pub mod views;
pub mod request;
pub mod access;

pub mod personal;
pub mod erasure;
pub mod retention;
pub mod portability;
pub mod admission;
pub mod pricing;
pub mod price_lists;
pub mod orders;
pub mod quotes;
pub mod users;
pub mod roles;
pub mod groups;
pub mod impersonation;
pub mod decisions;
pub mod denials;
pub mod operators;
pub mod nodes;
pub mod locations;
pub mod stock;
pub mod inbox;
pub mod jobs;
pub mod timers;
pub mod transfers;
pub mod calendars;
pub mod sagas;
pub mod webhooks;
pub mod diff;

use actors::aggregate_ref::Engine;
use views::Views;

/// What all use cases share. A handle: cheap to clone.
#[derive(Clone)]
pub struct Application {
    pub engine: Engine,
    pub views: Views,
}

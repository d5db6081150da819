//! What operators say to a saga, whatever its kind: go on, or end.

use crate::request::Request;
use actors::registry::Registry;
use domain::id::AggregateId;

pub use actors::saga::wish::{Refusal, Told, Wish};

/// Tells the saga of this kind, by its stored name, and this id.
pub async fn tell(request: &Request<'_>, kind: &str, id: AggregateId, wish: Wish) -> Told {
    Registry::tell_saga(&request.application.engine, kind, id, wish, request.meta()).await
}

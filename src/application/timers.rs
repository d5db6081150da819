//! What operators say to a timer: as if its time had come, or that it is not to come.

use crate::request::Request;
use actors::waiting::{Told, Wish};
use projections::table::Key;

/// Tells whom the timer of this name and row is of.
pub async fn tell(request: &Request<'_>, name: &str, key: Key, wish: Wish) -> Told {
    let application = request.application;
    let registry = application.views.registry();
    registry.tell_timer(&application.engine, name, key, wish, request.meta()).await
}

//! Locations that are closed and opened again: who asked for it knows, once it is done, that this node
//! heeds it.

use crate::request::{Outcome, Request};
use domain::id::AggregateId;
use domain::products::location::{Command, Location, Refusal};

/// Closes a location, or opens it again, and waits until this node has heard of it. Other nodes hear of
/// it a moment later.
pub async fn set_closed(
    request: &Request<'_>,
    location: AggregateId,
    closed: bool,
) -> Outcome<Refusal> {
    let command = if closed { Command::Close {} } else { Command::Reopen {} };
    let done = request.send::<Location>(location, command).await?;
    // It is done, whether or not that could be waited for.
    _ = request.application.views.closed_locations.read(Some(&done.position()), |_| ()).await;
    Ok(done)
}

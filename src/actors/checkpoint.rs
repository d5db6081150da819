//! Checkpoints of followers: what one knows and the position it stands at, stored together beside
//! the snapshots, so that a start reads what came since and no event counts twice. A shortcut: one
//! that is missing, damaged, of another shape or ahead of the log is done without.

use std::sync::Arc;

use serde::{Serialize, de::DeserializeOwned};

use super::shard::NodeServices;
use domain::id::AggregateId;
use persistence::journal::JournalError;
use persistence::snapshots::Snapshot;
use projections::position::Position;

/// What names a follower's checkpoints.
#[derive(Clone, Copy, Debug)]
pub struct Name {
    /// The aggregate type under which they are kept.
    pub kind: &'static str,
    pub name: &'static str,
    /// The version of the shape of what is stored.
    pub schema: u32,
}

impl Name {
    fn id(&self) -> AggregateId {
        AggregateId::derived(&[self.kind.as_bytes(), self.name.as_bytes()])
    }
}

/// Stores one; true if it is stored. Building the JSON of a large one takes a while and does not
/// hold up others of this thread.
pub async fn store<T>(services: &NodeServices, name: Name, content: T, position: &Position) -> bool
where
    T: Serialize + Send + Sync + 'static,
{
    let content = Arc::new((content, position.clone()));
    let json = tokio::task::spawn_blocking(move || serde_json::to_vec(&*content)).await;
    let state = match json {
        Ok(Ok(state)) => state,
        other => {
            tracing::error!(name = name.name, ?other, "checkpoint cannot be written as JSON");
            return false;
        }
    };
    let snapshot = Snapshot {
        aggregate_type: name.kind.to_owned(),
        aggregate_id: name.id().0,
        shard: 0,
        // Grows with each entry read, so that an older checkpoint never replaces a newer one.
        version: position.total(),
        seq: 0,
        recorded_us: services.now().timestamp_micros(),
        state_schema: name.schema,
        state,
    };
    match services.snapshots.save(&snapshot, None).await {
        Ok(()) => true,
        Err(error) => {
            tracing::warn!(%error, name = name.name, "checkpoint not stored");
            false
        }
    }
}

/// The last one, if it is of this shape and the log still reaches as far.
pub async fn load<T: DeserializeOwned>(
    services: &NodeServices,
    name: Name,
) -> Result<Option<(T, Position)>, JournalError> {
    let stored = services.snapshots.load(name.kind, name.id().0, name.schema).await?;
    let Some(stored) = stored else { return Ok(None) };
    match serde_json::from_slice::<(T, Position)>(&stored.state) {
        Ok((content, position)) if services.feed.reaches(&position) => {
            Ok(Some((content, position)))
        }
        Ok(_) => {
            tracing::error!(
                name = name.name,
                "checkpoint is ahead of the log; reading from the start"
            );
            Ok(None)
        }
        Err(error) => {
            tracing::warn!(%error, name = name.name, "checkpoint unreadable; reading from the start");
            Ok(None)
        }
    }
}

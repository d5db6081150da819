//! What operators ask of the system's nodes: how they stand, and that shards go elsewhere.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use actors::aggregate_ref::{AskError, Fault};
use cluster::desk::NotDone;
use domain::aggregate;

pub use cluster::desk::{Desk, Member, Move, NodeStands, Plan, ShardStands, Stands, Wish};

/// When to ask again what the database did not answer.
const RETRY_AFTER: Duration = Duration::from_millis(500);

/// Why nothing was done.
#[derive(Clone, Debug, PartialEq)]
pub enum Refusal {
    NodeNotFound(String),
    ShardNotFound(String),
    NobodyLeft(String),
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::NodeNotFound(says) | Self::ShardNotFound(says) | Self::NobodyLeft(says)) = self;
        formatter.write_str(says)
    }
}

impl aggregate::Refusal for Refusal {
    fn code(&self) -> &'static str {
        match self {
            Self::NodeNotFound(_) => "NODE_NOT_FOUND",
            Self::ShardNotFound(_) => "SHARD_NOT_FOUND",
            Self::NobodyLeft(_) => "NODE_REQUIRED",
        }
    }
}

/// How everything stands.
pub async fn stands(desk: &Desk) -> Result<Stands, Fault> {
    desk.stands().await.map_err(|error| unread(&error))
}

/// Has done what is wished, if it is not a dry run; says what it leads to, and does not wait for that.
pub async fn wish(desk: &Desk, wish: &Wish, dry_run: bool) -> Result<Plan, AskError<Refusal>> {
    let plan = desk.plan(wish).await.map_err(not_done)?;
    if !dry_run {
        desk.wish(wish).await.map_err(|error| match error {
            NotDone::Journal(error) => {
                // The row may have been written all the same; to wish it again does no harm.
                let error: &dyn Error = &error;
                tracing::warn!(error, "an operator's wish may not be written");
                AskError::Fault(Fault::OutcomeUnknown)
            }
            error => not_done(error),
        })?;
    }
    Ok(plan)
}

fn unread(error: &(dyn Error + 'static)) -> Fault {
    tracing::warn!(error, "the tables of nodes and shards cannot be read");
    Fault::unavailable("the tables of nodes and shards cannot be read now", RETRY_AFTER)
}

fn not_done(error: NotDone) -> AskError<Refusal> {
    let says = error.to_string();
    AskError::Refused(match error {
        NotDone::NoSuchNode { .. } => Refusal::NodeNotFound(says),
        NotDone::NoSuchShard { .. } => Refusal::ShardNotFound(says),
        NotDone::NobodyLeft => Refusal::NobodyLeft(says),
        NotDone::Journal(error) => return unread(&error).into(),
    })
}

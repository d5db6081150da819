//! What the API says of the server itself, and what operators do to actors.

mod mutation;
mod processes;
mod query;

pub use mutation::OperationsMutation;
pub use query::OperationsQuery;

use crate::guard::Needs;
use auth::Permission::{Operate, Read, Write};

/// What the root fields of this context need.
pub const NEEDS: Needs = &[
    (Read, &["serverInfo"]),
    (Write, &["noOp"]),
    (Operate, &["operations", "quarantineActor", "releaseActor", "retrySaga", "abortSaga"]),
];

//! What the API says of the server itself, and what operators do to actors.

mod mutation;
mod nodes;
mod processes;
mod query;
mod sagas;
mod timers;
mod audit;

pub use audit::AuditOutcome;
pub use sagas::{CheckoutWhere, SagaKind, SagaOrder, SagaState, WORDS, of, ordering};

use async_graphql::MergedObject;

use crate::guard::Need::{All, Some as Of};
use crate::guard::Needs;
use domain::access::permission::Permission::{AuditRead, ClusterOperate, ClusterRead, SchemaRead};

#[derive(MergedObject, Default)]
pub struct OperationsQuery(query::ServerQuery, sagas::SagaQuery, audit::AuditQuery);

#[derive(MergedObject, Default)]
pub struct OperationsMutation(
    mutation::ActorsMutation,
    nodes::NodesMutation,
    timers::TimersMutation,
);

/// What the root fields of this context need.
pub const NEEDS: Needs = &[
    (Of(SchemaRead), &["serverInfo"]),
    (Of(SchemaRead), &["noOp"]),
    (All(AuditRead), &["audit"]),
    (All(ClusterRead), &["operations", "saga", "sagas"]),
    (All(ClusterOperate), &["quarantineActor", "releaseActor", "retrySaga", "abortSaga"]),
    (All(ClusterOperate), &["fireTimer", "cancelTimer"]),
    (All(ClusterOperate), &["drainNode", "undrainNode", "moveShard", "rebalanceCluster"]),
];

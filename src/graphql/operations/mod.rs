//! What the API says of the server itself, and what operators do to actors.

mod mutation;
mod nodes;
mod outbox;
mod processes;
mod query;
mod sagas;
mod timers;
mod audit;
mod jobs;
mod webhooks;

pub use audit::AuditOutcome;
pub use jobs::{JobConnection, JobNode, JobState, JobWhere};
pub use sagas::{
    CheckoutWhere, SagaConnection, SagaKind, SagaOrder, SagaState, SagaWhere, WORDS, of, ordering,
};
pub use webhooks::WebhookEndpointNode;

use async_graphql::MergedObject;

use crate::guard::Need::{All, Some as Of};
use crate::guard::Needs;
use domain::access::permission::Permission::{
    AuditRead, ClusterOperate, ClusterRead, SchemaRead, WebhooksRead, WebhooksWrite,
};
use jobs::JobCommands;
use webhooks::{WebhookCommands, WebhookUseCases};

#[derive(MergedObject, Default)]
pub struct OperationsQuery(
    query::ServerQuery,
    sagas::SagaQuery,
    audit::AuditQuery,
    webhooks::WebhookQuery,
    jobs::JobQuery,
);

#[derive(MergedObject, Default)]
pub struct OperationsMutation(
    mutation::ActorsMutation,
    nodes::NodesMutation,
    timers::TimersMutation,
    WebhookCommands,
    WebhookUseCases,
    outbox::OutboxMutation,
    JobCommands,
    jobs::JobUseCases,
);

/// What the root fields of this context need.
pub const NEEDS: Needs = &[
    (Of(SchemaRead), &["serverInfo"]),
    (Of(SchemaRead), &["noOp"]),
    (All(AuditRead), &["audit"]),
    (All(ClusterRead), &["operations", "saga", "sagas"]),
    (All(ClusterOperate), &["quarantineActor", "releaseActor", "retrySaga", "abortSaga"]),
    (All(ClusterOperate), &["fireTimer", "cancelTimer"]),
    (All(ClusterRead), &["job", "jobs"]),
    (All(AuditRead), &["exportAudit"]),
    (All(ClusterOperate), &["rebuildTable"]),
    (All(ClusterOperate), JobCommands::FIELDS),
    (All(WebhooksRead), &["webhookEndpoint", "webhookEndpoints"]),
    (All(WebhooksWrite), &["registerWebhookEndpoint", "reviseWebhookEndpoint"]),
    (All(WebhooksWrite), WebhookCommands::FIELDS),
    (All(WebhooksWrite), &["replayStreams"]),
    (All(ClusterOperate), &["drainNode", "undrainNode", "moveShard", "rebalanceCluster"]),
];

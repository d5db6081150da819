//! A node for one test: the engine over a test's database, with a journal that can be made to fail.

use std::sync::Arc;
use std::time::Duration;

use emporium::actors::aggregate_ref::{AggregateRef, Engine};
use emporium::actors::core::CommandMeta;
use emporium::actors::shard::{Limits, NodeServices};
use emporium::cluster::ownership::LeaseTerms;
use emporium::domain::id::AggregateId;
use emporium::persistence::intercept::Intercepted;
use emporium::supervisors::node::{Node, NodeOptions};
use uuid::Uuid;

use super::counter::Counter;
use super::database::{SHARDS, TestDatabase};
use super::faults::Faults;

pub struct TestNode {
    pub node: Node,
    pub engine: Engine,
    pub journal: Arc<Faults>,
}

/// Bounds that tests reach.
pub fn limits() -> Limits {
    Limits {
        deadline_ms: 2_000,
        snapshot_interval: 50,
        strike_window_seconds: 600,
        ..Limits::default()
    }
}

impl TestNode {
    /// A node that holds every shard, whoever held it before.
    pub async fn start(database: &TestDatabase, limits: Limits) -> Self {
        Self::start_with(database, limits, LeaseTerms::default()).await
    }

    pub async fn start_with(database: &TestDatabase, limits: Limits, terms: LeaseTerms) -> Self {
        let faults = Arc::new(Faults::default());
        let journal =
            Arc::new(Intercepted::new(Arc::clone(&database.journal), Arc::clone(&faults)));
        let services = Arc::new(NodeServices::new(
            "test-node",
            journal.clone(),
            Arc::clone(&database.snapshots),
            limits,
            SHARDS,
            tokio::runtime::Handle::current(),
        ));
        let options = NodeOptions { lanes: 2, terms, exclusive: true };
        let node = Node::start(services, journal, options).await.expect("a node starts");
        assert!(node.all_served(Duration::from_secs(20)).await, "every shard is taken");
        let engine = node.engine.clone();
        Self { node, engine, journal: faults }
    }

    pub fn counter(&self, number: u128) -> AggregateRef<Counter> {
        self.engine.aggregate(AggregateId(Uuid::from_u128(number)))
    }

    /// Ends it as a crash would: nothing is flushed, nothing given up.
    pub fn crash(self) {
        self.node.kill();
    }
}

pub fn meta(key: Option<&str>) -> CommandMeta {
    CommandMeta {
        command_id: Uuid::now_v7(),
        key: key.map(Into::into),
        correlation_id: Uuid::now_v7(),
        causation_id: None,
        principal: "tester".into(),
        trace: None,
        expected_version: None,
    }
}

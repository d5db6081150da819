//! A node for one test: the engine over a test's database, with a journal that can be made to fail.

use std::sync::Arc;
use std::time::Duration;

use emporium::actors::aggregate_ref::{AggregateRef, Engine};
use emporium::actors::core::CommandMeta;
use emporium::actors::shard::Limits;
use emporium::bootstrap::node::NodeBuilder;
use emporium::cluster::ownership::LeaseTerms;
use emporium::config::Settings;
use emporium::config::sections::NodeSection;
use emporium::domain::id::{AggregateId, Slot};
use emporium::domain::principal::Principal;
use emporium::persistence::clock::Clock;
use emporium::persistence::intercept::Intercepted;
use emporium::persistence::stores::Stores;
use emporium::supervisors::node::Node;
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
        Self::start_by(Clock::system(), database, limits, terms).await
    }

    /// One whose times a test gives.
    pub async fn start_by(
        clock: Clock,
        database: &TestDatabase,
        limits: Limits,
        terms: LeaseTerms,
    ) -> Self {
        let (node, faults) = Self::begin(true, clock, database, limits, terms).await;
        assert!(node.all_served(Duration::from_secs(20)).await, "every shard is taken");
        Self { engine: node.engine.clone(), node, journal: faults }
    }

    /// One beside others that may hold shards; it has none yet.
    pub async fn start_beside_others(database: &TestDatabase, terms: LeaseTerms) -> Self {
        let (node, faults) = Self::begin(false, Clock::system(), database, limits(), terms).await;
        Self { engine: node.engine.clone(), node, journal: faults }
    }

    async fn begin(
        alone: bool,
        clock: Clock,
        database: &TestDatabase,
        limits: Limits,
        terms: LeaseTerms,
    ) -> (Node, Arc<Faults>) {
        let faults = Arc::new(Faults::default());
        let journal =
            Arc::new(Intercepted::new(Arc::clone(&database.journal), Arc::clone(&faults)));
        let node = NodeSection {
            name: Some("test-node".to_owned()),
            shards: Some(SHARDS),
            lanes: Some(2),
        };
        let settings = Settings { node, limits, ..Settings::default() };
        let stores = Stores { journal, ..database.stores.clone() };
        let vault = database.vault().await;
        let builder = NodeBuilder::new(&settings, stores, vault).terms(terms).clock(clock);
        let builder = if alone { builder.alone() } else { builder };
        (builder.start().await.expect("a node starts"), faults)
    }

    pub fn counter(&self, number: u128) -> AggregateRef<Counter> {
        self.engine.aggregate(counter_id(number))
    }

    /// Ends it as a crash would: nothing is flushed, nothing given up.
    pub fn crash(self) {
        self.node.kill();
    }
}

/// The id of a counter of this number.
pub fn counter_id(number: u128) -> AggregateId {
    let number = u64::try_from(number).expect("a small number");
    AggregateId::drawn(0, Slot::new(number as u16), number)
}

pub fn meta(key: Option<&str>) -> CommandMeta {
    CommandMeta {
        command_id: Uuid::now_v7(),
        key: key.map(Into::into),
        correlation_id: Uuid::now_v7(),
        cause: None,
        principal: Principal::client("tester"),
        trace: None,
        expected_version: None,
        dry_run: false,
    }
}

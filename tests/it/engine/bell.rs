//! Two nodes over one database that hear the bell in Redis. What looks by itself four times a second is
//! put off for an hour here, so that only the bell has a node read what the other wrote.

use std::path::Path;
use std::time::Duration;

use emporium::actors::aggregate_ref::Engine;
use emporium::bootstrap::cluster::{Door, Joined};
use emporium::bootstrap::identity::Identity;
use emporium::bootstrap::node::{NodeBuilder, Program};
use emporium::config::Settings;
use emporium::config::secret::RedisUrl;
use emporium::config::sections::{ClusterSection, NodeSection};
use emporium::domain::id::{AggregateId, LocationId, VariantId};
use emporium::domain::products::stock_item::{Command, StockItem, stock_item_id};
use emporium::peers::bell::message::{Load, MESSAGE_BYTES_MAX, Message, VERSION, What};
use emporium::peers::certificates;
use emporium::peers::metrics::BELL_HEARD;
use emporium::persistence::journal::ShardId;
use emporium::projections::position::Position;
use tempfile::TempDir;
use uuid::Uuid;

use crate::support::database::{SHARDS, TestDatabase, on_mysql};
use crate::support::life::{done, position};
use crate::support::proxy::{Mode, Proxy};
use crate::support::{PATIENCE, eventually};

const HOUR: Duration = Duration::from_secs(3_600);

/// By what a node learns of what others commit, beside its own looks.
#[derive(Clone, Copy)]
pub(super) enum Hears<'a> {
    /// The bell of this Redis.
    Bell(&'a str),
    /// Whoever serves a shard tells.
    Owners,
}

pub(super) fn redis() -> String {
    std::env::var("EMPORIUM_TEST_REDIS_URL")
        .expect("`make test` and `scripts/services run` start a Redis server and name it")
}

pub(super) struct Node {
    pub program: Program,
    joined: Joined,
    pub engine: Engine,
}

impl Node {
    async fn start(name: &str, home: &Path, database: &TestDatabase, hears: Hears<'_>) -> Self {
        let node =
            NodeSection { name: Some(name.to_owned()), shards: Some(SHARDS), lanes: Some(1) };
        let cluster = ClusterSection {
            address: Some("127.0.0.1:0".parse().expect("an address")),
            certificates: home.to_owned(),
            ..ClusterSection::default()
        };
        let mut settings = Settings { node, cluster, ..Settings::default() };
        if let Hears::Bell(redis) = hears {
            settings.general.redis = Some(RedisUrl::try_from(redis.to_owned()).expect("a URL"));
        }
        let identity = Identity::named(name);
        let door = Door::open(&settings, &identity).expect("it opens").expect("it is configured");
        let builder = NodeBuilder::new(&settings, database.stores.clone(), database.vault().await)
            .identity(identity)
            .heads_looked_every(HOUR);
        let builder = match hears {
            Hears::Bell(_) => builder.untold(),
            Hears::Owners => builder,
        };
        let node = builder.start().await.expect("a node starts");
        let joined = builder.join(door, &node).expect("it joins");
        assert!(node.all_served(PATIENCE).await, "every shard has an owner");
        let program = builder.complete(node).await.expect("the followers start");
        Self { engine: program.node.engine.clone(), program, joined }
    }

    fn serves(&self, shard: ShardId) -> bool {
        self.engine.shards()[usize::from(shard)].is_serving()
    }

    pub(super) async fn reads(&self, position: &Position) {
        let view = &self.program.followers.views().open_checkouts;
        let reading = view.reached(position);
        tokio::time::timeout(PATIENCE, reading).await.expect("it is read");
    }

    async fn stop(self) {
        self.program.stop(Duration::from_secs(10)).await;
        self.joined.gone().await;
    }
}

/// Two nodes, each of which has shards.
pub(super) struct Two {
    pub one: Node,
    pub other: Node,
    /// A stock item that lives at the one, and its shard.
    item: AggregateId,
    shard: ShardId,
    _home: TempDir,
}

impl Two {
    pub(super) async fn start(database: &TestDatabase, hears: Hears<'_>) -> Self {
        let home = tempfile::tempdir().expect("a temporary directory");
        let names = ["one", "other"].map(str::to_owned);
        certificates::make(home.path(), &names).expect("certificates are made");
        let one = Node::start("one", home.path(), database, hears).await;
        let other = Node::start("other", home.path(), database, hears).await;
        let spread = || {
            let owners = |shard| (one.serves(shard), other.serves(shard));
            let mut owners = (0..SHARDS).map(owners);
            owners.all(|(one, other)| one != other) && (0..SHARDS).any(|shard| other.serves(shard))
        };
        eventually("both to have shards", async || spread().then_some(())).await;
        let numbered = |number: u128| {
            let (variant, location) =
                (VariantId(Uuid::from_u128(number)), LocationId(Uuid::from_u128(2)));
            let id = stock_item_id(variant, location);
            (id, one.engine.shard_of(id).id, Command::Open { variant, location })
        };
        let (item, shard, open) = (1..)
            .map(numbered)
            .find(|(_, shard, _)| one.serves(*shard))
            .expect("it has one of many");
        let two = Self { one, other, item, shard, _home: home };
        let opened = done::<StockItem>(&two.one.engine, item, open).await;
        two.other.reads(&position(opened)).await;
        two
    }

    pub(super) fn shard(&self) -> ShardId {
        self.shard
    }

    /// The one commits something.
    pub(super) async fn receive(&self) -> Position {
        let receive = Command::Receive { quantity: 1 };
        position(done::<StockItem>(&self.one.engine, self.item, receive).await)
    }

    pub(super) async fn stop(self) {
        self.other.stop().await;
        self.one.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_at_one_node_is_read_at_the_other_when_the_bell_rings() {
    on_mysql(|database| async move {
        let two = Two::start(&database, Hears::Bell(&redis())).await;
        for _ in 0..20 {
            let received = two.receive().await;
            two.other.reads(&received).await;
        }
        two.stop().await;
    })
    .await;
}

/// Whatever becomes of Redis, owners go on; and when it is back, what was missed is read.
#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_goes_away_and_comes_back_is_missed_by_nobody() {
    on_mysql(|database| async move {
        let url = redis();
        let upstream = url.trim_start_matches("redis://").trim_end_matches('/').to_owned();
        let proxy = Proxy::to(upstream).await;
        let cut = format!("redis://{}", proxy.address());
        let two = Two::start(&database, Hears::Bell(&cut)).await;
        for mode in [Mode::CutBeforeForward, Mode::CutAfterAnswer, Mode::Blackhole] {
            proxy.set(mode);
            let losses = proxy.losses();
            // What is said breaks them, and without news little is said.
            eventually("the connections to break", async || {
                two.receive().await;
                (proxy.losses() >= losses + 2).then_some(())
            })
            .await;
            let received = two.receive().await;
            proxy.set(Mode::Pass);
            two.other.reads(&received).await;
        }
        two.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_forged_or_flushed_in_redis_moves_nobody_beyond_the_log() {
    on_mysql(|database| async move {
        let two = Two::start(&database, Hears::Bell(&redis())).await;
        let client = redis::Client::open(redis()).expect("a URL");
        let mut forger = client.get_multiplexed_async_connection().await.expect("it answers");
        redis::cmd("FLUSHALL").exec_async(&mut forger).await.expect("it is flushed");
        let installation = database.vault().await.installation.name();
        let channel = format!("emporium:{installation}:bell");
        let forged = |what| Message {
            version: VERSION,
            installation: installation.clone(),
            node: "one".to_owned(),
            life: "forged".to_owned(),
            what,
            heads: vec![(two.shard, u64::MAX), (u16::MAX, 1)],
            load: Load::default(),
        };
        let of = |outcome| BELL_HEARD.with([outcome]).get();
        let dropped = ["length", "malformed", "version", "installation"];
        let before = dropped.map(of);
        let future = Message { version: VERSION + 1, ..forged(What::Heads) };
        let foreign = Message { installation: "other".to_owned(), ..forged(What::Heads) };
        for said in [
            forged(What::Heads).written(),
            forged(What::Members).written(),
            forged(What::Owners).written(),
            vec![b'x'; MESSAGE_BYTES_MAX + 1],
            b"{".to_vec(),
            future.written(),
            foreign.written(),
        ] {
            let publish = redis::cmd("PUBLISH").arg(&channel).arg(said).to_owned();
            publish.exec_async(&mut forger).await.expect("it is said");
        }
        // What is said later is heard later.
        let received = two.receive().await;
        two.other.reads(&received).await;
        for (outcome, before) in dropped.into_iter().zip(before) {
            assert!(of(outcome) > before, "nothing was dropped for its {outcome}");
        }
        let shards: Vec<_> = (0..SHARDS).collect();
        let stored = database.journal.heads(&shards).await.expect("the logs can be looked at");
        let known = two.other.engine.services.feed.heads();
        for (shard, head) in stored {
            assert!(known.seq(shard) <= head, "shard {shard}: {} > {head}", known.seq(shard));
        }
        two.stop().await;
    })
    .await;
}

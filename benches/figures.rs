//! Figures: what one node does, against the limits of the same machine in the same run.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use emporium::actors::aggregate_ref::Engine;
use emporium::actors::core::CommandMeta;
use emporium::actors::shard::{Limits, NodeServices};
use emporium::cluster::tenancy::LeaseTerms;
use emporium::domain::id::{LocationId, VariantId};
use emporium::domain::products::stock_item::{Command, StockItem, stock_item_id};
use emporium::persistence::sqlite;
use emporium::supervisors::node::{Node, NodeOptions};
use uuid::Uuid;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn meta(key: Option<String>) -> CommandMeta {
    CommandMeta {
        command_id: Uuid::now_v7(),
        key: key.map(Into::into),
        correlation_id: Uuid::now_v7(),
        causation_id: None,
        principal: "bench".into(),
        trace: None,
        expected_version: None,
    }
}

async fn start(path: &Path) -> Node {
    let database =
        Arc::new(sqlite::Database::open(path, sqlite::Options::default()).await.unwrap());
    database.migrate().await.unwrap();
    let services = Arc::new(NodeServices::new(
        "bench",
        database.clone(),
        database,
        Limits::default(),
        256,
        tokio::runtime::Handle::current(),
    ));
    let options = NodeOptions { lanes: 1, terms: LeaseTerms::default(), exclusive: true };
    let node = Node::start(services, options).await.unwrap();
    assert!(node.settle(Duration::from_secs(10)).await);
    node
}

async fn hot(engine: &Engine, callers: usize, seconds: u64) {
    let variant = VariantId(Uuid::now_v7());
    let location = LocationId(Uuid::now_v7());
    let item = engine.aggregate::<StockItem>(stock_item_id(variant, location));
    item.ask(Command::Open { variant, location }, meta(None)).await.unwrap();
    item.ask(Command::Receive { quantity: 1_000_000_000 }, meta(None)).await.unwrap();
    let until = Instant::now() + Duration::from_secs(seconds);
    let began = Instant::now();
    let mut tasks = Vec::new();
    for caller in 0..callers {
        let item = item.clone();
        tasks.push(tokio::spawn(async move {
            let mut latencies = Vec::new();
            let mut count = 0u64;
            while Instant::now() < until {
                let sent = Instant::now();
                let key = format!("{caller}-{count}");
                item.ask(Command::Sell { quantity: 1 }, meta(Some(key))).await.unwrap();
                latencies.push(sent.elapsed());
                count += 1;
            }
            latencies
        }));
    }
    let mut all = Vec::new();
    for task in tasks {
        all.extend(task.await.unwrap());
    }
    let took = began.elapsed().as_secs_f64();
    all.sort();
    println!(
        "hot {callers} callers: {:.0}/s p50 {:?} p99 {:?}",
        all.len() as f64 / took,
        all[all.len() / 2],
        all[all.len() * 99 / 100]
    );
}

fn main() {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let directory = tempfile::tempdir().unwrap();
        let node = start(&directory.path().join("bench.db")).await;
        let engine = node.engine.clone();
        tokio::spawn(async move {
            for callers in [1, 32, 256, 1000] {
                hot(&engine, callers, 3).await;
            }
        })
        .await
        .unwrap();
        node.drain(Duration::from_secs(10)).await;
    });
}

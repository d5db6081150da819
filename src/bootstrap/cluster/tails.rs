//! Follows what other nodes commit: one question after the other to each of them, answered as soon as
//! there is something, so that what follows every log is fed from memory. What is not told is seen by
//! looking at the heads of all logs, as without this.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep, timeout};

use ::cluster::members::Roll;
use actors::aggregate_ref::Engine;
use peers::link::{Link, Sent};
use peers::wire::Wish;
use persistence::journal::ShardId;
use supervisors::whereabouts::Whereabouts;

use super::links::Links;

/// Questions to one node are so far apart at least: what is committed meanwhile is told together.
const QUESTIONS_APART: Duration = Duration::from_millis(5);
/// How long an answer may take. It comes, empty, after three quarters of that.
const ANSWERED_WITHIN: Duration = Duration::from_secs(2);
/// Before a node is asked again that did not answer, or serves nothing.
const PAUSE: Duration = Duration::from_millis(250);

/// Follows every other node, for as long as the node lives.
pub async fn follow(
    links: Arc<Links>,
    engine: Engine,
    whereabouts: Whereabouts,
    mut roll: watch::Receiver<Arc<Roll>>,
) {
    let own = Arc::clone(&engine.services.name);
    let mut followed: HashMap<String, AbortHandle> = HashMap::new();
    loop {
        let now = Arc::clone(&roll.borrow_and_update());
        followed.retain(|node, following| {
            let stays = now.members.contains_key(node);
            if !stays {
                following.abort();
            }
            stays
        });
        for node in now.members.keys().filter(|node| **node != *own) {
            followed.entry(node.clone()).or_insert_with(|| {
                let (links, engine) = (Arc::clone(&links), engine.clone());
                let tail = tail(links, engine, whereabouts.clone(), node.clone());
                tokio::spawn(tail).abort_handle()
            });
        }
        if roll.changed().await.is_err() {
            followed.values().for_each(AbortHandle::abort);
            return;
        }
    }
}

/// Asks one node, again and again.
async fn tail(links: Arc<Links>, engine: Engine, whereabouts: Whereabouts, node: String) {
    let shards = engine.services.shards;
    let mut changes = whereabouts.changes();
    loop {
        changes.mark_unchanged();
        let is_its = |shard: &ShardId| whereabouts.owner(*shard).as_deref() == Some(node.as_str());
        let question = engine.tail_of((0..shards).filter(is_its));
        let link = links.to(&node);
        let (Some(question), Some(link)) = (question, link) else {
            let _ = timeout(PAUSE, changes.changed()).await;
            continue;
        };
        if ask(&engine, &link, question).await {
            sleep(QUESTIONS_APART).await;
        } else {
            sleep(PAUSE).await;
        }
    }
}

/// Whether it was answered.
async fn ask(engine: &Engine, link: &Link, question: Vec<u8>) -> bool {
    match link.call(Wish::Tail, question, Instant::now() + ANSWERED_WITHIN).await {
        Sent::Answered(told) => engine.take_tail(&told),
        _ => false,
    }
}

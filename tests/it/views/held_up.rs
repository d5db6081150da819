//! A database of lists that takes no rows: whoever fills its tables waits, nobody waits for it, and what happened
//! meanwhile is read from the logs, for what is kept of it in memory has a bound.

use std::sync::Arc;

use async_trait::async_trait;
use emporium::actors::feed::Behind;
use emporium::persistence::journal::JournalError;
use emporium::persistence::read_store::Filling;
use tokio::sync::watch;

use super::{quiet, tables, trade, world};
use crate::support::life::within;
use crate::support::reading::{Hooked, ReadHooks, Step};

/// What is kept in memory of the logs, in bytes: some entries.
const KEPT_BYTES: usize = 8 << 10;

/// Takes rows while it is open.
struct Gate(watch::Sender<bool>);

#[async_trait]
impl ReadHooks for Gate {
    async fn before(&self, _: Filling, step: Step) -> Result<(), JournalError> {
        if step == Step::Write {
            let mut open = self.0.subscribe();
            open.wait_for(|open| *open).await.expect("the sender is here");
        }
        Ok(())
    }
}

#[test]
fn who_cannot_write_rows_holds_up_nobody_and_reads_the_logs_then() {
    let mut world = world();
    world.limits.feed_bytes_max = KEPT_BYTES;
    let gate = Arc::new(Gate(watch::channel(true).0));
    let hooks = Arc::clone(&gate);
    world.read = Arc::new(move |inner| Arc::new(Hooked::new(inner, Arc::clone(&hooks))));
    let life = world.begin();
    life.run("trade", async {
        trade(&life, 1).await;
        within("the beginning", quiet(&life)).await;
        gate.0.send_replace(false);
        for round in 2..=6 {
            trade(&life, round).await;
        }
        let feed = &life.engine.services.feed;
        let orders = life.followers.views().orders.follower.position();
        let is_forgotten =
            |shard: u16| matches!(feed.behind(shard, orders.seq(shard), 1), Behind::Journal { .. });
        let shards = 0..life.engine.services.shards;
        assert!(shards.clone().any(is_forgotten), "only the logs have all of it");
        // The last batch is kept however large.
        assert!(feed.bytes() < 4 * KEPT_BYTES, "{} bytes", feed.bytes());

        gate.0.send_replace(true);
        within("the end", quiet(&life)).await;
        assert_eq!(tables::kept(&life).await, tables::folded(&life).await);
    });
    life.drain();
}

//! What a node says on the bell in Redis, and what it looks at when it hears it. Nothing that is heard
//! is believed: it is a reason to look at what is stored, and looks that are asked for so are bounded.

use std::collections::BTreeSet;
use std::mem;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use ::cluster::lease_manager::LeaseHandle;
use ::cluster::members::{Members, Roll};
use actors::shard::NodeServices;
use peers::bell::message::{Load, Message, What};
use peers::bell::{Bell, Host};
use persistence::cause::chain;
use persistence::journal::ShardId;
use persistence::members::Member;
use persistence::shortcut::{Planted, Shortcut};

/// Looks are so far apart at least, whatever is rung.
const LOOKS_APART: Duration = Duration::from_millis(20);

/// See the module.
pub struct Listener {
    services: Arc<NodeServices>,
    members: Members,
    leases: LeaseHandle,
    due: Mutex<Due>,
    rung: Notify,
}

/// What is to be looked at next.
#[derive(Default)]
struct Due {
    members: bool,
    owners: bool,
    /// Whatever the logs are.
    heads: bool,
    /// Logs that are said to go further.
    shards: BTreeSet<ShardId>,
}

impl Listener {
    pub fn new(services: Arc<NodeServices>, members: Members, leases: LeaseHandle) -> Arc<Self> {
        Arc::new(Self { services, members, leases, due: Mutex::default(), rung: Notify::new() })
    }

    /// Looks at what was heard of, for as long as the task is not aborted.
    pub fn look(self: Arc<Self>) -> JoinHandle<()> {
        tokio::spawn(async move {
            loop {
                self.rung.notified().await;
                let due = mem::take(&mut *self.due.lock());
                self.look_at(due).await;
                sleep(LOOKS_APART).await;
            }
        })
    }

    async fn look_at(&self, due: Due) {
        if due.members {
            self.members.look_soon();
        }
        if due.owners {
            self.leases.look_soon();
        }
        let shards: Vec<_> = due.shards.into_iter().collect();
        let looked = match due.heads {
            true => self.services.look_at_heads().await,
            false => self.services.look_at_heads_of(&shards).await,
        };
        if let Err(error) = looked {
            tracing::debug!(error = %chain(&error), "a log that was heard of cannot be looked at");
        }
    }

    fn note(&self, note: impl FnOnce(&mut Due)) {
        note(&mut self.due.lock());
        self.rung.notify_one();
    }
}

impl Host for Listener {
    fn heads(&self) -> Vec<(u16, u64)> {
        self.services.feed.fed_heads().collect()
    }

    fn load(&self) -> Load {
        let number = |of: usize| u64::try_from(of).unwrap_or(u64::MAX);
        Load {
            live_aggregates: number(self.services.live.load(Ordering::Relaxed)),
            admitted_bytes: number(self.services.admitted_bytes.load(Ordering::Relaxed)),
        }
    }

    fn heard(&self, message: &Message) {
        let feed = &self.services.feed;
        if Planted::default().is(Shortcut::BelieveTheBell) {
            message.heads.iter().for_each(|(shard, head)| feed.heard(*shard, *head));
        }
        let news = message.heads.iter().filter(|(shard, head)| feed.is_news(*shard, *head));
        let news: Vec<_> = news.map(|(shard, _)| *shard).collect();
        let (members, owners) = (message.what == What::Members, message.what == What::Owners);
        if members || owners || !news.is_empty() {
            self.note(|due| {
                due.members |= members;
                due.owners |= owners;
                due.shards.extend(news);
            });
        }
    }

    fn missed(&self) {
        self.note(|due| {
            *due = Due { members: true, owners: true, heads: true, ..mem::take(due) };
        });
    }
}

/// Rings when this node's own row is another one, and when it took or gave up shards, for as long as
/// the node lives.
pub async fn ring(
    bell: Bell,
    own: String,
    mut roll: watch::Receiver<Arc<Roll>>,
    mut taken: watch::Receiver<()>,
    mut given: watch::Receiver<()>,
) {
    let mut row = None;
    loop {
        let seen = roll.borrow_and_update().members.get(&own).cloned();
        let seen = seen.map(|row| Member { beat: 0, ..row });
        if seen != row {
            row = seen;
            bell.ring(What::Members);
        }
        tokio::select! {
            changed = roll.changed() => if changed.is_err() { return },
            _ = taken.changed() => bell.ring(What::Owners),
            _ = given.changed() => bell.ring(What::Owners),
        }
    }
}

//! The feed of committed entries to followers: a bounded window of recent ones in memory per
//! shard, and a notifier. Who falls out of the window catches up from the journal: nothing is lost and
//! nobody is waited for.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use tokio::sync::watch;

use persistence::journal::{Entry, Seq, ShardId};
use projections::position::Position;

/// An entry within the batch that was committed with it.
pub type Shared = (Arc<Vec<Entry>>, usize);

/// See the module.
pub struct Feed {
    bytes_max: usize,
    shards: Vec<FedShard>,
    notifier: watch::Sender<()>,
}

#[derive(Default)]
struct FedShard {
    head: AtomicU64,
    window: Mutex<Window>,
}

#[derive(Default)]
struct Window {
    bytes: usize,
    /// Contiguous, up to the head.
    entries: VecDeque<Shared>,
}

/// What stands behind a position.
pub enum Behind {
    /// Nothing yet.
    Nothing,
    /// These, contiguous.
    Recent(Vec<Shared>),
    /// More than memory holds: read the journal through this number.
    Journal { through: Seq },
}

impl Feed {
    /// For shards `0..shards`, with at most `bytes_max` of entries each (the last one always).
    pub fn new(shards: u16, bytes_max: usize) -> Self {
        let shards = (0..shards).map(|_| FedShard::default()).collect();
        Self { bytes_max, shards, notifier: watch::channel(()).0 }
    }

    /// A shard is served from here on, with this head.
    pub fn open(&self, shard: ShardId, head: Seq) {
        let fed = &self.shards[usize::from(shard)];
        *fed.window.lock() = Window::default();
        fed.head.store(head, Ordering::Release);
        self.notifier.send_replace(());
    }

    /// Entries became durable.
    pub fn push(&self, entries: &Arc<Vec<Entry>>) {
        for (index, entry) in entries.iter().enumerate() {
            let fed = &self.shards[usize::from(entry.shard)];
            let mut window = fed.window.lock();
            if entry.seq != fed.head.load(Ordering::Acquire) + 1 {
                // A takeover or a barrier stands in between: the journal has it.
                *window = Window::default();
            }
            window.bytes += entry.weight();
            window.entries.push_back((Arc::clone(entries), index));
            while window.bytes > self.bytes_max && window.entries.len() > 1 {
                let Some((list, index)) = window.entries.pop_front() else { break };
                window.bytes -= list[index].weight();
            }
            fed.head.store(entry.seq, Ordering::Release);
        }
        self.notifier.send_replace(());
    }

    /// Rings at each commit.
    pub fn notifier(&self) -> watch::Receiver<()> {
        self.notifier.subscribe()
    }

    /// The shards whose head lies behind a position, with their heads.
    pub fn ahead_of<'a>(
        &'a self,
        seq: impl Fn(ShardId) -> Seq + 'a,
    ) -> impl Iterator<Item = (ShardId, Seq)> + 'a {
        (0..).zip(&self.shards).filter_map(move |(shard, fed)| {
            let head = fed.head.load(Ordering::Acquire);
            (head > seq(shard)).then_some((shard, head))
        })
    }

    /// How far the logs go now.
    pub fn heads(&self) -> Position {
        let heads = (0..).zip(&self.shards);
        heads.map(|(shard, fed)| (shard, fed.head.load(Ordering::Acquire))).collect()
    }

    /// The log goes at least as far as this.
    pub fn reaches(&self, position: &Position) -> bool {
        position.shards().all(|(shard, seq)| {
            let fed = self.shards.get(usize::from(shard));
            fed.is_some_and(|fed| fed.head.load(Ordering::Acquire) >= seq)
        })
    }

    /// At most `limit` entries behind `after`.
    pub fn behind(&self, shard: ShardId, after: Seq, limit: usize) -> Behind {
        let fed = &self.shards[usize::from(shard)];
        let window = fed.window.lock();
        let head = fed.head.load(Ordering::Acquire);
        if after >= head {
            return Behind::Nothing;
        }
        let first = head + 1 - window.entries.len() as u64;
        if after + 1 < first {
            return Behind::Journal { through: head };
        }
        let skip = usize::try_from(after + 1 - first).expect("a window fits memory");
        Behind::Recent(window.entries.iter().skip(skip).take(limit).cloned().collect())
    }
}

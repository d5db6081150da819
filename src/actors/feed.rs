//! The feed of committed entries to followers: a bounded window of recent ones in memory per
//! shard, and a bell. Who falls out of the window catches up from the journal: nothing is lost and
//! nobody is waited for.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use parking_lot::RwLock;
use tokio::sync::watch;

use crate::persistence::journal::{Entry, Seq, ShardId};

/// See the module.
pub struct Feed {
    bytes_max: usize,
    windows: RwLock<BTreeMap<ShardId, Window>>,
    bell: watch::Sender<u64>,
}

#[derive(Default)]
struct Window {
    head: Seq,
    bytes: usize,
    /// Contiguous, up to `head`.
    entries: VecDeque<(Arc<Vec<Entry>>, usize)>,
}

/// What stands behind a position.
pub enum Behind {
    /// Nothing yet.
    Nothing,
    /// These, contiguous: `(list, index)` pairs that share the committed batch.
    Recent(Vec<(Arc<Vec<Entry>>, usize)>),
    /// More than memory holds: read the journal through this number.
    Journal { through: Seq },
}

impl Feed {
    pub fn new(bytes_max: usize) -> Self {
        Self {
            bytes_max,
            windows: RwLock::default(),
            bell: watch::channel(0).0,
        }
    }

    /// A shard is served from here on, with this head.
    pub fn open(&self, shard: ShardId, head: Seq) {
        self.windows.write().insert(
            shard,
            Window {
                head,
                ..Window::default()
            },
        );
        self.bell.send_modify(|count| *count += 1);
    }

    /// Entries became durable.
    pub fn push(&self, entries: &Arc<Vec<Entry>>) {
        {
            let mut windows = self.windows.write();
            for (index, entry) in entries.iter().enumerate() {
                let window = windows.entry(entry.shard).or_default();
                if entry.seq != window.head + 1 {
                    // A takeover or a barrier stands in between: the journal has it.
                    window.entries.clear();
                    window.bytes = 0;
                }
                window.head = entry.seq;
                window.bytes += entry.weight();
                window.entries.push_back((Arc::clone(entries), index));
                while window.bytes > self.bytes_max {
                    let Some((list, index)) = window.entries.pop_front() else {
                        break;
                    };
                    window.bytes -= list[index].weight();
                }
            }
        }
        self.bell.send_modify(|count| *count += 1);
    }

    /// Rings at each commit.
    pub fn bell(&self) -> watch::Receiver<u64> {
        self.bell.subscribe()
    }

    /// The heads of all shards that are or were served here.
    pub fn heads(&self) -> Vec<(ShardId, Seq)> {
        self.windows
            .read()
            .iter()
            .map(|(shard, window)| (*shard, window.head))
            .collect()
    }

    /// At most `limit` entries behind `after`.
    pub fn behind(&self, shard: ShardId, after: Seq, limit: usize) -> Behind {
        let windows = self.windows.read();
        let Some(window) = windows.get(&shard) else {
            return Behind::Nothing;
        };
        if after >= window.head {
            return Behind::Nothing;
        }
        let first = window.head + 1 - window.entries.len() as u64;
        if after + 1 < first {
            return Behind::Journal {
                through: window.head,
            };
        }
        let skip = usize::try_from(after + 1 - first).expect("a window fits memory");
        Behind::Recent(
            window
                .entries
                .iter()
                .skip(skip)
                .take(limit)
                .cloned()
                .collect(),
        )
    }
}

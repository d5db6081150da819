//! Who is taken to serve the shards that are not served here: by what the rows said at the last look,
//! or what a node said that did not serve one any more. A hint and no more: whoever is asked knows.

use std::sync::Arc;

use parking_lot::RwLock;
use tokio::sync::watch;

use persistence::journal::{Holding, ShardId};

/// See the module. Copies are of one node.
#[derive(Clone)]
pub struct Whereabouts(Arc<Known>);

struct Known {
    owners: RwLock<Vec<Option<Arc<str>>>>,
    changed: watch::Sender<()>,
    released: watch::Sender<()>,
}

impl Whereabouts {
    /// Of shards `0..shards`; nothing is known yet.
    pub fn of(shards: u16) -> Self {
        let owners = RwLock::new(vec![None; usize::from(shards)]);
        let (changed, released) = (watch::channel(()).0, watch::channel(()).0);
        Self(Arc::new(Known { owners, changed, released }))
    }

    /// Who is taken to serve a shard.
    pub fn owner(&self, shard: ShardId) -> Option<Arc<str>> {
        self.0.owners.read().get(usize::from(shard)).cloned().flatten()
    }

    /// Whoever was asked says who serves it.
    pub fn hinted(&self, shard: ShardId, owner: Option<Arc<str>>) {
        if let Some(known) = self.0.owners.write().get_mut(usize::from(shard)) {
            *known = owner;
        }
    }

    /// What stands in the rows.
    pub fn seen(&self, holdings: &[Holding]) {
        let mut is_news = false;
        let mut owners = self.0.owners.write();
        for Holding { shard, owner, .. } in holdings {
            let Some(known) = owners.get_mut(usize::from(*shard)) else { continue };
            let owner = owner.as_ref().map(|owner| owner.node.as_str());
            if known.as_deref() != owner {
                *known = owner.map(Arc::from);
                is_news = true;
            }
        }
        drop(owners);
        if is_news {
            self.changed();
        }
    }

    /// Another may serve something by now, or this node.
    pub fn changed(&self) {
        self.0.changed.send_replace(());
    }

    pub fn changes(&self) -> watch::Receiver<()> {
        self.0.changed.subscribe()
    }

    /// Shards were given up here.
    pub fn released(&self) {
        self.0.released.send_replace(());
    }

    /// Rings when shards were given up here.
    pub fn releases(&self) -> watch::Receiver<()> {
        self.0.released.subscribe()
    }
}

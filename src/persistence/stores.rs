//! All ports to the database, or the databases, together: what a node is made of. Everybody else asks for the one port
//! that they use.

use std::sync::Arc;

use crate::acting_store::ActingStore;
use crate::homes::Homes;
use crate::journal::Journal;
use crate::members::MemberStore;
use crate::quarantine::QuarantineStore;
use crate::read_store::ReadStore;
use crate::secrets::SecretStore;
use crate::sign_ins::SignInStore;
use crate::slots::SlotMap;
use crate::snapshots::SnapshotStore;
use crate::spread::{FixedSlots, Spread};
use crate::spread_snapshots::SpreadSnapshots;

/// See the module.
#[derive(Clone)]
pub struct Stores {
    pub journal: Arc<dyn Journal>,
    /// The databases under it, where the logs stand in several.
    pub spread: Option<Arc<Spread>>,
    pub slots: Arc<dyn SlotMap>,
    pub quarantines: Arc<dyn QuarantineStore>,
    pub members: Arc<dyn MemberStore>,
    pub snapshots: Arc<dyn SnapshotStore>,
    pub secrets: Arc<dyn SecretStore>,
    pub sign_ins: Arc<dyn SignInStore>,
    /// The tables that lists are answered from; they may stand in another database than all else.
    pub read: Arc<dyn ReadStore>,
    /// How far those have come that act on what happened.
    pub acting: Arc<dyn ActingStore>,
}

impl Stores {
    /// Over the databases of one installation, the first first: each has the logs of its shards, and the first
    /// everything else.
    pub fn spread(homes: Homes, all: Vec<Self>) -> Self {
        let journals = all.iter().map(|stores| Arc::clone(&stores.journal)).collect();
        let spread = Spread::over(homes, journals);
        let stores = all.iter().map(|stores| Arc::clone(&stores.snapshots)).collect();
        let snapshots = SpreadSnapshots { spread: Arc::clone(&spread), stores };
        let first = all.into_iter().next().expect("there is a first database");
        Self {
            journal: Arc::clone(&spread) as Arc<dyn Journal>,
            snapshots: Arc::new(snapshots),
            slots: Arc::new(FixedSlots(Arc::clone(&first.slots))),
            spread: Some(spread),
            ..first
        }
    }
}

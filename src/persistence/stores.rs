//! All ports to one database, together: what a node is made of. Everybody else asks for the one port
//! that they use.

use std::sync::Arc;

use crate::journal::Journal;
use crate::members::MemberStore;
use crate::quarantine::QuarantineStore;
use crate::read_store::ReadStore;
use crate::secrets::SecretStore;
use crate::sign_ins::SignInStore;
use crate::slots::SlotMap;
use crate::snapshots::SnapshotStore;

/// See the module.
#[derive(Clone)]
pub struct Stores {
    pub journal: Arc<dyn Journal>,
    pub slots: Arc<dyn SlotMap>,
    pub quarantines: Arc<dyn QuarantineStore>,
    pub members: Arc<dyn MemberStore>,
    pub snapshots: Arc<dyn SnapshotStore>,
    pub secrets: Arc<dyn SecretStore>,
    pub sign_ins: Arc<dyn SignInStore>,
    /// The tables that lists are answered from; they may stand in another database than all else.
    pub read: Arc<dyn ReadStore>,
}

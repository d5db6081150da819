//! All ports over one database, whichever it is.

use std::sync::Arc;

use crate::members::{MemberTables, Members};
use crate::quarantine::{QuarantineTable, Quarantines};
use crate::read_tables::{ReadTables, ReadTablesOf};
use crate::secrets::{SecretTables, Secrets};
use crate::sign_ins::SignIns;
use crate::slots::{Map, SlotTables};
use crate::snapshots::Snapshots;
use persistence::acting_store::ActingStore;
use persistence::journal::Journal;
use persistence::stores::Stores;

/// The ports to a database.
pub fn stores<D>(database: D) -> Stores
where
    D: Journal + SlotTables + QuarantineTable + MemberTables + SecretTables + ReadTables,
{
    let database = Arc::new(database);
    let read = Arc::new(ReadTablesOf::of(Arc::clone(&database)));
    Stores {
        slots: Arc::new(Map(Arc::clone(&database))),
        quarantines: Arc::new(Quarantines(Arc::clone(&database))),
        members: Arc::new(Members(Arc::clone(&database))),
        snapshots: Arc::new(Snapshots(Arc::clone(&database))),
        secrets: Arc::new(Secrets(Arc::clone(&database))),
        sign_ins: Arc::new(SignIns(Arc::clone(&database))),
        acting: Arc::clone(&read) as Arc<dyn ActingStore>,
        read,
        journal: database,
        spread: None,
    }
}

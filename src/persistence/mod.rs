//! Keeps what was decided: the journal and the snapshots, behind traits, with an adapter for each
//! database. Knows no aggregate: entries are opaque JSON here.

pub mod journal;
pub mod snapshots;

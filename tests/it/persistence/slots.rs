//! The map of slots: made once, whoever comes first, and read as it stands.

use emporium::persistence::journal::JournalError;
use emporium::persistence::slots::{SHARDS_MAX, Slots};

use super::conformance;
use crate::support::database::{SHARDS, TestDatabase};

conformance!(a_map_is_made_once, more_shards_than_there_may_be_are_refused);

async fn a_map_is_made_once(database: TestDatabase) {
    let journal = &*database.journal;
    assert_eq!(journal.slots().await.expect("the database answers"), None);
    let even = Slots::even(SHARDS).expect("a map");
    let made = [(); 4].map(|()| journal.prepare_slots(SHARDS));
    for made in futures::future::join_all(made).await {
        assert_eq!(made.expect("the map is made"), even);
    }
    // What stands there stays, whatever a later start wants.
    assert_eq!(journal.prepare_slots(SHARDS / 2).await.expect("the map is read"), even);
    assert_eq!(journal.slots().await.expect("the database answers"), Some(even));
}

async fn more_shards_than_there_may_be_are_refused(database: TestDatabase) {
    let journal = &*database.journal;
    let refused = journal.prepare_slots(SHARDS_MAX + 1).await;
    let Err(JournalError::Refused(cause)) = refused else { panic!("{refused:?}") };
    assert_eq!(cause.to_string(), "1025 shards are wanted, where 1 to 1024 are possible");
    assert_eq!(journal.slots().await.expect("the database answers"), None);
    let most = journal.prepare_slots(SHARDS_MAX).await.expect("the map is made");
    assert_eq!(most, Slots::even(SHARDS_MAX).expect("a map"));
}

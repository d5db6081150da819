//! What is kept of quarantines.

use emporium::persistence::quarantine::Quarantine;
use uuid::Uuid;

use super::conformance;
use crate::support::database::TestDatabase;

conformance!(a_quarantine_is_kept_until_it_is_ended,);

async fn a_quarantine_is_kept_until_it_is_ended(database: TestDatabase) {
    let store = &database.quarantines;
    let quarantine = |reason: &str, number| Quarantine {
        aggregate_type: "order".to_owned(),
        aggregate_id: Uuid::from_u128(number),
        reason: reason.to_owned(),
        by: "öperator".to_owned(),
        since_us: 7,
    };
    assert_eq!(store.quarantines().await.expect("an answer"), []);
    for (reason, number) in [("odd", 1), ("odder 🛒", 2), ("as was found out", 1)] {
        store.put_quarantine(&quarantine(reason, number)).await.expect("it is kept");
    }
    let mut kept = store.quarantines().await.expect("an answer");
    kept.sort_by_key(|one| one.aggregate_id);
    assert_eq!(kept, [quarantine("as was found out", 1), quarantine("odder 🛒", 2)]);
    let end = |number| store.end_quarantine("order", Uuid::from_u128(number));
    assert!(end(1).await.expect("an answer"));
    assert!(!end(1).await.expect("an answer"), "it is over already");
    assert_eq!(store.quarantines().await.expect("an answer"), [quarantine("odder 🛒", 2)]);
}

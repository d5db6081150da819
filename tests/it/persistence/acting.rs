//! Where those stand that act on what happened.

use chrono::DateTime;
use emporium::domain::id::AggregateId;
use emporium::persistence::parked::{At, Parked};
use emporium::persistence::read_store::{Moved, Turn, Written};
use uuid::Uuid;

use super::conformance;
use crate::support::database::{SHARDS, TestDatabase};

conformance!(a_place_moves_only_from_where_it_is_and_begins_anew_when_that_is_asked,);

const NAME: &str = "reminders_1";

async fn a_place_moves_only_from_where_it_is_and_begins_anew_when_that_is_asked(
    database: TestDatabase,
) {
    let store = &database.acting;
    let stands = async || store.stands(NAME, SHARDS).await.expect("an answer");
    assert_eq!(stands().await.position.shards().filter(|(_, seq)| *seq > 0).count(), 0);
    let at = At {
        aggregate_type: "user".to_owned(),
        aggregate_id: AggregateId(Uuid::from_u128(7)),
        version: 1,
        shard: 3,
        seq: 5,
        event: 2,
    };
    let since = DateTime::from_timestamp_micros(9).expect("a time");
    let parked = [Parked { at: at.clone(), reason: "nobody is there".to_owned(), since }];
    let moved = [Moved { shard: 3, from: 0, to: 5 }, Moved { shard: 4, from: 0, to: 1 }];
    let turn = Turn { moved: &moved, parked: &parked, ..Turn::default() };
    let advance = async |turn| store.advance(NAME, turn).await.expect("an answer");
    assert_eq!(advance(turn).await, Written::Done);
    let found = stands().await;
    assert_eq!((found.position.seq(3), found.position.seq(4), found.position.seq(5)), (5, 1, 0));
    assert_eq!(found.parked, parked);

    // Another has moved one of them meanwhile: nothing of it is done.
    let late = [Moved { shard: 5, from: 0, to: 2 }, Moved { shard: 3, from: 0, to: 6 }];
    let taken_up = [at];
    let turn = Turn { moved: &late, taken_up: &taken_up, ..Turn::default() };
    assert_eq!(advance(turn).await, Written::Elsewhere);
    assert_eq!(stands().await, found);
    let again = [Moved { shard: 3, from: 5, to: 5 }];
    let turn = Turn { moved: &again, taken_up: &taken_up, ..Turn::default() };
    assert_eq!(advance(turn).await, Written::Done);
    assert_eq!(stands().await.parked, []);

    store.begin_anew().await.expect("it is done");
    assert_eq!(stands().await.position.seq(3), 0);
    let turn = Turn { moved: &[Moved { shard: 3, from: 0, to: 1 }], ..Turn::default() };
    assert_eq!(advance(turn).await, Written::Done);
}

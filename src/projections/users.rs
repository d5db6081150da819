//! The users: newest first, and by e-mail address. Keeps at most [`ROWS_MAX`]; the oldest who
//! closed their account go first, then the oldest. No roles: whoever decides asks the user.

use std::cmp::Reverse;
use std::ops::Bound;
use std::sync::Arc;

use imbl::{HashMap, OrdSet};
use serde::{Deserialize, Serialize};

use super::{Fact, Place, Projection};
use domain::access::user::{self, User};
use domain::aggregate::Aggregate;
use domain::id::AggregateId;
use domain::sealed::BlindIndex;

/// Users who are kept.
pub const ROWS_MAX: usize = 100_000;

/// What a list shows of a user.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Row {
    pub id: AggregateId,
    /// The last one, where the account is closed.
    pub email: BlindIndex,
    pub status: user::Status,
    /// Microseconds since 1970 UTC, like the other times.
    pub registered_us: i64,
    pub changed_us: i64,
    pub version: u64,
}

/// The place of a row in the list; smaller is newer. It never changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    pub registered_us: Reverse<i64>,
    pub id: AggregateId,
}

impl Row {
    pub fn key(&self) -> Key {
        Key { registered_us: Reverse(self.registered_us), id: self.id }
    }

    /// None once the account is closed: the address is free for another then.
    fn address_key(&self) -> Option<(BlindIndex, AggregateId)> {
        (self.status != user::Status::Closed).then_some((self.email, self.id))
    }
}

/// See the module.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(from = "Vec<Arc<Row>>", into = "Vec<Arc<Row>>")]
pub struct Users {
    rows: HashMap<AggregateId, Arc<Row>>,
    recent: OrdSet<Key>,
    /// Logs are read side by side, so that for a while an address may seem to have two holders.
    by_email: OrdSet<(BlindIndex, AggregateId)>,
    /// Closed accounts, oldest first.
    closed: OrdSet<(i64, AggregateId)>,
}

impl Users {
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    pub fn get(&self, id: AggregateId) -> Option<&Row> {
        self.rows.get(&id).map(Arc::as_ref)
    }

    /// Newest first, behind `after`.
    pub fn recent(&self, after: Option<Key>) -> impl Iterator<Item = &Row> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.recent.range((from, Bound::Unbounded)).filter_map(|key| self.get(key.id))
    }

    /// Who has the address now; of two who seem to, the one who changed last.
    pub fn by_email(&self, address: BlindIndex) -> Option<&Row> {
        let first = (address, AggregateId(uuid::Uuid::nil()));
        let holders = self.by_email.range((Bound::Included(first), Bound::Unbounded));
        holders
            .take_while(move |(of, _)| *of == address)
            .filter_map(|(_, id)| self.get(*id))
            .max_by_key(|row| row.changed_us)
    }

    fn insert(&mut self, row: Arc<Row>) {
        self.recent.insert(row.key());
        match row.address_key() {
            Some(key) => drop(self.by_email.insert(key)),
            None => drop(self.closed.insert((row.registered_us, row.id))),
        }
        self.rows.insert(row.id, row);
    }

    fn remove(&mut self, id: AggregateId) {
        let Some(row) = self.rows.remove(&id) else { return };
        self.recent.remove(&row.key());
        self.closed.remove(&(row.registered_us, row.id));
        if let Some(key) = row.address_key() {
            self.by_email.remove(&key);
        }
    }

    fn drop_surplus(&mut self, rows_max: usize) {
        while self.rows.len() > rows_max {
            let oldest_closed = self.closed.get_min().map(|(_, id)| *id);
            let oldest = || self.recent.get_max().map(|key| key.id);
            let Some(id) = oldest_closed.or_else(oldest) else { return };
            self.remove(id);
        }
    }

    fn change(&mut self, place: Place, change: impl FnOnce(&mut Row)) {
        // A row that was dropped stays so.
        let Some(row) = self.rows.get_mut(&place.aggregate_id) else { return };
        let row = Arc::make_mut(row);
        let address_before = row.address_key();
        change(row);
        row.changed_us = place.recorded_us;
        row.version = place.version;
        let address = row.address_key();
        let closed = (row.status == user::Status::Closed).then_some((row.registered_us, row.id));
        if address != address_before {
            if let Some(key) = address_before {
                self.by_email.remove(&key);
            }
            if let Some(key) = address {
                self.by_email.insert(key);
            }
        }
        if let Some(key) = closed {
            self.closed.insert(key);
        }
    }
}

impl From<Vec<Arc<Row>>> for Users {
    fn from(rows: Vec<Arc<Row>>) -> Self {
        let mut people = Self::default();
        rows.into_iter().for_each(|row| people.insert(row));
        people
    }
}

impl From<Users> for Vec<Arc<Row>> {
    fn from(people: Users) -> Self {
        people.rows.values().cloned().collect()
    }
}

impl Projection for Users {
    const NAME: &'static str = "users";
    const SCHEMA: u32 = 1;

    fn wants(aggregate_type: &str, _: u64) -> bool {
        aggregate_type == User::TYPE
    }

    fn rows(&self) -> usize {
        self.len()
    }

    fn apply(&mut self, place: Place, fact: &Fact) {
        let Fact::User(event) = fact else { return };
        match event {
            user::Event::UserRegistered { email, .. } => {
                self.insert(Arc::new(Row {
                    id: place.aggregate_id,
                    email: email.index,
                    status: user::Status::Active,
                    registered_us: place.recorded_us,
                    changed_us: place.recorded_us,
                    version: place.version,
                }));
                self.drop_surplus(ROWS_MAX);
            }
            user::Event::EmailChanged { email, .. } => {
                self.change(place, |row| row.email = email.index);
            }
            user::Event::UserSuspended { .. } => {
                self.change(place, |row| row.status = user::Status::Suspended);
            }
            user::Event::UserReinstated {} => {
                self.change(place, |row| row.status = user::Status::Active);
            }
            user::Event::UserClosed { .. } => {
                self.change(place, |row| row.status = user::Status::Closed);
            }
            user::Event::ProfileChanged { .. }
            | user::Event::ReservationFenced { .. }
            | user::Event::RoleAssigned { .. }
            | user::Event::RoleRevoked { .. } => self.change(place, |_| {}),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{History, id, round_trip};
    use domain::testing::{index, noon, sealed_email, sealed_name};

    fn registered(email: &str) -> Fact {
        Fact::User(user::Event::UserRegistered {
            email: sealed_email(email),
            reservation: noon(),
            display_name: sealed_name("Ann"),
            locale: "en".to_owned(),
        })
    }

    fn moved(email: &str, previous: &str) -> Fact {
        Fact::User(user::Event::EmailChanged {
            email: sealed_email(email),
            reservation: noon(),
            previous: index(previous),
            previous_reservation: noon(),
        })
    }

    fn closed(email: &str) -> Fact {
        let (reason, email) = ("asked to".to_owned(), index(email));
        Fact::User(user::Event::UserClosed { reason, email })
    }

    fn ids(people: &Users, after: Option<Key>) -> Vec<AggregateId> {
        people.recent(after).map(|row| row.id).collect()
    }

    fn holder(people: &Users, email: &str) -> Option<AggregateId> {
        people.by_email(index(email)).map(|row| row.id)
    }

    #[test]
    fn users_are_listed_newest_first_from_a_key_on() {
        let mut history = History::<Users>::default();
        for number in 1..=3 {
            history.happens(id(number), registered(&format!("u{number}@example.com")));
        }
        for people in [&history.view, &round_trip(&history.view)] {
            assert_eq!(ids(people, None), [id(3), id(2), id(1)]);
            let second = people.get(id(2)).expect("it is listed").key();
            assert_eq!(ids(people, Some(second)), [id(1)]);
        }
    }

    #[test]
    fn an_address_finds_whoever_has_it_now_in_whatever_order_the_logs_are_read() {
        let mut history = History::<Users>::default();
        history.happens(id(2), registered("Ann@example.com"));
        history.happens(id(1), registered("ann@example.com"));
        history.happens(id(1), moved("ann@example.org", "ann@example.com"));
        assert_eq!(holder(&history.view, "ANN@example.com"), Some(id(2)));
        assert_eq!(holder(&history.view, "ann@example.org"), Some(id(1)));
        history.happens(id(1), closed("ann@example.org"));
        for people in [&history.view, &round_trip(&history.view)] {
            assert_eq!(holder(people, "ann@example.org"), None, "free again");
            assert_eq!(holder(people, "ann@example.com"), Some(id(2)));
            assert_eq!(people.get(id(1)).map(|row| row.status), Some(user::Status::Closed));
        }
    }

    #[test]
    fn closed_accounts_make_room_first() {
        let mut history = History::<Users>::default();
        for number in 1..=4 {
            history.happens(id(number), registered(&format!("u{number}@example.com")));
        }
        history.happens(id(3), closed("u3@example.com"));
        history.view.drop_surplus(3);
        assert_eq!(ids(&history.view, None), [id(4), id(2), id(1)]);
        history.view.drop_surplus(2);
        assert_eq!(ids(&history.view, None), [id(4), id(2)]);
        assert_eq!(holder(&history.view, "u1@example.com"), None);
    }
}
